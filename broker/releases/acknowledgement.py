"""Recipients say that they applied a release: its rows are in use, what it tombstones is gone from their tables."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker import journal
from broker.store.tables import (
    Acknowledgement,
    Dataset,
    Party,
    Project,
    Release,
    ReleaseDataset,
    ReleaseState,
    Withdrawal,
)
from pprl.errors import ConflictError, DeniedError


def acknowledge(session: Session, release: Release, party: Party, *, now: datetime) -> Acknowledgement:
    """Write down that a recipient has applied a release, and so all before it; doing it again changes nothing.

    Raises
    ------
    DeniedError
        The release is somebody else's.
    ConflictError
        It is not published yet.
    """
    if release.recipient_key != party.key:
        raise DeniedError("only the recipient of a release can acknowledge it")
    if release.state is ReleaseState.BUILDING:
        raise ConflictError("the release is not published yet")
    known = session.get(Acknowledgement, release.key)
    if known is not None:
        return known
    made = Acknowledgement(
        release_key=release.key, by_key=party.key, at=now, n_tombstones=release.n_tombstones
    )
    session.add(made)
    session.flush()
    journal.append(
        session,
        "release.acknowledged",
        by=party.id,
        now=now,
        subjects={"project": session.get_one(Project, release.project_key).id, "release": release.id},
        counts={"number": release.number, "tombstones": release.n_tombstones},
    )
    return made


def unacknowledged(session: Session, withdrawal: Withdrawal) -> list[Party]:
    """Recipients that were shown the dataset before a withdrawal and have not acknowledged a release after it.

    Returns
    -------
    list of Party
        In the order of their names; empty once nobody's table has the records any more, as far as they say.
    """
    project_key = session.get_one(Dataset, withdrawal.dataset_key).project_key
    shown = (
        select(Release.recipient_key)
        .join(ReleaseDataset, ReleaseDataset.release_key == Release.key)
        .where(
            ReleaseDataset.dataset_key == withdrawal.dataset_key,
            Release.published_at <= withdrawal.requested_at,
        )
    )
    done = (
        select(Release.recipient_key)
        .join(Acknowledgement, Acknowledgement.release_key == Release.key)
        .where(Release.project_key == project_key, Release.created_at > withdrawal.requested_at)
    )
    return list(
        session.scalars(
            select(Party).where(Party.key.in_(shown), Party.key.not_in(done)).order_by(Party.name)
        )
    )
