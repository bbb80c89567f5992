"""Building a release: a recipient's tables from the ledger, its delta, sealed, signed and published.

::

    ledger + permissions -> content -> matches.csv, .parquet     the whole table
                                       superseded.csv            GUIDs that are no more
           content before -> delta  -> delta.csv, .parquet       what changed
                                       release.json              signed: what all this is
                                    -> content-*.csv             the broker's own copy, unsealed, for the next delta

The copy is what the recipient has; that of the release before goes when a release is published. Files are stored first;
one transaction makes the release known and writes it into the journal, so that a crash leaves no half of a release.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from broker import journal
from broker.governance.parties import recipient_of
from broker.releases.content import content_for
from broker.releases.files import (
    CONTENT,
    COPY_OF_SUPERSEDED,
    COPY_OF_TABLE,
    JSON,
    MANIFEST,
    Extra,
    Stored,
    delete_unused,
    store_content,
    store_plain,
)
from broker.releases.scope import Scope, scope_of
from broker.store import Store
from broker.store.tables import (
    Dataset,
    Delivery,
    LedgerRecord,
    Party,
    Project,
    Release,
    ReleaseDataset,
    ReleaseFile,
    ReleaseState,
    Run,
    RunDelivery,
    Withdrawal,
)
from pprl.errors import ConflictError, StoreError
from pprl.guid import RandomBytes, new_guid, new_guids, to_text
from pprl.release.delta import make_delta
from pprl.release.keys import ReleaseKey
from pprl.release.manifest import MANIFEST_FILE, Base, ReleaseManifest, sign_manifest
from pprl.release.table import Content, empty, read_superseded, read_table


@dataclass(frozen=True, slots=True)
class _Last:
    """The release before."""

    release: Release
    manifest: ReleaseManifest
    content: Content

    def as_base(self) -> Base:
        return Base(
            release=self.release.id,
            number=self.release.number,
            table_sha256=self.manifest.table_sha256,
            superseded_sha256=self.manifest.superseded_sha256,
        )


def build_release(
    store: Store,
    project: Project,
    recipient: Party,
    *,
    key: ReleaseKey,
    by: Party,
    datasets: Collection[str] | None = None,
    extras: Callable[[Content], Iterable[Extra]] = lambda _: (),
    also: Callable[[Session, Release], object] = lambda _session, _release: None,
    random_bytes: RandomBytes = os.urandom,
) -> Release:
    """Build and publish a release to one recipient.

    Parameters
    ----------
    store : Store
        Its clock tells the time.
    project : Project
        Whose ledger.
    recipient : Party
        A site, which gets its own records, or a researcher.
    key : ReleaseKey
        The broker's.
    by : Party
        Who asked for it; that it may is checked before.
    datasets : collection of str, optional
        Names; all that are permitted where it is not given.
    extras : callable
        Makes further files of the content, such as `broker.gen3.crosswalk.crosswalk_files`.
    also : callable
        Done in the transaction that publishes the release.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    Release
        Published.

    Raises
    ------
    DeniedError
        The recipient may not have it.
    GovernanceError
        The recipient has no key that it could be sealed to.
    ConflictError
        Another release to this recipient was published meanwhile, or records were withdrawn.
    StoreError
        The disk is full, or the store's copy of the last release is gone.
    """
    with store.read() as session:
        scope = scope_of(session, project, recipient, names=datasets, now=store.clock())
    return build_within(
        store, project, recipient, scope, key=key, by=by, extras=extras, also=also, random_bytes=random_bytes
    )


def build_within(
    store: Store,
    project: Project,
    recipient: Party,
    scope: Scope,
    *,
    key: ReleaseKey,
    by: Party,
    extras: Callable[[Content], Iterable[Extra]] = lambda _: (),
    also: Callable[[Session, Release], object] = lambda _session, _release: None,
    random_bytes: RandomBytes = os.urandom,
) -> Release:
    """As `build_release`, of what the caller has found to be permitted; one of no dataset takes all rows back."""
    now = store.clock()
    with store.read() as session:
        deliveries = {dataset.name: _delivery(session, dataset) for dataset in scope.datasets}
        run_key = session.scalars(
            select(Run.key).where(Run.project_key == project.key).order_by(Run.key.desc()).limit(1)
        ).first()
        last = _last(store, session, project, recipient)
    sealed_to = recipient_of(recipient)
    previous = empty(scope.row_kind) if last is None else last.content
    content, n_withheld = content_for(
        store, project, recipient, scope, previous, now=now, random_bytes=random_bytes
    )
    delta = make_delta(previous, content)
    files = store_content(
        store, content, delta if last else None, extras(content), sealed_to, random_bytes=random_bytes
    )
    digests = {file.name: file.content_sha256 for file in files}
    manifest = ReleaseManifest(
        release=new_guid(random_bytes),
        project=project.name,
        number=1 if last is None else last.release.number + 1,
        row_kind=scope.row_kind,
        datasets={name: delivery.sequence if delivery else 0 for name, delivery in deliveries.items()},
        counts={
            "rows": len(content.table),
            "entities": content.table.n_entities,
            "withheld": n_withheld,
            **delta.counts,
        },
        base=None if last is None else last.as_base(),
        table_sha256=digests[COPY_OF_TABLE],
        superseded_sha256=digests[COPY_OF_SUPERSEDED],
        files=tuple(file.as_file() for file in files if file.is_sealed),
        created=now,
        recipient=str(sealed_to),
        signer=str(key.public_half),
    )
    signed = sign_manifest(manifest, key)
    files.append(store_plain(store, MANIFEST_FILE, MANIFEST, JSON, lambda file: file.write(signed)))
    release = _release(manifest, project, recipient, by=by, now=now)
    release.previous_key = None if last is None else last.release.key
    release.run_key = run_key
    delivery_keys = {
        dataset.key: delivery.key
        for dataset in scope.datasets
        if (delivery := deliveries[dataset.name]) is not None
    }
    gone = _publish(
        store,
        project,
        recipient,
        release,
        files,
        manifest,
        delivery_keys,
        by=by,
        also=also,
        random_bytes=random_bytes,
    )
    delete_unused(store, gone)
    return release


def _release(
    manifest: ReleaseManifest, project: Project, recipient: Party, *, by: Party, now: datetime
) -> Release:
    counts = manifest.counts
    return Release(
        id=manifest.release,
        project_key=project.key,
        recipient_key=recipient.key,
        number=manifest.number,
        state=ReleaseState.PUBLISHED,
        sealed_to=manifest.recipient,
        n_rows=counts["rows"],
        n_entities=counts["entities"],
        n_added=counts["added"],
        n_changed=counts["changed"],
        n_tombstones=counts["removed"] + counts["ended"],
        created_at=now,
        created_by_key=by.key,
        published_at=now,
    )


def _publish(
    store: Store,
    project: Project,
    recipient: Party,
    release: Release,
    files: list[Stored],
    manifest: ReleaseManifest,
    delivery_keys: dict[int, int],
    *,
    by: Party,
    also: Callable[[Session, Release], object],
    random_bytes: RandomBytes,
) -> list[str | None]:
    """Make a release known; gives the digests of the copies that are needed no more."""
    ids = to_text(new_guids(len(files), random_bytes=random_bytes))
    with store.begin() as session:
        withdrawn = (
            select(Withdrawal.key)
            .join(Dataset, Dataset.key == Withdrawal.dataset_key)
            .where(Dataset.project_key == project.key, Withdrawal.requested_at >= release.created_at)
        )
        if session.scalars(withdrawn.limit(1)).first() is not None:
            raise ConflictError("records were withdrawn while the release was built; build it again")
        session.add(release)
        session.flush()
        for file_id, file in zip(ids, files, strict=True):
            row = ReleaseFile(
                id=file_id,
                release_key=release.key,
                name=file.stored_name,
                role=file.role,
                media_type=file.media_type,
                sha256=file.sha256,
                n_bytes=file.n_bytes,
                facts={"content_sha256": file.content_sha256},
            )
            session.add(row)
        for dataset_key, delivery_key in delivery_keys.items():
            session.add(
                ReleaseDataset(release_key=release.key, dataset_key=dataset_key, delivery_key=delivery_key)
            )
        copies = delete(ReleaseFile).where(
            ReleaseFile.role == CONTENT, ReleaseFile.release_key == release.previous_key
        )
        gone = list(session.scalars(copies.returning(ReleaseFile.sha256)))
        also(session, release)
        journal.append(
            session,
            "release.published",
            by=by.id,
            now=release.created_at,
            subjects={"project": project.id, "release": release.id, "recipient": recipient.id},
            counts={"number": release.number, **manifest.counts},
            digests={"manifest": hashlib.sha256(manifest.canonical_json()).hexdigest()},
        )
    return gone


def _last(store: Store, session: Session, project: Project, recipient: Party) -> _Last | None:
    release = session.scalars(
        select(Release)
        .where(Release.project_key == project.key, Release.recipient_key == recipient.key)
        .order_by(Release.number.desc())
        .limit(1)
    ).first()
    if release is None:
        return None
    rows = session.scalars(select(ReleaseFile).where(ReleaseFile.release_key == release.key))
    digests = {row.name: row.sha256 for row in rows if row.sha256 is not None}
    try:
        with store.files.open(digests[MANIFEST_FILE]) as file:  # ours, and named by its digest
            manifest = ReleaseManifest.model_validate(json.load(file)["manifest"])
        with store.files.open(digests[COPY_OF_TABLE]) as file:
            table, _ = read_table(file, manifest.row_kind, tuple(manifest.datasets), what=COPY_OF_TABLE)
        with store.files.open(digests[COPY_OF_SUPERSEDED]) as file:
            superseded, _ = read_superseded(file, what=COPY_OF_SUPERSEDED)
    except KeyError:
        raise StoreError(
            f"the store has no copy of release {release.number}; restore it from a backup"
        ) from None
    return _Last(release, manifest, Content(table, superseded))


def _delivery(session: Session, dataset: Dataset) -> Delivery | None:
    """The delivery that the ledger holds: that of the latest run, or the latest that brought a record."""
    of_run = (
        select(Delivery)
        .join(RunDelivery, RunDelivery.delivery_key == Delivery.key)
        .where(Delivery.dataset_key == dataset.key)
        .order_by(RunDelivery.run_key.desc())
        .limit(1)
    )
    of_record = (
        select(Delivery)
        .join(LedgerRecord, LedgerRecord.delivery_key == Delivery.key)
        .where(LedgerRecord.dataset_key == dataset.key)
        .order_by(Delivery.key.desc())
        .limit(1)
    )
    return session.scalars(of_run).first() or session.scalars(of_record).first()
