"""What is due from time to time: what expired goes, and the journal is signed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import delete, func, select

from broker.journal import make_checkpoint
from broker.store import Store
from broker.store.tables import (
    Checkpoint,
    IdempotencyKey,
    Job,
    JobState,
    JournalEntry,
    Upload,
    UploadState,
)
from broker.work.keys import BrokerKeys
from broker.work.unfinished import job_of, work_folder
from pprl.errors import StoreError

EVERY_S = 60.0
CHECKPOINT_EVERY = timedelta(hours=1)
KEPT_UNUSED = timedelta(days=1)
"""Bulk files that nothing points at, and folders of jobs that are over."""

Monotonic = Callable[[], float]

_log = logging.getLogger("broker.work")


class Housekeeper:
    """Does what is due, at most once a minute.

    Parameters
    ----------
    store : Store
        Whose.
    keys : BrokerKeys
        Of the journal's checkpoints.
    monotonic : callable
        Seconds, always forward.
    """

    def __init__(self, store: Store, keys: BrokerKeys, *, monotonic: Monotonic) -> None:
        self._store, self._keys, self._monotonic = store, keys, monotonic
        self._next = monotonic()

    def tick(self) -> None:
        """Do what is due, if a minute has passed."""
        if self._monotonic() < self._next:
            return
        self._next = self._monotonic() + EVERY_S
        try:
            keep_house(self._store, self._keys)
        except StoreError as error:
            _log.warning("housekeeping is put off: %s", error)


def keep_house(store: Store, keys: BrokerKeys) -> None:
    """Do all that is due now.

    Raises
    ------
    StoreError
        The database or the disk cannot be used.
    """
    _end_uploads(store)
    with store.begin() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.expires_at <= store.clock()))
    _clear_folders(store)
    store.files.sweep(older_than=store.clock() - KEPT_UNUSED)
    _sign(store, keys)


def _end_uploads(store: Store) -> None:
    """Give up uploads that have expired, and clear away what nothing needs of others."""
    with store.begin() as session:
        expired = session.scalars(
            select(Upload).where(Upload.state == UploadState.OPEN, Upload.expires_at <= store.clock())
        ).all()
        for upload in expired:
            upload.state = UploadState.FAILED
    with store.read() as session:
        in_work = (Job.state.in_([JobState.QUEUED, JobState.RUNNING, JobState.FAILED]),)
        needed = set(session.scalars(select(Upload.id).where(Upload.state == UploadState.OPEN)))
        needed |= set(session.scalars(select(Upload.id).join(Job, Job.key == Upload.job_key).where(*in_work)))
        gone = set(session.scalars(select(Upload.id))) - needed
    for name in gone:
        (store.uploads / name).unlink(missing_ok=True)


def _clear_folders(store: Store) -> None:
    """Remove what interrupted work left behind."""
    limit = (store.clock() - KEPT_UNUSED).timestamp()
    folder = work_folder(store)
    # Listed before the jobs are, or one that begins in between would lose its folder.
    found = list(folder.iterdir()) if folder.is_dir() else []
    with store.read() as session:
        alive = set(session.scalars(select(Job.id).where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))))
    for path in found:
        if job_of(path) not in alive:
            shutil.rmtree(path, ignore_errors=True)
    for path in store.uploads.glob("run-*"):
        if path.stat().st_mtime < limit:
            shutil.rmtree(path, ignore_errors=True)


def _sign(store: Store, keys: BrokerKeys) -> None:
    """Sign the journal where it has grown and the last checkpoint is old enough."""
    with store.read() as session:
        last = session.scalars(select(Checkpoint).order_by(Checkpoint.number.desc()).limit(1)).first()
        newest = session.scalar(select(func.max(JournalEntry.number)))
    if newest is None or (last is not None and last.number == newest):
        return
    if last is None or store.clock() - last.at >= CHECKPOINT_EVERY:
        with store.begin() as session:
            make_checkpoint(session, keys.journal, now=store.clock())
