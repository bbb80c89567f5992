"""Long work: jobs, and the linkage runs they carry out.

::

    projects 1---* jobs 1---0..1 runs 1---* run_deliveries *---1 deliveries
                                      1---* run_files *---1 stored_files
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Count, Key, Label, PrimaryKey, PublicId, Sha256, Time, one_of


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Base):
    """A piece of long work. A worker holds it by a lease; where that runs out, another takes it up again.

    Attributes
    ----------
    id : str
    kind : str
        Which work; the worker knows its kinds.
    project_key : int or None
    dataset_key : int or None
        Where it is a dataset's: its site may see the job.
    arguments : dict
        Public ids and settings; never a token.
    state : JobState
    created_by_key : int
        The party that asked.
    created_at : datetime
    not_before : datetime
        When it may be taken up: later than created for a retry.
    started_at, finished_at : datetime or None
        Of the last attempt.
    attempts : int
        Begun so far.
    worker : str or None
        Who holds the lease.
    lease_until : datetime or None
    cancel_asked_at : datetime or None
    stage : str
        For people.
    n_done, n_total : int
        Units of the stage; ``n_total`` 0 where it is not known.
    error : str or None
        One line, where it failed.
    result : dict or None
        Public ids and counts.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state_not_before", "state", "not_before"),)

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    kind: Mapped[str] = mapped_column(String(40))
    project_key: Mapped[Key | None] = mapped_column(ForeignKey("projects.key"), index=True)
    dataset_key: Mapped[Key | None] = mapped_column(ForeignKey("datasets.key"), index=True)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[JobState] = one_of(JobState, "state")
    created_by_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    created_at: Mapped[Time]
    not_before: Mapped[Time]
    started_at: Mapped[Time | None]
    finished_at: Mapped[Time | None]
    attempts: Mapped[int]
    worker: Mapped[Label | None]
    lease_until: Mapped[Time | None]
    cancel_asked_at: Mapped[Time | None]
    stage: Mapped[Label]
    n_done: Mapped[Count]
    n_total: Mapped[Count]
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Run(Base):
    """A linkage run whose outcome is in the ledger.

    Attributes
    ----------
    id : str
    project_key : int
    job_key : int
    program : str
        Name and version.
    settings : dict
        Threshold, seed, candidates, engine.
    quality : dict
        What quality.json holds.
    n_records, n_links, n_entities : int
    created_at : datetime
    finished_at : datetime or None
    """

    __tablename__ = "runs"

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    project_key: Mapped[Key] = mapped_column(ForeignKey("projects.key"), index=True)
    job_key: Mapped[Key | None] = mapped_column(ForeignKey("jobs.key"), index=True)
    program: Mapped[Label]
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    quality: Mapped[dict[str, Any]] = mapped_column(JSON)
    n_records: Mapped[Count]
    n_links: Mapped[Count]
    n_entities: Mapped[Count]
    created_at: Mapped[Time]
    finished_at: Mapped[Time | None]


class RunDelivery(Base):
    """A delivery that a run linked."""

    __tablename__ = "run_deliveries"

    run_key: Mapped[Key] = mapped_column(ForeignKey("runs.key"), primary_key=True)
    delivery_key: Mapped[Key] = mapped_column(ForeignKey("deliveries.key"), primary_key=True)


class RunFile(Base):
    """A file that a run wrote for the broker itself: report, evidence."""

    __tablename__ = "run_files"

    run_key: Mapped[Key] = mapped_column(ForeignKey("runs.key"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    sha256: Mapped[Sha256] = mapped_column(ForeignKey("stored_files.sha256"), index=True)
