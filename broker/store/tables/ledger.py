"""The ledger: which records are one person's, under which GUID each recipient knows that person, and what changed.

::

    projects 1---* ledger_entities 1---* ledger_records *---1 datasets
                         |    1---* recipient_guids *---1 parties
                         |    1---* entity_changes (history: what became of an entity)
    datasets 1---* withdrawals 1---* withdrawn_records

An *entity* is a person as far as the broker knows, within one project. Its number never leaves the broker: every
recipient has a random GUID of its own for it. Every record is in exactly one entity, singletons included.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Count, Guid, Key, PrimaryKey, PublicId, Time, one_of


class Entity(Base):
    """A person of a project, as far as the broker knows.

    Rows are never deleted, so that old GUIDs can be resolved; one that was merged, split or emptied has ``ended_at``,
    and `EntityChange` tells what became of it. Of the entities that merge, the one that has most records goes on living
    (the oldest of equal ones), so that most GUIDs stay; the same for the parts of a split.

    Attributes
    ----------
    key : int
        Internal.
    project_key : int
    created_run_key : int
        The run that found it.
    created_at : datetime
    ended_at : datetime or None
        None: it lives.
    """

    __tablename__ = "ledger_entities"
    __table_args__ = (Index("ix_ledger_entities_project_key_ended_at", "project_key", "ended_at"),)

    key: Mapped[PrimaryKey]
    project_key: Mapped[Key] = mapped_column(ForeignKey("projects.key"))
    created_run_key: Mapped[Key | None] = mapped_column(ForeignKey("runs.key"))
    created_at: Mapped[Time]
    ended_at: Mapped[Time | None]


class LedgerRecord(Base):
    """A record of a dataset and the entity it is in now; deleted with the record.

    Attributes
    ----------
    dataset_key : int
    guid : bytes
        16 bytes, the record's GUID in the site's packages.
    row_digest : bytes
        32 bytes, SHA-256 over the record's tokens, keyed so that it tells nothing by itself; another one in the next
        delivery means that the record was changed.
    entity_key : int
        Its entity, which lives.
    delivery_key : int
        The delivery that brought this version of it.
    changed_at : datetime
        When its tokens or its entity changed last.
    """

    __tablename__ = "ledger_records"

    dataset_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"), primary_key=True)
    guid: Mapped[Guid] = mapped_column(primary_key=True)
    row_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    entity_key: Mapped[Key] = mapped_column(ForeignKey("ledger_entities.key"), index=True)
    delivery_key: Mapped[Key] = mapped_column(ForeignKey("deliveries.key"))
    changed_at: Mapped[Time]


class RecipientGuid(Base):
    """The random GUID under which one recipient knows one entity; kept after the entity's end, never used again.

    Attributes
    ----------
    recipient_key : int
        A party: a researcher, or a site that learns the entities of its own rows.
    entity_key : int
    guid : bytes
        16 bytes, unique over all recipients and projects.
    issued_at : datetime
    """

    __tablename__ = "recipient_guids"

    recipient_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), primary_key=True)
    entity_key: Mapped[Key] = mapped_column(ForeignKey("ledger_entities.key"), primary_key=True)
    guid: Mapped[Guid] = mapped_column(unique=True)
    issued_at: Mapped[Time]


class ChangeKind(StrEnum):
    """What happened to an entity."""

    MERGED = "merged"
    """It ended, and its records are now in ``successor_key``."""
    SPLIT = "split"
    """Some of its records are now in ``successor_key``; one row for every part. It need not have ended."""
    EMPTIED = "emptied"
    """Its last record was deleted or withdrawn; it ended without successor."""


class EntityChange(Base):
    """The ledger's history; append-only. An old GUID is resolved by following it from the entity of that GUID.

    Attributes
    ----------
    key : int
        In order of time.
    project_key : int
    entity_key : int
        To which it happened.
    kind : ChangeKind
    successor_key : int or None
        The entity that has its records, or some of them, now.
    n_records : int
        Records that went over, or 0.
    run_key : int or None
        The run that did it; None where a withdrawal or a deletion did.
    at : datetime
    """

    __tablename__ = "entity_changes"
    __table_args__ = (
        CheckConstraint("(kind = 'emptied') = (successor_key IS NULL)", "successor"),
        CheckConstraint("successor_key <> entity_key", "other"),
    )

    key: Mapped[PrimaryKey]
    project_key: Mapped[Key] = mapped_column(ForeignKey("projects.key"), index=True)
    entity_key: Mapped[Key] = mapped_column(ForeignKey("ledger_entities.key"), index=True)
    kind: Mapped[ChangeKind] = one_of(ChangeKind, "kind")
    successor_key: Mapped[Key | None] = mapped_column(ForeignKey("ledger_entities.key"), index=True)
    n_records: Mapped[Count]
    run_key: Mapped[Key | None] = mapped_column(ForeignKey("runs.key"))
    at: Mapped[Time]


class Withdrawal(Base):
    """A site's request to withdraw records, and how far it is carried out.

    Attributes
    ----------
    id : str
    dataset_key : int
    requested_by_key : int
        The party that asked.
    requested_at : datetime
    n_records : int
        Named in the request and known.
    purged_at : datetime or None
        When nothing of the records was left in bulk data and every recipient's delta with the tombstones was released.
        Which recipient has acknowledged is told by the `Acknowledgement` of those releases.
    """

    __tablename__ = "withdrawals"

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    dataset_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"), index=True)
    requested_by_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    requested_at: Mapped[Time]
    n_records: Mapped[Count]
    purged_at: Mapped[Time | None]


class WithdrawnRecord(Base):
    """A record that must not come back: later deliveries that hold it are taken without it.

    Attributes
    ----------
    dataset_key : int
    guid : bytes
        16 bytes, not the record's GUID but a keyed digest of it; see `broker.ledger.rows.withdrawn_marks`. Nothing else
        is kept of the record.
    withdrawal_key : int
    """

    __tablename__ = "withdrawn_records"

    dataset_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"), primary_key=True)
    guid: Mapped[Guid] = mapped_column(primary_key=True)
    withdrawal_key: Mapped[Key] = mapped_column(ForeignKey("withdrawals.key"), index=True)
