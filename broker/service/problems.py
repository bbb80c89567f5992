"""Errors as answers: problem details (RFC 9457), with nothing in them of what was sent."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from broker.logs import place_of
from pprl.errors import (
    AuthError,
    ConflictError,
    DeniedError,
    NotFoundError,
    PprlError,
    StoreBusyError,
    StoreError,
)

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger("broker.service")

_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    411: "Length required",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    422: "Invalid",
    429: "Too many requests",
    500: "Fault of the program",
    503: "Busy",
    507: "Disk full",
}
_MEANINGS = {
    400: "The body is no text in UTF-8, or cannot be read otherwise.",
    401: "The caller is not known.",
    403: "The caller may not do this.",
    404: "There is no such thing, or none that the caller may know of.",
    409: "What there is stands against it.",
    410: "It was there, and is gone for good.",
    413: "It is more than is taken.",
    415: "The body is of another media type.",
    416: "The file has no such part.",
    422: "The request cannot be carried out.",
    429: "There is too much of it at once.",
    503: "The store is busy; the same may succeed after the seconds of Retry-After.",
    507: "The broker's disk is full, or broken.",
}
_CODES = {
    400: "bad-request",
    401: "unauthenticated",
    403: "denied",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    410: "gone",
    411: "length-required",
    412: "precondition-failed",
    413: "too-large",
    415: "unsupported-media-type",
    416: "range",
    422: "invalid",
    429: "too-many",
    500: "fault",
    503: "busy",
    507: "full",
}


def may_answer(*statuses: int, headers: Mapping[str, str] | None = None) -> dict[int | str, dict[str, Any]]:
    """The description of answers that tell what is wrong, as routes take it for ``responses``.

    Parameters
    ----------
    *statuses : int
        Of the answers.
    headers : mapping, optional
        Names and what they tell, of all of them.
    """
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    more = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in (headers or {}).items()
    }
    return {
        status: {
            "description": _MEANINGS[status],
            "content": content,
            **({"headers": more} if more else {}),
        }
        for status in statuses
    }


class Refusal(PprlError):
    """A refusal that is no error of the tree's but of HTTP.

    Parameters
    ----------
    status : int
        Of the answer.
    detail : str
        One sentence for people.
    code : str, optional
        For machines; that of the status by default.
    headers : mapping, optional
        Of the answer.
    """

    def __init__(
        self, status: int, detail: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.headers = status, code or _CODES[status], dict(headers or {})


def problem(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """An answer that tells what is wrong."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code or _CODES.get(status, "error"),
        **more,
    }
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: PprlError) -> JSONResponse:
    """The answer for an error of the project's."""
    if isinstance(error, Refusal):
        return problem(error.status, str(error), code=error.code, headers=error.headers)
    if isinstance(error, AuthError):
        return problem(401, str(error), headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, StoreBusyError):
        return problem(503, str(error), headers={"Retry-After": "2"})
    if isinstance(error, DeniedError):
        return problem(403, str(error))
    if isinstance(error, NotFoundError):
        return problem(404, str(error))
    if isinstance(error, ConflictError):
        return problem(409, str(error))
    if isinstance(error, StoreError):
        # Of its errors only a full or a broken disk is met while a request is served.
        _log.error("the store: %s", error)
        return problem(507, str(error), headers={"Retry-After": "60"})
    return problem(422, str(error))


def add_handlers(app: FastAPI) -> None:
    """Have an application answer all errors so."""

    async def of_ours(request: Request, error: Exception) -> JSONResponse:
        del request
        assert isinstance(error, PprlError)  # noqa: S101 - registered for it
        return problem_of(error)

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        del request
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        details = {
            400: "the body cannot be read; it must be JSON, in UTF-8",
            404: "there is no such page",
            405: "this cannot be done here",
            413: "the body is larger than anything that can be asked for here",
        }
        detail = details.get(error.status_code, "the request cannot be served")
        return problem(error.status_code, detail, headers=error.headers)

    async def of_validation(request: Request, error: Exception) -> JSONResponse:
        del request
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        errors = [
            # What was sent is left out: it may be a secret that slipped into the wrong field.
            {"where": ".".join(str(part) for part in one["loc"]), "what": str(one["msg"])}
            for one in error.errors()[:20]
        ]
        first = f": {errors[0]['where']}: {errors[0]['what']}" if errors else ""
        return problem(422, f"the request is not as it should be{first}", errors=errors)

    async def of_anything(request: Request, error: Exception) -> JSONResponse:
        del request
        reference = uuid.uuid4().hex[:12]
        _log.error("%s at %s", type(error).__name__, place_of(error), extra={"reference": reference})
        return problem(500, f"a fault of the program; the log has it under {reference}")

    app.add_exception_handler(PprlError, of_ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(Exception, of_anything)
