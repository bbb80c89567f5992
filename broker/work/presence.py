"""Which workers are there: each holds a lock on a file of its own for as long as its process lives.

Whoever gets the lock of another knows that this one is gone, however it ended, and its jobs need not wait for the end
of their leases. A worker that is only slow, or was stopped for a while, keeps its lock; it can lose a job by its lease
only. Where locks do not work, as on some network disks, the leases are all there is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select, update

from broker.store import Store
from broker.store.database import make_private
from broker.store.tables import Job, JobState
from pprl.errors import StoreError


@contextmanager
def present(store: Store, worker: str) -> Iterator[None]:
    """Show that a worker is there, to the end of the block or of the process.

    Parameters
    ----------
    store : Store
        Whose worker.
    worker : str
        Its name.
    """
    path = _folder(store) / worker
    try:
        make_private(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (OSError, StoreError):
        yield  # the leases have to do
        return
    try:
        _lock(handle)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def take_from_the_gone(store: Store) -> int:
    """End the leases of workers that are there no more, so that others can take their jobs up at once.

    Returns
    -------
    int
        How many jobs.

    Raises
    ------
    StoreError
        The database cannot be used.
    """
    with store.read() as session:
        running = select(Job.worker).where(Job.state == JobState.RUNNING).distinct()
        names = [name for name in session.scalars(running) if name is not None]
    n_jobs = 0
    for name in names:
        path = _folder(store) / name
        if not _is_gone(path):
            continue
        with store.begin() as session:
            theirs = update(Job).where(Job.state == JobState.RUNNING, Job.worker == name)
            done = session.execute(theirs.values(lease_until=store.clock()))
            n_jobs += int(done.rowcount)  # type: ignore[attr-defined]  # an update's result has one
        path.unlink(missing_ok=True)
    return n_jobs


def _folder(store: Store) -> Path:
    return store.location.folder / "workers"


def _is_gone(path: Path) -> bool:
    """Whether a worker has left its file behind; one that has none may be on another machine."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody has it, or there are no locks here
        return False
    return True
