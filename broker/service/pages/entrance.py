"""In and out, and the files that pages load."""

from __future__ import annotations

import hmac
import math
import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.auth import note_use
from broker.service.dependencies import BrokerDep
from broker.service.pages.forms import FieldsDep, QueryDep
from broker.service.pages.rendering import asset, show
from broker.service.pages.visitor import ROOT, Console, ConsoleDep, DeedDep, check_same_site
from broker.service.problems import Refusal
from pprl.errors import AuthError

router = APIRouter()

_NEXT = re.compile(rf"{ROOT}(/[A-Za-z0-9-]+)*/?")
_FORM_COOKIE = "pprl-sign-in"
_MOST_TOKEN_CHARACTERS = 200


@router.get("/sign-in")
def get_sign_in(request: Request, broker: BrokerDep, console: ConsoleDep, query: QueryDep) -> HTMLResponse:
    """Ask for a token."""
    return _sign_in(request, console, broker.random_bytes(32).hex(), _next(query.text("next")))


@router.post("/sign-in")
def post_sign_in(request: Request, broker: BrokerDep, console: ConsoleDep, fields: FieldsDep) -> Response:
    """Begin a session."""
    check_same_site(request)
    # Before there is a session, the form must bring back what the page gave the browser in a cookie.
    form_key = request.cookies.get(_FORM_COOKIE, "")
    if not form_key or not hmac.compare_digest(fields.text("form_key").encode(), form_key.encode()):
        raise Refusal(403, "the form was not sent from the sign-in page; open that page and try again")
    address = "unknown" if request.client is None else request.client.host
    now, where = broker.clock(), _next(fields.text("next"))
    if (wait := console.attempts.attempt(address, now=now)) is not None:
        minutes = max(1, math.ceil(wait.total_seconds() / 60))
        raise Refusal(
            429,
            f"too many attempts to sign in from your address; wait {minutes} minute{'s' if minutes > 1 else ''}",
            headers={"Retry-After": str(math.ceil(wait.total_seconds()))},
        )
    token = "".join(fields.text("token")[: 2 * _MOST_TOKEN_CHARACTERS].split())  # mails break lines
    try:
        with broker.store.read() as session:
            caller = broker.authenticator.authenticate(session, token, now=now)
        text, made = console.sessions.begin(caller, now=now)
    except AuthError:
        return _sign_in(request, console, form_key, where, failed=True)
    console.attempts.succeeded(address)
    note_use(broker.store, caller, now=now)
    if (before := request.cookies.get(console.cookie)) is not None:
        console.sessions.end(before)
    response = RedirectResponse(where, 303)
    response.set_cookie(
        console.cookie,
        text,
        max_age=math.floor((made.ends_at - now).total_seconds()),
        path="/",
        secure=console.is_secure,
        httponly=True,
        samesite="strict",
    )
    response.delete_cookie(_FORM_COOKIE, path=f"{ROOT}/sign-in")
    return response


@router.post("/sign-out")
def post_sign_out(request: Request, console: ConsoleDep, deed: DeedDep) -> RedirectResponse:
    """End the session."""
    console.sessions.end(request.cookies[console.cookie])
    response = RedirectResponse(f"{ROOT}/sign-in", 303)
    response.delete_cookie(
        console.cookie, path="/", secure=console.is_secure, httponly=True, samesite="strict"
    )
    return response


@router.get("/assets/{digest}/{name}")
def get_asset(digest: str, name: str) -> Response:
    """A file that pages load."""
    found = asset(name)
    if found is None:
        raise Refusal(404, "there is no such file")
    content, media_type = found
    return Response(
        content, media_type=media_type, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def _sign_in(
    request: Request, console: Console, form_key: str, where: str, *, failed: bool = False
) -> HTMLResponse:
    response = show(
        "sign_in", None, status=401 if failed else 200, where=where, failed=failed, sign_in_key=form_key
    )
    response.set_cookie(
        _FORM_COOKIE,
        form_key,
        max_age=3600,
        path=f"{ROOT}/sign-in",
        secure=console.is_secure,
        httponly=True,
        samesite="strict",
    )
    return response


def _next(path: str) -> str:
    """Where to go then: a page of the console's, and nothing else."""
    return path if _NEXT.fullmatch(path) and "sign-in" not in path else f"{ROOT}/"
