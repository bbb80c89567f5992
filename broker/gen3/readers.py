"""Who may read which records of the metadata service.

A record is its owner's. Others may read it where the owner

- opened it: then everybody may, whoever they are; or
- shared it with a project. A crosswalk tells links, so it is read by those researchers alone whom the project's
  permissions let have all links that its owner was ever shown there, and who receive releases themselves.
"""

from __future__ import annotations

from datetime import datetime
from itertools import combinations

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from broker.governance.permissions import permitted_to
from broker.governance.relations import role_in
from broker.store.tables import (
    MetadataRecord,
    Party,
    PartyKind,
    Project,
    Release,
    ReleaseDataset,
    ReleaseState,
    Use,
)


def readable(session: Session, party: Party | None, *, now: datetime) -> ColumnElement[bool]:
    """The records that a party may read; None is somebody who has not said who they are."""
    everybody = MetadataRecord.is_open.is_(True)
    if party is None or party.disabled_at is not None:
        return everybody
    shared = [
        and_(MetadataRecord.project_key == project_key, MetadataRecord.owner_key == owner_key)
        for project_key, owner_key in _shared_with(session, party, now=now)
    ]
    return or_(MetadataRecord.owner_key == party.key, everybody, *shared)


def may_share(session: Session, party: Party, project: Project, *, now: datetime) -> bool:
    """Whether a party may share records with a project: its members may."""
    return project.closed_at is None and role_in(session, party, project, now=now) is not None


def _shared_with(session: Session, party: Party, *, now: datetime) -> list[tuple[int, int]]:
    """Projects and owners whose shared records a party may read."""
    if party.kind is not PartyKind.RESEARCHER:  # releases to sites show no links with others
        return []
    pairs = session.execute(
        select(MetadataRecord.project_key, MetadataRecord.owner_key)
        .where(MetadataRecord.owner_key != party.key, MetadataRecord.project_key.is_not(None))
        .distinct()
    )
    found: list[tuple[int, int]] = []
    allowed: dict[int, set[frozenset[int]]] = {}
    for project_key, owner_key in pairs.all():
        if project_key is None:
            continue
        if project_key not in allowed:
            project = session.get_one(Project, project_key)
            permitted = permitted_to(session, project, party, Use.LINK, now=now)
            receives = _shown(session, project_key, party.key)
            allowed[project_key] = (
                {frozenset((pair.left.key, pair.right.key)) for pair in permitted} if receives else set()
            )
        shown = {frozenset(pair) for pair in combinations(_shown(session, project_key, owner_key), 2)}
        if shown and shown <= allowed[project_key]:
            found.append((project_key, owner_key))
    return found


def _shown(session: Session, project_key: int, party_key: int) -> set[int]:
    """Datasets that a party was shown in a project's releases."""
    statement = (
        select(ReleaseDataset.dataset_key)
        .join(Release, Release.key == ReleaseDataset.release_key)
        .where(
            Release.project_key == project_key,
            Release.recipient_key == party_key,
            Release.state != ReleaseState.BUILDING,
        )
    )
    return set(session.scalars(statement))
