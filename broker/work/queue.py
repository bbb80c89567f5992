"""The queue of jobs: who may take up which, and when a job is over.

Jobs of a *lane* are done one at a time and in the order in which they were asked for: the intakes of a dataset, and all
else of a project. A job is held by a lease. The clock is not trusted with more than that: what a job does is written
only while its worker can show the lease (`Lease.hold`), in the transaction that writes it, so a worker that was thought
dead and is not cannot spoil anything.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, func, not_, or_, select, update
from sqlalchemy.orm import Session, aliased

from broker import journal
from broker.store import Store
from broker.store.tables import Dataset, Job, JobState, Party, Project
from pprl.errors import ConflictError, PprlError
from pprl.guid import RandomBytes, new_guid

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 10
_LONGEST_WAIT = timedelta(minutes=10)


class Kind(StrEnum):
    """What jobs do."""

    INTAKE = "intake"
    LINK = "link"
    RELEASE = "release"
    WITHDRAW = "withdraw"


class Cancelled(PprlError):
    """Somebody asked for the job to be cancelled."""


class LeaseLost(PprlError):
    """Another worker has the job."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's hold on a job.

    Attributes
    ----------
    job_key : int
    worker : str
        A name that no other worker has or had.
    attempt : int
        Which of the job's attempts this is.
    """

    job_key: int
    worker: str
    attempt: int

    def hold(self, session: Session) -> Job:
        """The job, locked to the end of the transaction.

        Raises
        ------
        LeaseLost
            Another worker has it, or it is over.
        """
        job = session.scalars(select(Job).where(Job.key == self.job_key).with_for_update()).one()
        if job.state is not JobState.RUNNING or job.worker != self.worker or job.attempts != self.attempt:
            raise LeaseLost("another worker has taken the job up")
        return job

    def finish(self, session: Session, result: Mapping[str, Any], *, now: datetime) -> None:
        """End the job well, in the transaction that keeps what it did."""
        job = self.hold(session)
        _end(job, JobState.DONE, now=now)
        job.result = dict(result)
        job.n_done = job.n_total


def enqueue(
    session: Session,
    kind: Kind,
    *,
    by: Party,
    arguments: Mapping[str, Any],
    project: Project | None = None,
    dataset: Dataset | None = None,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Job:
    """Ask for long work; it is there when the transaction is kept. That the party may ask is checked before.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    kind : Kind
        Which work.
    by : Party
        Who asks.
    arguments : mapping
        Public ids and settings, as JSON; never a token.
    project, dataset : row, optional
        What it is about.
    now : datetime
        With time zone.
    random_bytes : callable
        Source of the id.
    """
    job = Job(
        id=new_guid(random_bytes),
        kind=kind.value,
        project_key=project.key if project else None if dataset is None else dataset.project_key,
        dataset_key=None if dataset is None else dataset.key,
        arguments=dict(arguments),
        state=JobState.QUEUED,
        created_by_key=by.key,
        created_at=now,
        not_before=now,
        attempts=0,
        stage="",
        n_done=0,
        n_total=0,
    )
    session.add(job)
    session.flush()
    return job


def claim(store: Store, worker: str, *, kinds: Collection[Kind] = tuple(Kind)) -> tuple[Lease, Job] | None:
    """Take up the next job that may be begun: a queued one, or one whose worker is gone.

    A job whose workers went away `MOST_ATTEMPTS` times is given up: it may be what kills them.

    Returns
    -------
    tuple of (Lease, Job) or None
        None: there is nothing to do now.
    """
    with store.begin() as session:
        now = store.clock()
        job = session.scalars(_claimable(kinds, now).limit(1)).first()
        if job is None:
            return None
        if job.cancel_asked_at is not None:
            _end(job, JobState.CANCELLED, now=now)
            return None
        was_left = job.state is JobState.RUNNING
        if job.attempts >= MOST_ATTEMPTS and (was_left or job.kind != Kind.WITHDRAW):
            _end(job, JobState.FAILED, now=now)
            job.error = (
                f"its worker stopped {MOST_ATTEMPTS} times in the middle; the service's log may tell why"
            )
            return None
        job.state, job.worker, job.attempts = JobState.RUNNING, worker, job.attempts + 1
        # Asked again: others may have been waited for, and what was before it in its lane has ended by now.
        now = store.clock()
        job.started_at, job.lease_until = now, now + LEASE
        job.stage, job.n_done, job.n_total, job.error = "beginning", 0, 0, None
        return Lease(job.key, worker, job.attempts), job


def _claimable(kinds: Collection[Kind], now: datetime) -> Any:
    other = aliased(Job)
    is_intake, other_is_intake = Job.kind == Kind.INTAKE, other.kind == Kind.INTAKE
    same_lane = or_(
        and_(is_intake, other_is_intake, other.dataset_key == Job.dataset_key),
        and_(not_(is_intake), not_(other_is_intake), other.project_key == Job.project_key),
    )
    # One that runs, or waits and was asked for before.
    in_the_way = (
        select(other.key)
        .where(
            other.key != Job.key,
            same_lane,
            or_(
                other.state == JobState.RUNNING,
                and_(other.state == JobState.QUEUED, other.key < Job.key),
            ),
        )
        .exists()
    )
    # A time from a clock that was ahead would not come for hours.
    is_due = or_(Job.not_before <= now, Job.not_before > now + _LONGEST_WAIT)
    is_queued = and_(Job.state == JobState.QUEUED, is_due, ~in_the_way)
    is_left = and_(
        Job.state == JobState.RUNNING,
        # A lease from a clock that was ahead would last for ever.
        or_(Job.lease_until <= now, Job.lease_until > now + 2 * LEASE),
    )
    return (
        select(Job)
        .where(Job.kind.in_([kind.value for kind in kinds]), or_(is_queued, is_left))
        .order_by(Job.key)
        .with_for_update(skip_locked=True, of=Job)
    )


def renew(store: Store, lease: Lease, *, stage: str, n_done: int, n_total: int) -> bool:
    """Go on holding a job, and tell how far it is.

    Returns
    -------
    bool
        Whether somebody asked to cancel it.

    Raises
    ------
    LeaseLost
        Another worker has it.
    """
    with store.begin() as session:
        job = lease.hold(session)
        job.lease_until = store.clock() + LEASE
        job.stage, job.n_done, job.n_total = stage, n_done, n_total
        return job.cancel_asked_at is not None


def fail(store: Store, lease: Lease, error: str) -> None:
    """End a job badly.

    Parameters
    ----------
    store : Store
        Which holds it.
    lease : Lease
        On it.
    error : str
        One line for people; nothing of a record.
    """
    with store.begin() as session:
        job = lease.hold(session)
        _end(job, JobState.FAILED, now=store.clock())
        job.error = error


def put_back(store: Store, lease: Lease, reason: str) -> None:
    """Let a job be begun again later, the longer the oftener it was; after `MOST_ATTEMPTS` it fails.

    Withdrawals never do: what sites take back has to go, however long the disk is full or the database away.
    """
    with store.begin() as session:
        job = lease.hold(session)
        now = store.clock()
        if job.attempts >= MOST_ATTEMPTS and job.kind != Kind.WITHDRAW:
            _end(job, JobState.FAILED, now=now)
        else:
            job.state, job.worker, job.lease_until = JobState.QUEUED, None, None
            job.not_before = now + min(timedelta(seconds=2 ** min(job.attempts, 20)), _LONGEST_WAIT)
            job.stage = "waiting to be begun again"
        job.error = reason


def end_cancelled(store: Store, lease: Lease) -> None:
    """End a job that was to be cancelled and has stopped."""
    with store.begin() as session:
        _end(lease.hold(session), JobState.CANCELLED, now=store.clock())


def cancel(session: Session, job: Job, *, by: str, now: datetime) -> None:
    """Ask for a job to be cancelled: at once where it waits, soon where it runs.

    Raises
    ------
    ConflictError
        It is over, or is one that must be done.
    """
    job = session.scalars(select(Job).where(Job.key == job.key).with_for_update()).one()
    if job.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED):
        raise ConflictError(f"the job is {job.state.value} already")
    if job.kind == Kind.WITHDRAW:
        raise ConflictError("records that were withdrawn must be cleared away; this cannot be cancelled")
    if job.cancel_asked_at is None:
        job.cancel_asked_at = now
    if job.state is JobState.QUEUED:
        _end(job, JobState.CANCELLED, now=now)
    journal.append(
        session, "job.cancelled", by=by, now=now, subjects={"job": job.id}, words={"kind": job.kind}
    )


def retry(session: Session, job: Job, *, now: datetime) -> None:
    """Let a job that failed be begun anew, with all its attempts.

    Raises
    ------
    ConflictError
        It did not fail.
    """
    job = session.scalars(select(Job).where(Job.key == job.key).with_for_update()).one()
    if job.state is not JobState.FAILED:
        raise ConflictError(f"the job is {job.state.value}; only one that failed can be begun again")
    job.state, job.attempts, job.not_before = JobState.QUEUED, 0, now
    job.finished_at = job.error = job.cancel_asked_at = None


def counts_by_state(session: Session) -> dict[tuple[str, str], int]:
    """How many jobs there are, by kind and state."""
    rows = session.execute(select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state))
    return {(kind, state.value): n for kind, state, n in rows}


def release_all(store: Store, worker: str) -> int:
    """Let go of what a worker holds, when it is told to stop; gives how many jobs."""
    with store.begin() as session:
        mine = update(Job).where(Job.state == JobState.RUNNING, Job.worker == worker)
        done = session.execute(
            mine.values(state=JobState.QUEUED, worker=None, lease_until=None, attempts=Job.attempts - 1)
        )
        return int(done.rowcount)  # type: ignore[attr-defined]  # an update's result has one


def _end(job: Job, state: JobState, *, now: datetime) -> None:
    job.state, job.finished_at, job.worker, job.lease_until = state, now, None, None
    job.stage = ""
