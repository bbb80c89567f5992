"""Releases: asked for, listed, fetched and acknowledged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.governance import Act, by_id, no_such
from broker.releases.acknowledgement import acknowledge
from broker.releases.files import CONTENT
from broker.service.dependencies import AskingDep
from broker.service.idempotency import Answer, OnceDep
from broker.service.models import Id, JobOut, NewRelease, Page, ReleaseOut
from broker.service.paging import PieceDep
from broker.service.problems import may_answer
from broker.service.routes import API
from broker.service.sending import send_file
from broker.service.views import job_out, release_out
from broker.store.tables import Party, Project, Release, ReleaseFile
from broker.work import Kind
from broker.work.releasing import crosswalk_of

router = APIRouter(prefix=API, tags=["releases"])

ProjectId = Annotated[Id, Path(description="Id of a project.")]
ReleaseId = Annotated[Id, Path(description="Id of a release.")]


@router.post("/projects/{project_id}/releases", status_code=202, response_model=JobOut)
def post_release(asking: AskingDep, once: OnceDep, project_id: ProjectId, body: NewRelease) -> JSONResponse:
    """Make a release to a recipient, of all that is permitted or of some datasets."""
    arguments = body.model_dump()
    if body.crosswalk is not None:
        crosswalk_of(arguments["crosswalk"])  # what cannot be is said now, not by the job

    def act(session: Session) -> Answer:
        project = asking.find(session, Act.MAKE_RELEASE, Project, project_id)
        by_id(session, Party, body.recipient)
        job = asking.enqueue(session, Kind.RELEASE, arguments, project=project)
        return 202, job_out(session, job)

    return once(act)


@router.get("/releases")
def list_releases(
    asking: AskingDep,
    piece: PieceDep,
    project: Annotated[Id | None, Query(description="Of one project alone.")] = None,
) -> Page[ReleaseOut]:
    """The releases that the caller may see, over all projects."""
    with asking.broker.store.read() as session:
        rows = select(Release)
        if project is not None:
            rows = rows.join(Project, Project.key == Release.project_key).where(Project.id == project)
        sees = asking.sees(session, Act.SEE_RELEASE)
        return piece.of_seen(
            session, Release, rows, sees, lambda one: release_out(session, one, asking.broker)
        )


@router.get("/projects/{project_id}/releases")
def list_project_releases(asking: AskingDep, piece: PieceDep, project_id: ProjectId) -> Page[ReleaseOut]:
    """The releases of a project that the caller may see."""
    with asking.broker.store.read() as session:
        asking.find(session, Act.SEE_PROJECT, Project, project_id)
    return list_releases(asking, piece, project_id)


@router.get("/releases/{release_id}")
def get_release(asking: AskingDep, release_id: ReleaseId) -> ReleaseOut:
    """A release and its files."""
    with asking.broker.store.read() as session:
        release = asking.find(session, Act.SEE_RELEASE, Release, release_id)
        return release_out(session, release, asking.broker)


@router.get(
    "/releases/{release_id}/files/{name}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        206: {"description": "A part of the file.", "content": {"application/octet-stream": {}}},
        304: {"description": "It is as the caller has it."},
        **may_answer(410, 416),
    },
)
def get_file(
    asking: AskingDep,
    release_id: ReleaseId,
    name: Annotated[str, Path(max_length=100)],
    range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """A file of a release, whole or in part."""
    with asking.broker.store.read() as session:
        release = asking.find(session, Act.FETCH_RELEASE, Release, release_id)
        file = session.scalars(
            select(ReleaseFile).where(
                ReleaseFile.release_key == release.key, ReleaseFile.name == name, ReleaseFile.role != CONTENT
            )
        ).first()
    if file is None:
        raise no_such(ReleaseFile)
    return send_file(asking.broker, asking.party, file, range_, if_none_match)


@router.post("/releases/{release_id}/acknowledge", response_model=ReleaseOut)
def post_acknowledge(asking: AskingDep, once: OnceDep, release_id: ReleaseId) -> JSONResponse:
    """Say that a release is applied, and so all before it."""

    def act(session: Session) -> Answer:
        release = asking.find(session, Act.ACKNOWLEDGE_RELEASE, Release, release_id)
        acknowledge(session, release, session.get_one(Party, asking.party.key), now=asking.now)
        return 200, release_out(session, release, asking.broker)

    return once(act)
