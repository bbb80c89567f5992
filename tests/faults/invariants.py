"""What is always true of a store, whatever happened to those who worked on it."""

from __future__ import annotations

import json
from collections import Counter

from sqlalchemy import func, select

from broker.journal import verify
from broker.releases.files import CONTENT, MANIFEST
from broker.store import Store
from broker.store.tables import (
    Dataset,
    Delivery,
    DeliveryState,
    Entity,
    Job,
    JobState,
    JournalEntry,
    LedgerRecord,
    RecipientGuid,
    Release,
    ReleaseFile,
    ReleaseState,
    Run,
    RunFile,
    StoredFile,
    Upload,
    UploadState,
    Withdrawal,
)


def check_invariants(store: Store, *, quiet: bool = True) -> list[str]:
    """Everything that is wrong with a store; nothing, however often it was killed.

    Parameters
    ----------
    store : Store
        Open; workers may go on.
    quiet : bool
        Whether all jobs should be over.
    """
    faults = [f"database: {fault}" for fault in store.check_database()]
    # A file without a row is what a crash may leave; it is swept.
    faults += [f"file {one.sha256[:12]}: {one.what}" for one in store.files.check() if one.what != "stray"]
    with store.read() as session:
        faults += [f"journal: {fault}" for fault in verify(session).faults]
        faults += _ledger(session)
        faults += _releases(session)
        faults += _jobs(session, quiet=quiet)
        faults += _deliveries(session, quiet=quiet)
        faults += _journal(session)
        for upload in session.scalars(select(Upload).where(Upload.state == UploadState.OPEN)):
            path = store.uploads / upload.id
            if upload.n_received and path.stat().st_size < upload.n_received:
                faults.append("an upload has fewer bytes than were acknowledged")
    return faults


def _ledger(session) -> list[str]:
    faults = []
    records = session.execute(
        select(LedgerRecord.guid, Entity.key, Entity.ended_at, Entity.project_key, Dataset.project_key)
        .join(Entity, Entity.key == LedgerRecord.entity_key)
        .join(Dataset, Dataset.key == LedgerRecord.dataset_key)
    ).all()
    n_records = session.scalar(select(func.count()).select_from(LedgerRecord))
    if len(records) != n_records:
        faults.append("ledger: a record is in no entity")
    if any(ended is not None for _, _, ended, _, _ in records):
        faults.append("ledger: a record is in an entity that has ended")
    if any(of_entity != of_dataset for _, _, _, of_entity, of_dataset in records):
        faults.append("ledger: a record is in an entity of another project")
    living = set(session.scalars(select(Entity.key).where(Entity.ended_at.is_(None))))
    if living != {key for _, key, _, _, _ in records}:
        faults.append("ledger: an entity lives and has no record")
    guids = list(session.scalars(select(RecipientGuid.guid)))
    if len(set(guids)) != len(guids):
        faults.append("ledger: a GUID was given twice")
    return faults


def _releases(session) -> list[str]:
    faults, numbers = [], {}
    stored = set(session.scalars(select(StoredFile.sha256)))
    for release in session.scalars(select(Release).order_by(Release.key)):
        numbers.setdefault((release.project_key, release.recipient_key), []).append(release.number)
        files = list(session.scalars(select(ReleaseFile).where(ReleaseFile.release_key == release.key)))
        if release.state is ReleaseState.BUILDING:
            faults.append("a release is half built")
        if release.state is ReleaseState.PUBLISHED and any(one.sha256 not in stored for one in files):
            faults.append(f"release {release.number}: a file is not in the store")
        if sum(one.role == MANIFEST for one in files) != 1:
            faults.append(f"release {release.number}: has not one manifest")
    for some in numbers.values():
        if some != list(range(1, len(some) + 1)):
            faults.append(f"releases are numbered {some}")
    latest = select(func.max(Release.key)).group_by(Release.project_key, Release.recipient_key)
    for key in session.scalars(latest):
        copies = select(ReleaseFile.sha256).where(ReleaseFile.release_key == key, ReleaseFile.role == CONTENT)
        if len([one for one in session.scalars(copies) if one in stored]) != 2:
            faults.append("the latest release has no copy of its content")
    return faults


def _jobs(session, *, quiet: bool) -> list[str]:
    faults = []
    runs = Counter(session.scalars(select(Run.job_key)))
    made: list[str] = []
    for job in session.scalars(select(Job)):
        if job.state is JobState.DONE and job.kind == "link" and runs.pop(job.key, 0) != 1:
            faults.append("a run's job has not one run")
        if job.state is JobState.DONE and job.kind == "release":
            made.append(job.result["release"])
        if job.state is JobState.FAILED:
            faults.append(f"a job of kind {job.kind} failed: {job.error}")
        if quiet and job.state in (JobState.QUEUED, JobState.RUNNING):
            faults.append(f"a job of kind {job.kind} is {job.state.value}: {job.error}")
        if (job.state is JobState.RUNNING) != (job.worker is not None):
            faults.append("a job runs without a worker, or the other way round")
    if runs:
        faults.append("there is a run without a job that is done")
    known = set(session.scalars(select(Release.id)))
    if len(set(made)) != len(made) or not set(made) <= known:
        faults.append("a release's job has not one release")
    for _, sha256 in session.execute(select(RunFile.name, RunFile.sha256)):
        if session.get(StoredFile, sha256) is None:
            faults.append("a run's file is not in the store")
    return faults


def _deliveries(session, *, quiet: bool) -> list[str]:
    faults = []
    for dataset in session.scalars(select(Dataset)):
        rows = session.scalars(
            select(Delivery).where(Delivery.dataset_key == dataset.key).order_by(Delivery.key)
        )
        states = [(one.state, one.sha256, one.n_records) for one in rows]
        current = [one for one in states if one[0] is DeliveryState.ACCEPTED]
        if len(current) > 1:
            faults.append("a dataset has two current deliveries")
        if any(sha256 is None and n for _, sha256, n in current):
            faults.append("a current delivery has no bytes")
        gone = (DeliveryState.REFUSED, DeliveryState.SUPERSEDED)
        if any(sha256 is not None for state, sha256, _ in states if state in gone):
            faults.append("a delivery that is over has bytes")
        if quiet and any(state is DeliveryState.RECEIVED for state, _, _ in states):
            faults.append("a delivery is half taken in")
    return faults


def _journal(session) -> list[str]:
    """Each act has its entry, once."""
    acts = Counter(json.loads(body)["act"] for body in session.scalars(select(JournalEntry.body)))
    good = [DeliveryState.ACCEPTED, DeliveryState.SUPERSEDED]
    counts = {
        "delivery.accepted": select(func.count()).select_from(Delivery).where(Delivery.state.in_(good)),
        "ledger.refreshed": select(func.count()).select_from(Run),
        "release.published": select(func.count()).select_from(Release),
        "records.withdrawn": select(func.count()).select_from(Withdrawal),
        "withdrawal.completed": select(func.count())
        .select_from(Withdrawal)
        .where(Withdrawal.purged_at.is_not(None)),
    }
    return [
        f"journal: {acts[act]} entries of {act}, and {n} such things"
        for act, statement in counts.items()
        if (n := session.scalar(statement)) != acts[act]
    ]
