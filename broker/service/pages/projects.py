"""A project, its datasets and members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.governance import Act
from broker.service.models import Id, NewDataset, NewMember, PermissionOut, ProjectOut
from broker.service.pages.forms import filled_in
from broker.service.pages.lookups import (
    Names,
    datasets_of,
    everything,
    latest_deliveries,
    members_of,
    valid_permissions_of,
)
from broker.service.pages.rendering import confirm, show
from broker.service.pages.visitor import ROOT, DeedDep, Visitor, VisitorDep
from broker.service.routes.parties import list_parties
from broker.service.routes.projects import delete_member, get_project, post_dataset, post_member
from broker.store.tables import Project

router = APIRouter()

ProjectId = Annotated[Id, Path()]


@dataclass(frozen=True, slots=True)
class Frame:
    """A project and what its pages offer a visitor.

    Attributes
    ----------
    governs : bool
        Whether the visitor may start runs, make releases and approve permissions.
    reads_journal, sees_runs : bool
    """

    project: ProjectOut
    governs: bool
    sees_runs: bool
    reads_journal: bool


def frame_of(visitor: Visitor, project_id: str) -> Frame:
    """The project, for the head of its pages.

    Raises
    ------
    NotFoundError
    """
    project = get_project(visitor.asking, project_id)
    return Frame(
        project,
        visitor.can(Act.START_RUN, Project, project_id),
        visitor.is_operator or project.role == "steward",
        visitor.can(Act.READ_PROJECT_JOURNAL, Project, project_id),
    )


@router.get("/projects/{project_id}")
def get_project_page(visitor: VisitorDep, project_id: ProjectId) -> HTMLResponse:
    """Datasets with their latest delivery, the members, and the matrix of permissions."""
    frame = frame_of(visitor, project_id)
    datasets, members = datasets_of(visitor, project_id), members_of(visitor, project_id)
    manages = visitor.can(Act.MANAGE_MEMBERS, Project, project_id)
    others = []
    if manages and visitor.is_operator:
        inside = {one.party for one in members}
        parties = visitor.sees(lambda: everything(lambda piece: list_parties(visitor.asking, piece))) or []
        others = [
            one
            for one in parties
            if one.id not in inside and one.disabled_at is None and one.kind != "operator"
        ]
    return show(
        "project",
        visitor,
        frame=frame,
        datasets=datasets,
        latest=latest_deliveries(visitor, datasets),
        members=members,
        manages=manages,
        others=others,
        matrix=matrix_of(valid_permissions_of(visitor, project_id)),
        names=Names(visitor).learn(datasets=datasets, members=members),
        makes_datasets=visitor.can(Act.CREATE_DATASET, Project, project_id),
    )


@router.post("/projects/{project_id}/datasets")
def post_dataset_page(deed: DeedDep, project_id: ProjectId) -> RedirectResponse:
    """Make room for the visitor's records."""
    body = filled_in(
        NewDataset, name=deed.fields.text("name"), stable_guids=deed.fields.text("stable_guids") == "yes"
    )
    post_dataset(deed.visitor.asking, deed.once, project_id, body)
    return deed.done(
        f"{ROOT}/projects/{project_id}", f"The dataset {body.name} is there; deliveries may come."
    )


@router.post("/projects/{project_id}/members")
def post_member_page(deed: DeedDep, project_id: ProjectId) -> RedirectResponse:
    """Give a party a role."""
    expires = deed.fields.day("expires") if deed.fields.text("expires") else None
    body = filled_in(
        NewMember, party=deed.fields.text("party"), role=deed.fields.text("role"), expires_at=expires
    )
    post_member(deed.visitor.asking, deed.once, project_id, body)
    return deed.done(f"{ROOT}/projects/{project_id}#members", "The party is a member now.")


@router.get("/projects/{project_id}/members/{party_id}/end")
def get_end_page(visitor: VisitorDep, project_id: ProjectId, party_id: Annotated[Id, Path()]) -> HTMLResponse:
    """Ask whether a membership is to end."""
    frame = frame_of(visitor, project_id)
    visitor.check(Act.MANAGE_MEMBERS, Project, project_id)
    names = Names(visitor).learn(members=members_of(visitor, project_id))
    return confirm(
        visitor,
        frame=frame,
        title=f"End the membership of {names(party_id)}",
        says=[
            "It can do nothing in the project any more; its datasets and what it was given stay.",
            "It can become a member again later.",
        ],
        action=f"{ROOT}/projects/{project_id}/members/{party_id}/end",
        button="End the membership",
        back=f"{ROOT}/projects/{project_id}#members",
        dangerous=True,
    )


@router.post("/projects/{project_id}/members/{party_id}/end")
def post_end_page(deed: DeedDep, project_id: ProjectId, party_id: Annotated[Id, Path()]) -> RedirectResponse:
    """End a membership."""
    delete_member(deed.visitor.asking, project_id, party_id)
    return deed.done(f"{ROOT}/projects/{project_id}#members", "The membership has ended.")


def matrix_of(permissions: Sequence[PermissionOut]) -> dict[tuple[str, str], list[PermissionOut]]:
    """The permitted-linkage matrix: both orders of a pair lead to its permissions."""
    cells: dict[tuple[str, str], list[PermissionOut]] = {}
    for one in permissions:
        for pair in {(one.left, one.right), (one.right, one.left)}:
            cells.setdefault(pair, []).append(one)
    return cells
