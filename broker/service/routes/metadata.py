"""The metadata service, as Gen3 clients know it.

They put ``/mds`` before paths that read and ``/mds-admin`` before those that write; on ``http://localhost`` they put
nothing. All three lead here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker import journal
from broker.auth import Scope
from broker.gen3 import aliases, metadata
from broker.gen3.documents import DOCUMENT_BYTES
from broker.gen3.metadata import Sharing
from broker.gen3.readers import may_share
from broker.gen3.search import FOUND, MOST_FOUND, search
from broker.governance import Act
from broker.service.bodies import json_of_at_most
from broker.service.dependencies import Asking, AskingDep, BrokerDep, OptionalCallerDep
from broker.store.tables import MetadataRecord, Party, Project
from pprl import __version__
from pprl.errors import AuthError, DeniedError, GovernanceError

BATCH_BYTES = 16 * 1024 * 1024

EVERYBODY, NOBODY = "everybody", "nobody"
"""Whom records can be shared with, beside a project."""

_PARAMETERS = ("data", "limit", "offset")
_OBJECT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}
_LIST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
    }
}

DocumentDep = Annotated[Any, Depends(json_of_at_most(2 * DOCUMENT_BYTES))]
BatchDep = Annotated[Any, Depends(json_of_at_most(BATCH_BYTES))]
ShareDep = Annotated[
    str | None,
    Query(
        max_length=40,
        description=f"Who else may read it: the id of a project, {EVERYBODY} or {NOBODY}. Not given: as it is.",
    ),
]

family = APIRouter(tags=["metadata"])


class Reading:
    """Somebody who reads; of a record that everybody may read it need not be known who."""

    def __init__(self, broker: BrokerDep, caller: OptionalCallerDep) -> None:
        if caller is not None:
            broker.authenticator.require_scope(caller, Scope.FETCH)
        elif not broker.settings.open_metadata:
            raise AuthError("say who you are: Authorization: Bearer TOKEN")
        self.party: Party | None = None if caller is None else caller.party
        self.now, self.store = broker.clock(), broker.store


ReadingDep = Annotated[Reading, Depends(Reading)]


class Writing:
    """Somebody who writes: in one transaction, with an entry in the journal as its last act."""

    def __init__(self, asking: AskingDep) -> None:
        asking.broker.authenticator.require_scope(asking.caller, Scope.METADATA)
        self.asking = asking
        self.how: dict[str, Any] = {"by": asking.party, "now": asking.now}

    @contextmanager
    def __call__(self, act: str, counts: dict[str, int] | None = None) -> Iterator[Session]:
        """A transaction; ``counts``, filled meanwhile, go into the journal."""
        with self.asking.broker.store.begin() as session:
            yield session
            journal.append(
                session,
                f"metadata.{act}",
                by=self.asking.party.id,
                now=self.asking.now,
                counts=counts,
            )

    def owned(self, session: Session, guid: str) -> MetadataRecord:
        """The record that the caller may change."""
        return metadata.owned(session, guid, **self.how)

    def sharing(self, session: Session, share: str | None) -> Sharing | None:
        """Read the parameter ``share``."""
        return _sharing(session, self.asking, share)


WritingDep = Annotated[Writing, Depends(Writing)]


@family.get("/metadata")
def search_metadata(
    reading: ReadingDep,
    request: Request,
    data: bool = False,
    limit: Annotated[int, Query(ge=0, description=f"At most {MOST_FOUND} are given.")] = FOUND,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> JSONResponse:
    """Search records: ``?a.b.c=value``, ``*`` for any value. Gives their GUIDs, or with ``data`` all of them."""
    filters: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name not in _PARAMETERS:
            filters.setdefault(name, []).append(value)
    with reading.store.read() as session:
        found = search(session, filters, party=reading.party, now=reading.now, limit=limit, offset=offset)
        if data:
            return JSONResponse({record.guid: record.data for record in found})
        return JSONResponse([record.guid for record in found])


@family.post("/metadata", openapi_extra=_LIST, responses={413: {}})
def post_metadata_batch(
    writing: WritingDep, batch: BatchDep, overwrite: bool = True, share: ShareDep = None
) -> JSONResponse:
    """Publish many records at once: ``[{"guid": ..., "data": {...}}]``."""
    counts: dict[str, int] = {}
    with writing("published", counts) as session:
        done = metadata.create_batch(
            session, batch, overwrite=overwrite, sharing=writing.sharing(session, share), **writing.how
        )
        content = {"created": done.created, "updated": done.updated, "conflict": done.conflict}
        counts |= {what: len(guids) for what, guids in content.items()}
    return JSONResponse(content)


# Paths of aliases come first: a GUID may have slashes, and takes in all that follows.


@family.get("/metadata/{guid:path}/aliases")
def get_metadata_aliases(reading: ReadingDep, guid: str) -> JSONResponse:
    """The other names of a record."""
    with reading.store.read() as session:
        record = metadata.get(session, guid, party=reading.party, now=reading.now)
        return JSONResponse({"guid": guid, "aliases": aliases.aliases_of(session, record)})


@family.post("/metadata/{guid:path}/aliases", status_code=201, openapi_extra=_OBJECT, responses={413: {}})
def post_metadata_aliases(writing: WritingDep, guid: str, body: DocumentDep) -> JSONResponse:
    """Give a record other names: ``{"aliases": [...]}``."""
    with writing("named") as session:
        given = aliases.add_aliases(session, writing.owned(session, guid), _aliases_in(body))
    return JSONResponse({"guid": guid, "aliases": given}, 201)


@family.put("/metadata/{guid:path}/aliases", status_code=201, openapi_extra=_OBJECT, responses={413: {}})
def put_metadata_aliases(
    writing: WritingDep, guid: str, body: DocumentDep, merge: bool = False
) -> JSONResponse:
    """Give a record other names in place of those it has, or with ``merge`` beside them."""
    with writing("named") as session:
        record = writing.owned(session, guid)
        given = aliases.set_aliases(session, record, _aliases_in(body), merge=merge)
    return JSONResponse({"guid": guid, "aliases": given}, 201)


@family.delete("/metadata/{guid:path}/aliases/{alias:path}", status_code=204)
def delete_metadata_alias(writing: WritingDep, guid: str, alias: str) -> Response:
    """Take one of its names from a record."""
    with writing("named") as session:
        aliases.delete_alias(session, writing.owned(session, guid), alias)
    return Response(status_code=204)


@family.delete("/metadata/{guid:path}/aliases", status_code=204)
def delete_metadata_aliases(writing: WritingDep, guid: str) -> Response:
    """Take all other names from a record."""
    with writing("named") as session:
        aliases.delete_aliases(session, writing.owned(session, guid))
    return Response(status_code=204)


@family.get("/metadata/{guid:path}")
def get_metadata(reading: ReadingDep, guid: str) -> JSONResponse:
    """A record, by its GUID or another name."""
    with reading.store.read() as session:
        return JSONResponse(metadata.get(session, guid, party=reading.party, now=reading.now).data)


@family.post(
    "/metadata/{guid:path}",
    status_code=201,
    openapi_extra=_OBJECT,
    responses={200: {"description": "Overwritten."}, 413: {}},
)
def post_metadata(
    writing: WritingDep,
    guid: str,
    document: DocumentDep,
    overwrite: bool = False,
    share: ShareDep = None,
) -> JSONResponse:
    """Publish a record."""
    counts: dict[str, int] = {}
    with writing("published", counts) as session:
        record, is_new = metadata.create(
            session,
            guid,
            document,
            overwrite=overwrite,
            sharing=writing.sharing(session, share),
            prefix=writing.asking.broker.settings.guid_prefix,
            **writing.how,
        )
        content = record.data
        counts |= {"created": int(is_new), "updated": int(not is_new)}
    return JSONResponse(content, 201 if is_new else 200)


@family.put("/metadata/{guid:path}", openapi_extra=_OBJECT, responses={413: {}})
def put_metadata(
    writing: WritingDep, guid: str, document: DocumentDep, merge: bool = False, share: ShareDep = None
) -> JSONResponse:
    """Change a record; with ``merge`` keys that are not in the request are kept."""
    with writing("published", {"updated": 1}) as session:
        record = metadata.update(
            session,
            guid,
            document,
            merge=merge,
            sharing=writing.sharing(session, share),
            prefix=writing.asking.broker.settings.guid_prefix,
            **writing.how,
        )
        content = record.data
    return JSONResponse(content)


@family.delete("/metadata/{guid:path}")
def delete_metadata(writing: WritingDep, guid: str) -> JSONResponse:
    """Delete a record; gives what it held."""
    with writing("deleted") as session:
        content = metadata.delete(session, guid, **writing.how)
    return JSONResponse(content)


@family.get("/_status")
def metadata_status(broker: BrokerDep) -> dict[str, str]:
    """The service is there."""
    with broker.store.read() as session:
        session.scalar(select(1))
    return {"status": "OK"}


@family.get("/version", response_class=PlainTextResponse)
def metadata_version() -> str:
    """Of the program."""
    return __version__


minting = APIRouter(tags=["metadata"])


@minting.get("/guid/mint")
def mint_guids(
    broker: BrokerDep, count: Annotated[int, Query(ge=1, le=metadata.MOST_MINTED)] = 1
) -> JSONResponse:
    """GUIDs for new records; they are kept for nobody."""
    guids = metadata.mint(count, prefix=broker.settings.guid_prefix, random_bytes=broker.random_bytes)
    return JSONResponse({"guids": guids})


@minting.get("/guid/prefix")
def get_guid_prefix(broker: BrokerDep) -> JSONResponse:
    """What the GUIDs that are given out begin with."""
    return JSONResponse({"prefix": broker.settings.guid_prefix})


router = APIRouter()
router.include_router(family, prefix="/mds")
router.include_router(minting, prefix="/index")
for _prefix in ("/mds-admin", ""):
    router.include_router(family, prefix=_prefix, include_in_schema=False)
router.include_router(minting, include_in_schema=False)


def _aliases_in(body: Any) -> Any:
    if not isinstance(body, dict):
        raise GovernanceError('aliases are given as {"aliases": [...]}')
    return body.get("aliases")


def _sharing(session: Session, asking: Asking, share: str | None) -> Sharing | None:
    if share is None:
        return None
    if share == NOBODY:
        return Sharing()
    if share == EVERYBODY:
        if not asking.broker.settings.open_metadata:
            raise DeniedError("this broker lets nobody share records with everybody; see --open-metadata")
        return Sharing(is_open=True)
    project = asking.find(session, Act.SEE_PROJECT, Project, share)
    if not may_share(session, asking.party, project, now=asking.now):
        raise DeniedError("only members of a project that is open share records with it")
    return Sharing(project=project)
