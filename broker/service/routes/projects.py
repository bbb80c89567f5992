"""Projects, their members and datasets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.governance import (
    Act,
    Decision,
    add_member,
    by_id,
    close_project,
    create_dataset,
    create_project,
    end_membership,
    may,
    retire_dataset,
)
from broker.service.dependencies import Asking, AskingDep
from broker.service.idempotency import Answer, OnceDep
from broker.service.models import (
    DatasetOut,
    DeliveryOut,
    Id,
    MemberOut,
    NewDataset,
    NewMember,
    NewProject,
    Page,
    ProjectOut,
)
from broker.service.paging import PieceDep
from broker.service.routes import API
from broker.service.views import dataset_out, delivery_out, member_out, project_out
from broker.store.tables import Dataset, Delivery, Member, Party, Project, Role
from pprl.schema import parse_schema
from pprl.suppression import SMALL

router = APIRouter(prefix=API, tags=["projects"])

ProjectId = Annotated[Id, Path(description="Id of a project.")]
DatasetId = Annotated[Id, Path(description="Id of a dataset.")]


@router.get("/projects")
def list_projects(asking: AskingDep, piece: PieceDep) -> Page[ProjectOut]:
    """The projects that the caller may know of, by name."""
    with asking.broker.store.read() as session:
        projects = asking.broker.authenticator.visible_projects(session, asking.caller, now=asking.now)
        return piece.of_list(projects, lambda one: project_out(session, one, asking.party, now=asking.now))


@router.post("/projects", status_code=201, response_model=ProjectOut)
def post_project(asking: AskingDep, once: OnceDep, body: NewProject) -> JSONResponse:
    """Found the project of a linkage schema, given as TOML."""
    with asking.broker.store.read() as session:
        asking.require(session, Act.CREATE_PROJECT)  # before the schema is looked at
    schema = parse_schema(body.schema_toml)

    def act(session: Session) -> Answer:
        asking.require(session, Act.CREATE_PROJECT)
        smallest = SMALL if body.smallest_count is None else body.smallest_count
        project = create_project(session, schema, smallest_count=smallest, by=asking.party.id, now=asking.now)
        session.flush()
        return 201, project_out(session, project, asking.party, now=asking.now)

    return once(act)


@router.get("/projects/{project_id}")
def get_project(asking: AskingDep, project_id: ProjectId) -> ProjectOut:
    """A project."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.SEE_PROJECT, Project, project_id)
        return project_out(session, project, asking.party, now=asking.now)


@router.get("/projects/{project_id}/schema", responses={200: {"content": {"application/json": {}}}})
def get_schema(asking: AskingDep, project_id: ProjectId) -> Response:
    """The linkage schema in canonical JSON, as it is fingerprinted."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.SEE_PROJECT, Project, project_id)
        return Response(project.schema_json, media_type="application/json")


@router.post("/projects/{project_id}/close", response_model=ProjectOut)
def post_close(asking: AskingDep, once: OnceDep, project_id: ProjectId) -> JSONResponse:
    """Let nothing be changed any more but what sites take back."""

    def act(session: Session) -> Answer:
        project = asking.find(session, Act.CHANGE_PROJECT, Project, project_id)
        close_project(session, project, by=asking.party.id, now=asking.now)
        return 200, project_out(session, project, asking.party, now=asking.now)

    return once(act)


@router.get("/projects/{project_id}/members")
def list_members(asking: AskingDep, project_id: ProjectId) -> Page[MemberOut]:
    """The members of a project now; sites and recipients learn who governs, and of the others nothing."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.SEE_PROJECT, Project, project_id)
        everybody = may(session, asking.party, Act.MANAGE_MEMBERS, project, now=asking.now)
        rows = session.execute(
            select(Member, Party)
            .join(Party, Party.key == Member.party_key)
            .where(Member.project_key == project.key, Member.ended_at.is_(None))
            .order_by(Member.role, Party.name)
        )
        shown = [
            member_out(member, party)
            for member, party in rows
            if everybody is Decision.ALLOWED or member.role is Role.STEWARD or party.key == asking.party.key
        ]
        return Page[MemberOut](items=shown)


