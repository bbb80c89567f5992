"""The GA4GH Data Repository Service, version 1.5: files of releases for whoever reads DRS addresses."""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, BackgroundTasks, Depends, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from broker.auth.access import AccessTokens
from broker.gen3 import drs
from broker.governance import Act, no_such, require
from broker.service.dependencies import Asking, BrokerDep, authenticated
from broker.service.problems import Refusal, problem_of
from broker.service.sending import send_file
from broker.store.tables import Release, ReleaseFile
from pprl import __version__
from pprl.errors import AuthError, NotFoundError, PprlError


class _DrsRoute(APIRoute):
    """Answers errors as DRS has them: ``{"msg": ..., "status_code": ...}``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except PprlError as error:
                made = problem_of(error)
                status, headers = made.status_code, made.headers
                kept = {
                    name: headers[name] for name in ("www-authenticate", "retry-after") if name in headers
                }
                return _error(status, str(error), kept)
            except RequestValidationError:
                return _error(400, "the request is not as it should be")
            except HTTPException as error:
                return _error(
                    error.status_code, "the body cannot be read; it must be JSON, in UTF-8, and short"
                )

        return answer


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"msg": message, "status_code": status}, status, headers=headers)


class DrsError(BaseModel):
    """Why there is no answer."""

    msg: str
    status_code: int


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": DrsError, "description": text}
    for status, text in (
        (400, "The request is malformed."),
        (401, "The caller is not known."),
        (403, "The caller may not do this."),
        (404, "There is no such object, or none that the caller may know of."),
        (410, "The object is gone."),
        (413, "The request is too large."),
        (416, "There is no such part."),
        (503, "The store is busy."),
    )
}

router = APIRouter(prefix=drs.PREFIX, tags=["drs"], route_class=_DrsRoute, responses=_ERRORS)


class BulkObjects(BaseModel):
    """Ids that are asked for at once."""

    bulk_object_ids: list[str] = Field(min_length=1, max_length=drs.MOST_AT_ONCE)


def drs_caller(
    request: Request,
    broker: BrokerDep,
    afterwards: BackgroundTasks,
    authorization: Annotated[str | None, Header(max_length=16_384)] = None,
) -> Asking:
    """Who asks: with a bearer token, or with a token for the password of HTTP's basic authentication.

    The ``gen3`` client describes objects without saying who asks, but like others it takes a password for a host from
    the user's ``.netrc``.
    """
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")[2]
        except ValueError:
            raise AuthError from None
    elif scheme.lower() != "bearer":
        raise AuthError("say who you are: Authorization: Bearer TOKEN")
    return Asking(broker, authenticated(request, broker, text.strip(), afterwards))


DrsAsking = Annotated[Asking, Depends(drs_caller)]


@router.get("/service-info")
def get_service_info(broker: BrokerDep) -> JSONResponse:
    """What this service is."""
    settings = broker.settings
    return JSONResponse(drs.service_info(host=settings.host, url=settings.public_url, program=__version__))


@router.get("/objects/{object_id:path}/access/{access_id}")
def get_drs_access(asking: DrsAsking, object_id: str, access_id: str) -> JSONResponse:
    """An address where the bytes of an object are, for some minutes."""
    with asking.broker.store.read() as session:
        file = _find(session, asking, object_id, Act.FETCH_RELEASE)
        if access_id != drs.ACCESS_ID or not isinstance(file, ReleaseFile):
            raise NotFoundError("the object has no such access method")
        drs.checksum(file)
    ticket = _tickets(asking.broker.authenticator.access).ticket(asking.caller, file.id, now=asking.now)
    url = asking.broker.settings.public_url.rstrip("/")
    return JSONResponse({"url": f"{url}{drs.PREFIX}/bytes/{quote(file.id, safe='')}?ticket={ticket}"})


@router.get(
    "/bytes/{object_id}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}, 206: {}, 304: {}},
)
def get_drs_bytes(
    broker: BrokerDep,
    object_id: str,
    ticket: Annotated[str, Query(max_length=8192)],
    range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The bytes of an object, for whoever has a ticket."""
    now = broker.clock()
    with broker.store.read() as session:
        tickets = _tickets(broker.authenticator.access)
        party = tickets.party_with_ticket(session, ticket, object_id, now=now)
        file = drs.find_object(session, object_id)
        if not isinstance(file, ReleaseFile):
            raise no_such(ReleaseFile)
        require(session, party, Act.FETCH_RELEASE, file, now=now)
        drs.checksum(file)
    return send_file(broker, party, file, range_, if_none_match)


@router.options("/objects/{object_id:path}")
def options_drs_object(asking: BrokerDep, object_id: str) -> JSONResponse:
    """How to say who asks for an object; nothing tells whether there is one."""
    return JSONResponse(drs.authorizations(object_id, issuer=asking.settings.public_url))


@router.get("/objects/{object_id:path}")
def get_drs_object(asking: DrsAsking, object_id: str) -> JSONResponse:
    """A file of a release, or a release with its files."""
    with asking.broker.store.read() as session:
        return JSONResponse(_described(session, asking, object_id))


@router.post("/objects")
def post_drs_objects(asking: DrsAsking, body: BulkObjects) -> JSONResponse:
    """Several objects at once."""
    found: list[dict[str, Any]] = []
    missing: dict[int, list[str]] = {}
    with asking.broker.store.read() as session:
        for object_id in dict.fromkeys(body.bulk_object_ids):
            try:
                found.append(_described(session, asking, object_id))
            except PprlError as error:
                missing.setdefault(problem_of(error).status_code, []).append(object_id)
    n_missing = sum(len(ids) for ids in missing.values())
    return JSONResponse(
        {
            "summary": {
                "requested": len(found) + n_missing,
                "resolved": len(found),
                "unresolved": n_missing,
            },
            "resolved_drs_object": found,
            "unresolved_drs_objects": [
                {"error_code": status, "object_ids": ids} for status, ids in missing.items()
            ],
        }
    )


def _described(session: Session, asking: Asking, object_id: str) -> dict[str, Any]:
    subject = _find(session, asking, object_id, Act.SEE_RELEASE)
    settings = asking.broker.settings
    return drs.describe(session, subject, host=settings.host, issuer=settings.public_url)


def _find(session: Session, asking: Asking, object_id: str, act: Act) -> Release | ReleaseFile:
    asking.caller.check_act(act)
    subject = drs.find_object(session, object_id)
    if subject is None:
        raise no_such(ReleaseFile)
    asking.require(session, act, subject)
    return subject


def _tickets(access: AccessTokens | None) -> AccessTokens:
    if access is None:
        raise Refusal(404, "this broker gives no addresses of bytes: its key access.key is missing")
    return access
