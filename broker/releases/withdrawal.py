"""What a withdrawal still needs once the records are out of the ledger.

::

    deliveries      written anew without the records
    recipients      whoever has rows of the dataset gets a release, whose delta has the tombstones
    old releases    their files go: they held the records
    files of runs   those that name records go: links, evidence; near pairs are written anew without the records

Every step finds out what is left to do, so that one that was interrupted is simply done again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker import journal
from broker.ledger.near import NEAR_PAIRS, forget_withdrawn
from broker.releases.builder import build_within
from broker.releases.files import MANIFEST, delete_unused
from broker.releases.redaction import redact
from broker.releases.scope import Scope, scope_of
from broker.store import Store
from broker.store.tables import (
    Dataset,
    Delivery,
    DeliveryState,
    Party,
    PartyKind,
    Project,
    Release,
    ReleaseDataset,
    ReleaseFile,
    ReleaseState,
    Run,
    RunDelivery,
    RunFile,
    Withdrawal,
)
from pprl.errors import DeniedError, PackageError
from pprl.guid import RandomBytes
from pprl.package import Identity, SigningKey
from pprl.release.keys import ReleaseKey

HARMLESS = ("quality.json", "report.html")
"""Files of a run that name no record."""


def carry_out(
    store: Store,
    withdrawal: Withdrawal,
    *,
    identity: Identity,
    signing_key: SigningKey,
    release_key: ReleaseKey,
    held: Callable[[Session], object] = lambda _session: None,
    random_bytes: RandomBytes = os.urandom,
) -> list[Release]:
    """Leave nothing of withdrawn records in bulk data, and give every recipient a delta with the tombstones.

    Parameters
    ----------
    store : Store
        Whose clock must have moved on since the withdrawal.
    withdrawal : Withdrawal
        From `broker.ledger.withdraw`.
    identity : Identity
        The broker's, to open deliveries.
    signing_key : SigningKey
        The broker's own, for deliveries that are written anew; `broker.intake` must trust it.
    release_key : ReleaseKey
        The broker's, for releases.
    held : callable
        Called in each transaction that publishes a release or ends the withdrawal; raises where another does it.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    list of Release
        Those published for it. A recipient that may have nothing any more gets one that takes all its rows back.

    Raises
    ------
    PackageError
        An accepted delivery cannot be opened.
    StoreError
        The disk is full.
    """
    with store.read() as session:
        dataset = session.get_one(Dataset, withdrawal.dataset_key)
        project = session.get_one(Project, dataset.project_key)
        party = session.get_one(Party, withdrawal.requested_by_key)
        deliveries = session.scalars(
            select(Delivery).where(Delivery.dataset_key == dataset.key, Delivery.sha256.is_not(None))
        ).all()
        recipients = _recipients(session, withdrawal)
    n_redacted = 0
    for delivery in deliveries:
        try:
            n_redacted += redact(store, delivery.key, identity=identity, signing_key=signing_key)
        except PackageError:
            if delivery.state is not DeliveryState.RECEIVED:  # one not looked into yet will be refused
                raise
    releases = []
    for recipient in recipients:
        scope = _scope(store, project, recipient)
        releases.append(
            build_within(
                store,
                project,
                recipient,
                scope,
                key=release_key,
                by=party,
                also=lambda session, _release: held(session),
                random_bytes=random_bytes,
            )
        )
    near = forget_withdrawn(store, dataset)
    with store.begin() as session:
        held(session)
        n_files = [
            list[str | None](near),
            _forget_releases(session, withdrawal),
            _forget_runs(session, withdrawal),
        ]
        row = session.get_one(Withdrawal, withdrawal.key)
        if row.purged_at is None:
            row.purged_at = store.clock()
            journal.append(
                session,
                "withdrawal.completed",
                by=journal.BROKER,
                now=row.purged_at,
                subjects={"project": project.id, "dataset": dataset.id, "withdrawal": withdrawal.id},
                counts={
                    "redacted": n_redacted,
                    "releases": len(releases),
                    "files": sum(len(digests) for digests in n_files),
                },
            )
    for digests in n_files:
        delete_unused(store, digests)
    store.scrub()
    return releases


def _recipients(session: Session, withdrawal: Withdrawal) -> list[Party]:
    """Whoever has a release that shows the dataset, and none since the withdrawal."""
    project_key = session.get_one(Dataset, withdrawal.dataset_key).project_key
    shown = (
        select(Release.recipient_key)
        .join(ReleaseDataset, ReleaseDataset.release_key == Release.key)
        .where(ReleaseDataset.dataset_key == withdrawal.dataset_key)
    )
    latest = (
        select(Release.recipient_key)
        .where(Release.project_key == project_key)
        .group_by(Release.recipient_key)
        .having(func.max(Release.created_at) <= withdrawal.requested_at)
    )
    wanted = select(Party).where(Party.key.in_(shown), Party.key.in_(latest)).order_by(Party.key)
    return list(session.scalars(wanted))


def _scope(store: Store, project: Project, recipient: Party) -> Scope:
    """What a recipient was shown last, as far as that is permitted still; or nothing."""
    with store.read() as session:
        last = (
            select(func.max(Release.key))
            .where(Release.project_key == project.key, Release.recipient_key == recipient.key)
            .scalar_subquery()
        )
        names = session.scalars(
            select(Dataset.name)
            .join(ReleaseDataset, ReleaseDataset.dataset_key == Dataset.key)
            .where(ReleaseDataset.release_key == last)
        ).all()
        try:
            return scope_of(session, project, recipient, names=names, now=store.clock())
        except DeniedError:
            own = recipient.kind is PartyKind.SITE
            return Scope("record" if own else "subject", (), frozenset())


def _forget_releases(session: Session, withdrawal: Withdrawal) -> list[str | None]:
    """Let the files of older releases go; gives their digests."""
    older = (
        select(Release)
        .join(ReleaseDataset, ReleaseDataset.release_key == Release.key)
        .where(
            ReleaseDataset.dataset_key == withdrawal.dataset_key,
            Release.created_at <= withdrawal.requested_at,
        )
    )
    digests: list[str | None] = []
    for release in session.scalars(older).all():
        release.state = ReleaseState.WITHDRAWN
        files = select(ReleaseFile).where(
            ReleaseFile.release_key == release.key, ReleaseFile.role != MANIFEST
        )
        for file in session.scalars(files).all():
            digests.append(file.sha256)
            file.sha256 = None
    return digests


def _forget_runs(session: Session, withdrawal: Withdrawal) -> list[str | None]:
    """Let those files of older runs go that name records; gives their digests."""
    runs = (
        select(RunDelivery.run_key)
        .join(Delivery, Delivery.key == RunDelivery.delivery_key)
        .join(Run, Run.key == RunDelivery.run_key)
        .where(Delivery.dataset_key == withdrawal.dataset_key, Run.created_at <= withdrawal.requested_at)
    )
    files = session.scalars(
        select(RunFile).where(RunFile.run_key.in_(runs), RunFile.name.not_in((*HARMLESS, NEAR_PAIRS)))
    ).all()
    return _deleted(session, files)


def _deleted(session: Session, files: Iterable[RunFile]) -> list[str | None]:
    digests: list[str | None] = []
    for file in files:
        digests.append(file.sha256)
        session.delete(file)
    return digests