@router.post("/projects/{project_id}/members", status_code=201, response_model=MemberOut)
def post_member(asking: AskingDep, once: OnceDep, project_id: ProjectId, body: NewMember) -> JSONResponse:
    """Give a party a role in a project."""

    def act(session: Session) -> Answer:
        project = asking.find(session, Act.MANAGE_MEMBERS, Project, project_id)
        party = by_id(session, Party, body.party)
        member = add_member(
            session,
            project,
            party,
            role=Role(body.role),
            expires_at=body.expires_at,
            by=asking.party.id,
            now=asking.now,
        )
        session.flush()
        return 201, member_out(member, party)

    return once(act)


@router.delete("/projects/{project_id}/members/{party_id}", status_code=204)
def delete_member(asking: AskingDep, project_id: ProjectId, party_id: Annotated[Id, Path()]) -> Response:
    """End a party's membership."""
    with asking.broker.store.begin() as session:
        project = asking.find(session, Act.MANAGE_MEMBERS, Project, project_id)
        party = by_id(session, Party, party_id)
        end_membership(session, project, party, by=asking.party.id, now=asking.now)
    return Response(status_code=204)


@router.get("/projects/{project_id}/datasets")
def list_datasets(asking: AskingDep, piece: PieceDep, project_id: ProjectId) -> Page[DatasetOut]:
    """The datasets of a project."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.SEE_PROJECT, Project, project_id)
        rows = select(Dataset).where(Dataset.project_key == project.key)
        return piece.of(session, Dataset, rows, lambda dataset: _shown(session, asking, dataset))


@router.post("/projects/{project_id}/datasets", status_code=201, response_model=DatasetOut)
def post_dataset(asking: AskingDep, once: OnceDep, project_id: ProjectId, body: NewDataset) -> JSONResponse:
    """Make room for the caller's records."""

    def act(session: Session) -> Answer:
        project = asking.find(session, Act.CREATE_DATASET, Project, project_id)
        site = session.get_one(Party, asking.party.key)
        dataset = create_dataset(
            session,
            project,
            site,
            name=body.name,
            stable_guids=body.stable_guids,
            by=site.id,
            now=asking.now,
        )
        session.flush()
        return 201, _shown(session, asking, dataset)

    return once(act)


@router.get("/datasets/{dataset_id}")
def get_dataset(asking: AskingDep, dataset_id: DatasetId) -> DatasetOut:
    """A dataset."""
    with asking.broker.store.read() as session:
        return _shown(session, asking, asking.find(session, Act.SEE_DATASET, Dataset, dataset_id))


@router.post("/datasets/{dataset_id}/retire", response_model=DatasetOut)
def post_retire(asking: AskingDep, once: OnceDep, dataset_id: DatasetId) -> JSONResponse:
    """Take no more deliveries of a dataset and link it no more."""

    def act(session: Session) -> Answer:
        dataset = asking.find(session, Act.RETIRE_DATASET, Dataset, dataset_id)
        retire_dataset(session, dataset, by=asking.party.id, now=asking.now)
        return 200, _shown(session, asking, dataset)

    return once(act)


@router.get("/datasets/{dataset_id}/deliveries")
def list_deliveries(asking: AskingDep, piece: PieceDep, dataset_id: DatasetId) -> Page[DeliveryOut]:
    """All deliveries of a dataset, with what intake found."""
    with asking.broker.store.read() as session:
        dataset = asking.find(session, Act.SEE_QUALITY, Dataset, dataset_id)
        rows = select(Delivery).where(Delivery.dataset_key == dataset.key)
        return piece.of(session, Delivery, rows, lambda one: delivery_out(session, one, with_quality=True))


@router.get("/deliveries/{delivery_id}")
def get_delivery(asking: AskingDep, delivery_id: Annotated[Id, Path()]) -> DeliveryOut:
    """A delivery, with what intake found."""
    with asking.broker.store.read() as session:
        delivery = asking.find(session, Act.SEE_DELIVERY, Delivery, delivery_id)
        return delivery_out(session, delivery, with_quality=True)


def _shown(session: Session, asking: Asking, dataset: Dataset) -> DatasetOut:
    sees = may(session, asking.party, Act.SEE_QUALITY, dataset, now=asking.now)
    return dataset_out(session, dataset, in_detail=sees is Decision.ALLOWED)
