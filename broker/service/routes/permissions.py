"""The permitted-linkage matrix, and the counts that some of it is for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.governance import Act, by_id, grant, revoke, show_overlap
from broker.service.dependencies import AskingDep
from broker.service.idempotency import Answer, OnceDep
from broker.service.models import CountOut, Id, NewPermission, Page, PermissionOut
from broker.service.paging import PieceDep
from broker.service.routes import API
from broker.service.views import permission_out
from broker.store.tables import Dataset, Party, Permission, Project, Use
from pprl.errors import GovernanceError

router = APIRouter(prefix=API, tags=["permissions"])

PermissionId = Annotated[Id, Path(description="Id of a permission.")]


@router.get("/projects/{project_id}/permissions")
def list_permissions(
    asking: AskingDep, piece: PieceDep, project_id: Annotated[Id, Path()]
) -> Page[PermissionOut]:
    """The permissions of a project that the caller may see, those that are over included."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.SEE_PROJECT, Project, project_id)
        rows = select(Permission).where(Permission.project_key == project.key)
        sees = asking.sees(session, Act.SEE_PERMISSION)
        return piece.of_seen(
            session, Permission, rows, sees, lambda one: permission_out(session, one, now=asking.now)
        )


@router.post("/projects/{project_id}/permissions", status_code=201, response_model=PermissionOut)
def post_permission(
    asking: AskingDep, once: OnceDep, project_id: Annotated[Id, Path()], body: NewPermission
) -> JSONResponse:
    """Allow a use of two datasets until a day; one that is there for the same use is replaced."""

    def act(session: Session) -> Answer:
        project = asking.find(session, Act.APPROVE_PERMISSION, Project, project_id)
        left, right = (
            by_id(session, Dataset, one, project_key=project.key) for one in (body.left, body.right)
        )
        permission = grant(
            session,
            Use(body.use),
            left,
            right,
            recipients=[by_id(session, Party, one) for one in body.recipients],
            approver=session.get_one(Party, asking.party.key),
            expires_at=body.expires_at,
            by=asking.party.id,
            now=asking.now,
        )
        session.flush()
        return 201, permission_out(session, permission, now=asking.now)

    return once(act)


@router.get("/permissions/{permission_id}")
def get_permission(asking: AskingDep, permission_id: PermissionId) -> PermissionOut:
    """A permission."""
    with asking.broker.store.read() as session:
        permission = asking.find(session, Act.SEE_PERMISSION, Permission, permission_id)
        return permission_out(session, permission, now=asking.now)


@router.post("/permissions/{permission_id}/revoke", response_model=PermissionOut)
def post_revoke(asking: AskingDep, once: OnceDep, permission_id: PermissionId) -> JSONResponse:
    """Take a permission back, from now on."""

    def act(session: Session) -> Answer:
        permission = asking.find(session, Act.REVOKE_PERMISSION, Permission, permission_id)
        revoker = session.get_one(Party, asking.party.key)
        revoke(session, permission, revoker=revoker, by=revoker.id, now=asking.now)
        session.flush()
        return 200, permission_out(session, permission, now=asking.now)

    return once(act)


@router.get("/permissions/{permission_id}/count")
def get_count(asking: AskingDep, permission_id: PermissionId) -> CountOut:
    """How many people two datasets share; all null where one of the counts is small."""
    with asking.broker.store.begin() as session:  # what is shown is remembered
        permission = asking.find(session, Act.SEE_COUNT, Permission, permission_id)
        if permission.use is not Use.COUNT:
            raise GovernanceError("this permission is not for counts")
        shown = show_overlap(session, permission, now=asking.now)
    if shown is None:
        return CountOut(left=None, both=None, right=None)
    return CountOut(left=shown.left, both=shown.both, right=shown.right)
