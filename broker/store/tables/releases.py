"""Releases: what a recipient was given, as files that never change, and what it said it did with them.

::

    projects 1---* releases *---1 parties (the recipient)
                      |  1---* release_files *---1 stored_files
                      |  1---* release_datasets *---1 datasets
                      |  1---* acknowledgements
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Count, Key, Label, PrimaryKey, PublicId, Sha256, Time, one_of


class ReleaseState(StrEnum):
    """How far a release is."""

    BUILDING = "building"
    """Its files are being made; nobody sees it but the broker."""
    PUBLISHED = "published"
    """The recipient may fetch it."""
    WITHDRAWN = "withdrawn"
    """Its files are gone, as they held withdrawn records; deltas to later releases remain."""


class Release(Base):
    """A match table for one recipient, whole and as a delta against the release before.

    Attributes
    ----------
    id : str
    project_key : int
    recipient_key : int
        A party.
    number : int
        1, 2, ... for each recipient of a project.
    previous_key : int or None
        The release that its delta is against; None for the first.
    run_key : int or None
        The latest run that the ledger held.
    state : ReleaseState
    sealed_to : str
        ``age1...``: the recipient's public key at the time.
    n_rows, n_entities : int
    n_added, n_changed, n_tombstones : int
        Of the delta; 0 for the first release but for ``n_added``.
    created_at : datetime
    created_by_key : int
        The party that asked for it.
    published_at : datetime or None
    """

    __tablename__ = "releases"
    __table_args__ = (UniqueConstraint("project_key", "recipient_key", "number"),)

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    project_key: Mapped[Key] = mapped_column(ForeignKey("projects.key"))
    recipient_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), index=True)
    number: Mapped[int]
    previous_key: Mapped[Key | None] = mapped_column(ForeignKey("releases.key"))
    run_key: Mapped[Key | None] = mapped_column(ForeignKey("runs.key"))
    state: Mapped[ReleaseState] = one_of(ReleaseState, "state")
    sealed_to: Mapped[Label]
    n_rows: Mapped[Count]
    n_entities: Mapped[Count]
    n_added: Mapped[Count]
    n_changed: Mapped[Count]
    n_tombstones: Mapped[Count]
    created_at: Mapped[Time]
    created_by_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    published_at: Mapped[Time | None]


class ReleaseFile(Base):
    """One file of a release; a DRS object, whose id always gives the same bytes.

    Attributes
    ----------
    id : str
        The DRS id, without its host.
    release_key : int
    name : str
        What the recipient sees: ``matches.parquet.age``, ``delta.csv.age``.
    role : str
        ``table``, ``delta``, ``crosswalk``, ``crosswalk-info``, ``mds``, ``note``.
    media_type : str
        Of what is inside the seal.
    sha256 : str or None
        Of the sealed bytes, a stored file; None once it is withdrawn.
    n_bytes : int
        Of the sealed bytes.
    facts : dict
        Columns, rows and the like, for a listing; nothing of a record.
    """

    __tablename__ = "release_files"
    __table_args__ = (UniqueConstraint("release_key", "name"),)

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    release_key: Mapped[Key] = mapped_column(ForeignKey("releases.key"))
    name: Mapped[Label]
    role: Mapped[str] = mapped_column(String(20))
    media_type: Mapped[Label]
    sha256: Mapped[Sha256 | None] = mapped_column(ForeignKey("stored_files.sha256"), index=True)
    n_bytes: Mapped[Count]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)


class ReleaseDataset(Base):
    """A dataset whose records a release shows, and the delivery that was current."""

    __tablename__ = "release_datasets"

    release_key: Mapped[Key] = mapped_column(ForeignKey("releases.key"), primary_key=True)
    dataset_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"), primary_key=True)
    delivery_key: Mapped[Key] = mapped_column(ForeignKey("deliveries.key"))


class Acknowledgement(Base):
    """A recipient says that it has applied a release: new rows are in use, tombstoned ones are gone from its copies.

    It holds for all releases before as well.
    """

    __tablename__ = "acknowledgements"
    __table_args__ = (Index("ix_acknowledgements_by_key", "by_key"),)

    release_key: Mapped[Key] = mapped_column(ForeignKey("releases.key"), primary_key=True)
    by_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    at: Mapped[Time]
    n_tombstones: Mapped[Count]
