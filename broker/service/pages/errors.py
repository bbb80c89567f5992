"""Errors as pages, each with what helps."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from broker.service.pages.rendering import show
from broker.service.pages.visitor import ROOT, Visitor
from pprl.errors import PprlError

Answerer = Callable[[Request, Exception], Awaitable[Response]]

_FIXES = {
    403: "If it is part of your work, ask the operator for a token with more scopes, or the steward to do it.",
    404: "It may be over, or not for you to see. Start again at the overview.",
    405: "Open the page anew from the overview.",
    409: "Look at the page again: somebody may have been faster.",
    410: "Fetch the latest release, or start again at the overview.",
    413: "Send less at a time.",
    422: "Go back, change what is named, and send the form once more.",
    429: "Wait as long as is said, then try again.",
    500: "Nothing is half done. Try again; if it comes back, give the operator the reference.",
    503: "The database is busy. Wait a few seconds and load the page again; a form can safely be sent twice.",
    507: "Ask the operator to make room on the broker's disk.",
}


def add_error_pages(app: FastAPI) -> None:
    """Have errors of the console answered by pages; those of the API stay as they are."""
    for kind in (PprlError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _as_page(app.exception_handlers[kind]))


def _as_page(answer: Any) -> Answerer:
    async def answered(request: Request, error: Exception) -> Response:
        response: Response = await answer(request, error)
        path = request.url.path
        if path != ROOT and not path.startswith(f"{ROOT}/"):
            return response
        return _page_of(request, json.loads(bytes(response.body)), response)

    return answered


def _page_of(request: Request, problem: dict[str, Any], response: Response) -> Response:
    status = int(problem["status"])
    if status == 401:
        again = ""
        if request.method == "GET" and not request.url.path.endswith("/live"):
            again = f"?next={quote(request.url.path)}"
        return RedirectResponse(f"{ROOT}/sign-in{again}", 303)
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    detail = str(problem["detail"])
    kept = {name: response.headers[name] for name in ("retry-after",) if name in response.headers}
    return show(
        "error",
        visitor,
        status=status,
        headers=kept,
        title=problem["title"],
        detail=detail[:1].upper() + detail[1:],
        fix=_FIXES.get(status, "Start again at the overview."),
        errors=problem.get("errors", []),
    )
