"""Every request as a log line and in the metrics, with headers of every answer."""

from __future__ import annotations

import logging
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.service.metrics import Metrics

_log = logging.getLogger("broker.access")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
API_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Watching:
    """An ASGI middleware; not one of Starlette's, which would hold streams back.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, status = uuid.uuid4().hex[:16], time.perf_counter(), 500
        scope.setdefault("state", {})["request_id"] = request_id

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                present = {name.lower() for name, _ in headers}
                headers.append((b"x-request-id", request_id.encode()))
                headers.extend(one for one in HEADERS if one[0] not in present)
                if API_POLICY[0] not in present:
                    headers.append(API_POLICY)
                if b"cache-control" not in present:
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        self._metrics.running.inc()
        try:
            await self._app(scope, receive, watched)
        finally:
            self._metrics.running.dec()
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.seconds.labels(method, route).observe(seconds)
            _log.info(
                "request",
                extra={
                    "request": request_id,
                    "party": scope["state"].get("party"),
                    "method": method,
                    "route": route,
                    "status": status,
                    "seconds": round(seconds, 4),
                },
            )


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
