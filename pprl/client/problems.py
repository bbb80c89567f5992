"""What a service says where it refuses (RFC 9457, ``application/problem+json``), as an error for people."""

from __future__ import annotations

import json
import re
from typing import Any

from pprl.errors import ServiceError

_LONGEST = 500
_FIXES = {
    "unauthenticated": "the token may have expired or been revoked: ask the broker for another one",
    "denied": "ask the broker whether you should be allowed to",
    "busy": "try again later",
    "too-large": "ask the broker for its limits",
}
_CODES = {
    400: "invalid",
    401: "unauthenticated",
    403: "denied",
    404: "not-found",
    409: "conflict",
    410: "not-found",
    413: "too-large",
    422: "invalid",
    423: "busy",
    429: "busy",
    503: "busy",
}


def error_of(content: bytes, status: int, *, url: str, token: str) -> ServiceError:
    """An error of an answer that is none of success.

    Parameters
    ----------
    content : bytes
        The answer's body.
    status : int
        Of HTTP.
    url : str
        The service's address.
    token : str
        Taken out, should the service repeat it.
    """
    document = _parsed(content)
    code = _line(document.get("code"), token) or _CODES.get(status, "answer")
    said = _line(document.get("detail"), token) or _line(document.get("title"), token)
    message = (
        f"{url}: the broker says: {said.rstrip('.')}" if said else f"{url}: answers with status {status}"
    )
    fix = _FIXES.get(code)
    return ServiceError(f"{message}; {fix}" if fix else message, code=code, status=status)


def unreachable(url: str, error: Exception) -> str:
    """What is said where no answer came."""
    name = type(error).__name__
    what = "does not answer in time" if name.endswith("Timeout") else "the connection breaks"
    if name in ("ConnectError", "ConnectTimeout", "ProxyError"):
        what = "cannot be reached"
    return f"{url}: {what} ({name}); is the address right, and the network there? Then try again"


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _line(value: object, token: str) -> str:
    """One line of what a stranger says, without signs that would steer a terminal."""
    if not isinstance(value, str):
        return ""
    text = "".join(sign if sign.isprintable() else " " for sign in value.replace(token, "[token]"))
    return re.sub(r"\s+", " ", text).strip()[:_LONGEST]
