"""The permitted-linkage matrix: what holds, what is over, and the forms to approve and revoke."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select

from broker.governance import Act
from broker.service.models import Id, NewPermission, PermissionOut
from broker.service.pages.forms import Fields, QueryDep, filled_in
from broker.service.pages.lookups import (
    Names,
    datasets_of,
    members_of,
    names_if_seen,
    names_of,
    open_datasets_of,
    permissions_of,
    recipients_of,
)
from broker.service.pages.projects import ProjectId, frame_of, matrix_of
from broker.service.pages.rendering import confirm, show
from broker.service.pages.visitor import ROOT, DeedDep, Visitor, VisitorDep
from broker.service.problems import Refusal
from broker.service.routes.permissions import get_count, get_permission, post_permission, post_revoke
from broker.store.tables import Permission, Project, Use

router = APIRouter()

PermissionId = Annotated[Id, Path()]
USES = {
    "link": "Link the two, and give the links to the recipients named",
    "count": "Tell the recipients named how many people are in both",
    "deduplicate": "Find people who are in one dataset twice",
}


@router.get("/projects/{project_id}/permissions")
def get_permissions_page(visitor: VisitorDep, project_id: ProjectId) -> HTMLResponse:
    """The matrix, and each permission by itself."""
    datasets, members = datasets_of(visitor, project_id), members_of(visitor, project_id)
    permissions = permissions_of(visitor, project_id)
    valid = [one for one in permissions if one.is_valid]
    may_revoke, may_count = _allowed(visitor, project_id, valid)
    return show(
        "permissions",
        visitor,
        frame=frame_of(visitor, project_id),
        datasets=datasets,
        matrix=matrix_of(valid),
        valid=valid,
        over=[one for one in reversed(permissions) if not one.is_valid],
        approves=visitor.can(Act.APPROVE_PERMISSION, Project, project_id),
        may_revoke=may_revoke,
        may_count=may_count,
        names=Names(visitor).learn(datasets=datasets, members=members),
    )


@router.get("/projects/{project_id}/permissions/new")
def get_new_page(visitor: VisitorDep, project_id: ProjectId, query: QueryDep) -> HTMLResponse:
    """What is to be allowed, to whom and until when."""
    visitor.check(Act.APPROVE_PERMISSION, Project, project_id)
    return show(
        "permission_new",
        visitor,
        frame=frame_of(visitor, project_id),
        datasets=open_datasets_of(visitor, project_id),
        recipients=recipients_of(visitor, project_id),
        uses=USES,
        given=query,
        chosen=set(query.all("recipients")),
        until=query.text("expires") or f"{visitor.asking.now + timedelta(days=365):%Y-%m-%d}",
        first=f"{visitor.asking.now:%Y-%m-%d}",
    )


@router.get("/projects/{project_id}/permissions/review")
def get_review_page(visitor: VisitorDep, project_id: ProjectId, query: QueryDep) -> HTMLResponse:
    """Show once more what is to be allowed."""
    visitor.check(Act.APPROVE_PERMISSION, Project, project_id)
    body = _permission(query)
    names = names_of(visitor, project_id)
    if not names.knows(body.left) or not names.knows(body.right):
        raise Refusal(422, "choose datasets of this project")
    to = ", ".join(names(one) for one in body.recipients) or "nobody: the broker may do it, and tells no one"
    pair = names.pair(body.left, body.right)
    return confirm(
        visitor,
        frame=frame_of(visitor, project_id),
        title=f"Approve: {body.use} {pair}",
        says=[
            "From now on the broker may do this, and runs will.",
            "You can revoke it, but not what was given out until then.",
            "A permission that is there for the same use of the same datasets is replaced.",
        ],
        rows=[
            ("Use", USES[body.use]),
            ("Datasets", pair),
            ("Recipients", to),
            ("Until", f"the end of {body.expires_at:%Y-%m-%d} (UTC)"),
            ("Approved by", visitor.name),
        ],
        carried=query.items("form_id", "form_key"),
        action=f"{ROOT}/projects/{project_id}/permissions",
        button="Approve",
        back=f"{ROOT}/projects/{project_id}/permissions",
    )


@router.post("/projects/{project_id}/permissions")
def post_permission_page(deed: DeedDep, project_id: ProjectId) -> RedirectResponse:
    """Approve."""
    post_permission(deed.visitor.asking, deed.once, project_id, _permission(deed.fields))
    return deed.done(f"{ROOT}/projects/{project_id}/permissions", "The permission holds from now on.")


@router.get("/permissions/{permission_id}/revoke")
def get_revoke_page(visitor: VisitorDep, permission_id: PermissionId) -> HTMLResponse:
    """Ask whether a permission is to be revoked."""
    permission = get_permission(visitor.asking, permission_id)
    visitor.check(Act.REVOKE_PERMISSION, Permission, permission_id)
    # A site may revoke for its dataset after it has left the project, whose names it then does not see.
    frame = visitor.sees(lambda: frame_of(visitor, permission.project))
    names = names_if_seen(visitor, permission.project)
    pair = names.pair(permission.left, permission.right)
    back = f"{ROOT}/projects/{permission.project}/permissions"
    return confirm(
        visitor,
        frame=frame,
        title=f"Revoke the permission to {permission.use} {pair}",
        says=[
            "From the next run on the broker does this no more, and no later release shows it.",
            "What was released stays released.",
            "This cannot be undone; the permission can be approved anew.",
        ],
        rows=[
            ("Use", USES[permission.use]),
            ("Recipients", ", ".join(names(one) for one in permission.recipients) or "none"),
            ("Approved by", names(permission.approved_by)),
        ],
        action=f"{ROOT}/permissions/{permission_id}/revoke",
        button="Revoke the permission",
        back=back,
        dangerous=True,
    )


@router.post("/permissions/{permission_id}/revoke")
def post_revoke_page(deed: DeedDep, permission_id: PermissionId) -> RedirectResponse:
    """Revoke."""
    project = get_permission(deed.visitor.asking, permission_id).project
    post_revoke(deed.visitor.asking, deed.once, permission_id)
    frame = deed.visitor.sees(lambda: frame_of(deed.visitor, project))
    where = f"{ROOT}/" if frame is None else f"{ROOT}/projects/{project}/permissions"
    return deed.done(where, "The permission is revoked.")


@router.get("/permissions/{permission_id}/count")
def get_count_page(visitor: VisitorDep, permission_id: PermissionId) -> HTMLResponse:
    """How many people two datasets share, as far as that is shown."""
    count = get_count(visitor.asking, permission_id)
    permission = get_permission(visitor.asking, permission_id)
    return show(
        "count",
        visitor,
        frame=frame_of(visitor, permission.project),
        count=count,
        permission=permission,
        names=names_of(visitor, permission.project),
    )


def _permission(fields: Fields) -> NewPermission:
    use, left = fields.text("use"), fields.text("left")
    # A browser without a script cannot take the second dataset off the form where one is enough.
    return filled_in(
        NewPermission,
        use=use,
        left=left,
        right=left if use == "deduplicate" else fields.text("right"),
        recipients=[] if use == "deduplicate" else fields.all("recipients"),
        expires_at=fields.day("expires"),
    )


def _allowed(
    visitor: Visitor, project_id: str, permissions: Collection[PermissionOut]
) -> tuple[set[str], set[str]]:
    """Of some permissions of a project, those that the visitor may revoke, and those whose count it may see."""
    wanted = {one.id for one in permissions}
    with visitor.asking.broker.store.read() as session:
        of_project = (
            select(Permission)
            .join(Project, Project.key == Permission.project_key)
            .where(Project.id == project_id)
        )
        rows = [one for one in session.scalars(of_project) if one.id in wanted]
        counts = [one for one in rows if one.use is Use.COUNT]
        revocable = visitor.seen(session, Act.REVOKE_PERMISSION, rows, len(rows))
        countable = visitor.seen(session, Act.SEE_COUNT, counts, len(counts))
        return {one.id for one in revocable}, {one.id for one in countable}
