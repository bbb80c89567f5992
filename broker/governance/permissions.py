"""The permitted-linkage matrix: dataset x dataset x use, empty unless somebody fills it in.

Whether a party may approve or revoke is asked before, of `broker.governance.require`; that the approver named is one
who may approve is checked here as well.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from broker import journal
from broker.governance.acts import Act, require
from broker.governance.relations import is_valid, role_in
from broker.store.tables import Dataset, Party, Permission, PermissionRecipient, Project, Role, Use
from pprl.errors import ConflictError, GovernanceError
from pprl.guid import RandomBytes, new_guid


@dataclass(frozen=True, slots=True)
class Pair:
    """Two datasets that something may be done with; the same one twice to deduplicate it.

    Attributes
    ----------
    permission : Permission
        That allows it.
    left, right : Dataset
        In the order of the permission.
    """

    permission: Permission
    left: Dataset
    right: Dataset


def grant(
    session: Session,
    use: Use,
    left: Dataset,
    right: Dataset,
    *,
    recipients: Collection[Party] = (),
    approver: Party,
    expires_at: datetime,
    by: str,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Permission:
    """Allow a use of two datasets until a day. One that is there for the same use is revoked.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    use : Use
        What is allowed.
    left, right : Dataset
        Of one project, in any order; the same twice for `Use.DEDUPLICATE`, and only then.
    recipients : collection of Party
        Who may get the links or the counts: recipients of the project, for counts contributors as well. None: the
        broker may do it, and nobody gets anything of it.
    approver : Party
        An operator, or a steward of the project.
    expires_at : datetime
        When it ends; nothing is allowed for ever.
    by : str
        Who does it, for the journal.
    now : datetime
        With time zone.
    random_bytes : callable
        Source of the id.

    Raises
    ------
    DeniedError, NotFoundError
        The approver may not approve.
    GovernanceError
        The datasets do not fit the use, are retired or of two projects; a recipient cannot be one; it would have
        expired already.
    """
    project = session.get_one(Project, left.project_key)
    require(session, approver, Act.APPROVE_PERMISSION, project, now=now)
    _check(session, use, left, right, recipients, project, now=now)
    if expires_at <= now:
        raise GovernanceError("the permission would have expired already; give a later day")
    first, second = sorted((left, right), key=lambda dataset: dataset.key)
    standing = session.scalars(
        select(Permission).where(
            Permission.left_key == first.key,
            Permission.right_key == second.key,
            Permission.use == use,
            Permission.revoked_at.is_(None),
        )
    ).first()
    if standing is not None:
        standing.revoked_at, standing.revoked_by_key = now, approver.key
        session.flush()
    permission = Permission(
        id=new_guid(random_bytes),
        project_key=project.key,
        left_key=first.key,
        right_key=second.key,
        use=use,
        approved_by_key=approver.key,
        approved_at=now,
        expires_at=expires_at,
    )
    session.add(permission)
    session.flush()
    session.add_all(
        PermissionRecipient(permission_key=permission.key, recipient_key=party.key)
        for party in {party.key: party for party in recipients}.values()
    )
    journal.append(
        session,
        "permission.granted",
        by=by,
        now=now,
        subjects={
            "project": project.id,
            "permission": permission.id,
            "left": first.id,
            "right": second.id,
            "approver": approver.id,
            **({} if standing is None else {"replaces": standing.id}),
        },
        counts={"recipients": len({party.key for party in recipients})},
        words={"use": use.value, "expires": f"{expires_at:%Y-%m-%d}"},
    )
    return permission


def revoke(session: Session, permission: Permission, *, revoker: Party, by: str, now: datetime) -> None:
    """Take a permission back, from now on; what was released stays released.

    Raises
    ------
    DeniedError, NotFoundError
        The party may not revoke it.
    ConflictError
        It is revoked already.
    """
    require(session, revoker, Act.REVOKE_PERMISSION, permission, now=now)
    if permission.revoked_at is not None:
        raise ConflictError("the permission is revoked already")
    permission.revoked_at, permission.revoked_by_key = now, revoker.key
    project = session.get_one(Project, permission.project_key)
    journal.append(
        session,
        "permission.revoked",
        by=by,
        now=now,
        subjects={"project": project.id, "permission": permission.id, "revoker": revoker.id},
    )


def permitted(session: Session, project: Project, *uses: Use, now: datetime) -> list[Pair]:
    """What may be done in a project now: the pairs of datasets with a valid permission for one of some uses.

    Parameters
    ----------
    session : Session
        Of the store.
    project : Project
        A closed one permits nothing.
    *uses : Use
        Which; none given: all.
    now : datetime
        With time zone.

    Returns
    -------
    list of Pair
        Without retired datasets, in the order of their keys.
    """
    if project.closed_at is not None:
        return []
    return list(_pairs(session, project, uses or tuple(Use), now))


def permitted_to(
    session: Session, project: Project, recipient: Party, *uses: Use, now: datetime
) -> list[Pair]:
    """As `permitted`, of those permissions that name a party; none where it is disabled or no member now."""
    role = role_in(session, recipient, project, now=now)
    if recipient.disabled_at is not None or role is None:
        return []
    named = set(
        session.scalars(
            select(PermissionRecipient.permission_key).where(
                PermissionRecipient.recipient_key == recipient.key
            )
        )
    )
    return [pair for pair in permitted(session, project, *uses, now=now) if pair.permission.key in named]


def _pairs(session: Session, project: Project, uses: Collection[Use], now: datetime) -> Iterator[Pair]:
    left, right = aliased(Dataset), aliased(Dataset)
    rows = session.execute(
        select(Permission, left, right)
        .join(left, Permission.left_key == left.key)
        .join(right, Permission.right_key == right.key)
        .where(
            Permission.project_key == project.key,
            Permission.use.in_(uses),
            left.retired_at.is_(None),
            right.retired_at.is_(None),
        )
        .order_by(Permission.left_key, Permission.right_key, Permission.key)
    )
    for permission, one, other in rows:
        if is_valid(permission, now):
            yield Pair(permission, one, other)


def _check(
    session: Session,
    use: Use,
    left: Dataset,
    right: Dataset,
    recipients: Collection[Party],
    project: Project,
    *,
    now: datetime,
) -> None:
    if left.project_key != right.project_key:
        raise GovernanceError("the two datasets are of different projects")
    for dataset in (left, right):
        if dataset.retired_at is not None:
            raise GovernanceError(f"the dataset {dataset.name!r} is retired")
    if (use is Use.DEDUPLICATE) != (left.key == right.key):
        raise GovernanceError(
            f"to {use.value} takes {'one dataset' if use is Use.DEDUPLICATE else 'two different datasets'}"
        )
    roles = {Role.RECIPIENT, Role.CONTRIBUTOR} if use is Use.COUNT else {Role.RECIPIENT}
    for party in recipients:
        if use is Use.DEDUPLICATE:
            raise GovernanceError("nobody gets anything of deduplication; name recipients for links")
        if party.disabled_at is not None or role_in(session, party, project, now=now) not in roles:
            raise GovernanceError(f"{party.name!r} is no recipient of this project")
