"""Releases: whose they are, what is in them, whether they are applied; and withdrawals that wait for that."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.governance import Act
from broker.service.models import Id, NewRelease
from broker.service.pages.forms import Fields, QueryDep, filled_in
from broker.service.pages.lookups import (
    Names,
    datasets_of,
    members_of,
    names_if_seen,
    names_of,
    newest_releases,
    open_datasets_of,
    projects_of,
    recipients_of,
    valid_permissions_of,
    withdrawals_of,
)
from broker.service.pages.projects import ProjectId, frame_of
from broker.service.pages.rendering import confirm, show
from broker.service.pages.visitor import ROOT, DeedDep, VisitorDep, answer_of
from broker.service.routes.releases import get_file, get_release, post_acknowledge, post_release
from broker.store.tables import Project, Release

router = APIRouter()

ReleaseId = Annotated[Id, Path()]
MOST_SHOWN = 100


@router.get("/releases")
def get_all_releases_page(visitor: VisitorDep) -> HTMLResponse:
    """The releases of all projects that the visitor may see."""
    projects = visitor.sees(lambda: projects_of(visitor)) or []
    names = Names(visitor).learn(projects=projects)
    for project in projects:
        names.learn(members=members_of(visitor, project.id))
    return show("releases_all", visitor, releases=newest_releases(visitor, None, MOST_SHOWN), names=names)


@router.get("/projects/{project_id}/releases")
def get_releases_page(visitor: VisitorDep, project_id: ProjectId) -> HTMLResponse:
    """The releases of a project by recipient, and its withdrawals."""
    frame = frame_of(visitor, project_id)
    datasets = datasets_of(visitor, project_id)
    names = Names(visitor).learn(datasets=datasets, members=members_of(visitor, project_id))
    releases = newest_releases(visitor, project_id, MOST_SHOWN)
    recipients = dict.fromkeys(one.recipient for one in releases)
    return show(
        "releases",
        visitor,
        frame=frame,
        groups=[(one, [r for r in releases if r.recipient == one]) for one in recipients],
        names=names,
        withdrawals=withdrawals_of(visitor, datasets),
        makes=visitor.can(Act.MAKE_RELEASE, Project, project_id),
    )


@router.get("/projects/{project_id}/releases/new")
def get_new_release_page(visitor: VisitorDep, project_id: ProjectId, query: QueryDep) -> HTMLResponse:
    """To whom, and of which datasets."""
    visitor.check(Act.MAKE_RELEASE, Project, project_id)
    return show(
        "release_new",
        visitor,
        frame=frame_of(visitor, project_id),
        recipients=recipients_of(visitor, project_id),
        datasets=open_datasets_of(visitor, project_id),
        given=query,
        chosen=set(query.all("datasets")),
    )


@router.get("/projects/{project_id}/releases/review")
def get_review_release_page(visitor: VisitorDep, project_id: ProjectId, query: QueryDep) -> HTMLResponse:
    """Show once more what is to be released."""
    visitor.check(Act.MAKE_RELEASE, Project, project_id)
    body = _release(query)
    names = names_of(visitor, project_id)
    linked = [
        f"{names(one.left)} with {names(one.right)}"
        for one in valid_permissions_of(visitor, project_id)
        if one.use == "link" and body.recipient in one.recipients
    ]
    before = [
        one for one in newest_releases(visitor, project_id, MOST_SHOWN) if one.recipient == body.recipient
    ]
    return confirm(
        visitor,
        frame=frame_of(visitor, project_id),
        title=f"Make a release to {names(body.recipient)}",
        says=[
            "The release is sealed to the recipient's key and can be fetched as soon as it is made.",
            "What was given out cannot be taken back; records that sites withdraw are tombstoned in later releases.",
            "What the permissions do not allow is refused when it is made.",
        ],
        rows=[
            ("Recipient", names(body.recipient)),
            ("Datasets", ", ".join(body.datasets) if body.datasets else "all that are permitted"),
            ("Links permitted", "; ".join(linked) or "none to this recipient"),
            ("Number", str(before[0].number + 1) if before else "1, the first one"),
        ],
        carried=query.items("form_id", "form_key"),
        action=f"{ROOT}/projects/{project_id}/releases",
        button="Make the release",
        back=f"{ROOT}/projects/{project_id}/releases",
    )


@router.post("/projects/{project_id}/releases")
def post_release_page(deed: DeedDep, project_id: ProjectId) -> RedirectResponse:
    """Have a release made."""
    job = answer_of(post_release(deed.visitor.asking, deed.once, project_id, _release(deed.fields)))
    return deed.done(f"{ROOT}/jobs/{job['id']}", "The release is asked for; this page tells how far it is.")


@router.get("/releases/{release_id}")
def get_release_page(visitor: VisitorDep, release_id: ReleaseId) -> HTMLResponse:
    """A release and its files."""
    release = get_release(visitor.asking, release_id)
    frame = visitor.sees(lambda: frame_of(visitor, release.project))
    return show(
        "release",
        visitor,
        frame=frame,
        release=release,
        names=names_if_seen(visitor, release.project),
        fetches=visitor.can(Act.FETCH_RELEASE, Release, release_id),
        acknowledges=visitor.can(Act.ACKNOWLEDGE_RELEASE, Release, release_id),
    )


@router.get("/releases/{release_id}/files/{name}")
def get_file_page(
    visitor: VisitorDep,
    release_id: ReleaseId,
    name: Annotated[str, Path(max_length=100)],
    range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
) -> Response:
    """A file of a release."""
    return get_file(visitor.asking, release_id, name, range_, None)


@router.get("/releases/{release_id}/acknowledge")
def get_acknowledge_page(visitor: VisitorDep, release_id: ReleaseId) -> HTMLResponse:
    """Ask whether a release is applied."""
    release = get_release(visitor.asking, release_id)
    visitor.check(Act.ACKNOWLEDGE_RELEASE, Release, release_id)
    return confirm(
        visitor,
        frame=visitor.sees(lambda: frame_of(visitor, release.project)),
        title=f"Acknowledge release {release.number}",
        says=[
            "You say that its rows are in use where you work, and that all earlier ones are replaced.",
            f"You say that the {release.n_tombstones} rows it takes back are gone from your copies."
            if release.n_tombstones
            else "It takes no rows back.",
            "Sites rely on this; it cannot be undone.",
        ],
        rows=[("Rows", str(release.n_rows)), ("Rows taken back", str(release.n_tombstones))],
        action=f"{ROOT}/releases/{release_id}/acknowledge",
        button="Acknowledge",
        back=f"{ROOT}/releases/{release_id}",
    )


@router.post("/releases/{release_id}/acknowledge")
def post_acknowledge_page(deed: DeedDep, release_id: ReleaseId) -> RedirectResponse:
    """Acknowledge."""
    post_acknowledge(deed.visitor.asking, deed.once, release_id)
    return deed.done(f"{ROOT}/releases/{release_id}", "The release is acknowledged.")


def _release(fields: Fields) -> NewRelease:
    return filled_in(NewRelease, recipient=fields.text("recipient"), datasets=fields.all("datasets") or None)
