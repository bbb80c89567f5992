"""What sites submit: uploads, deliveries, and the files they and all else are kept in.

::

    datasets 1---* uploads 1---1 deliveries *---1 stored_files
    parties  1---* idempotency_keys
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Count, Key, PrimaryKey, PublicId, Sha256, Time, one_of


class StoredFile(Base):
    """A file of bulk data; its name is its digest.

    Whatever needs it points here by a foreign key, so that the database itself refuses to forget a file in use.
    `broker.store.files` writes and removes rows together with files.
    """

    __tablename__ = "stored_files"

    sha256: Mapped[Sha256] = mapped_column(primary_key=True)
    n_bytes: Mapped[Count]
    stored_at: Mapped[Time]


class UploadState(StrEnum):
    """How far an upload is."""

    OPEN = "open"
    """Bytes may come."""
    COMPLETE = "complete"
    """All came and the digest fits."""
    FAILED = "failed"
    """The digest differs, or the site gave up."""


class Upload(Base):
    """A package on its way here, in pieces that may come again after a break.

    Attributes
    ----------
    id : str
    dataset_key : int
    by_key : int
        The party.
    sha256 : str
        What the site says the whole is; not yet a stored file.
    n_bytes : int
        Of the whole.
    n_received : int
        Bytes on the disk for certain, from the first one on.
    state : UploadState
    job_key : int or None
        The intake that was queued when its last byte came.
    created_at, expires_at : datetime
        An open one is cleared away when it has expired.
    """

    __tablename__ = "uploads"

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    dataset_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"), index=True)
    by_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    sha256: Mapped[Sha256]
    n_bytes: Mapped[Count]
    n_received: Mapped[Count]
    state: Mapped[UploadState] = one_of(UploadState, "state")
    job_key: Mapped[Key | None] = mapped_column(ForeignKey("jobs.key"))
    created_at: Mapped[Time]
    expires_at: Mapped[Time]


class DeliveryState(StrEnum):
    """What became of a delivery."""

    RECEIVED = "received"
    """Whole, not yet looked into."""
    ACCEPTED = "accepted"
    """Opened and checked: the dataset's current delivery, or to be it."""
    REFUSED = "refused"
    """Not accepted; its bytes are gone."""
    SUPERSEDED = "superseded"
    """A later delivery took its place; its bytes are gone."""


class Delivery(Base):
    """A sealed package of a dataset.

    Attributes
    ----------
    id : str
    dataset_key : int
    sequence : int
        Of its manifest; the accepted ones ascend.
    state : DeliveryState
    sha256 : str or None
        The sealed package, a stored file; None once it is gone.
    payload_sha256 : str
        Of its manifest.
    manifest_json : str
        Its manifest in canonical JSON.
    n_records : int
    refusal : str or None
        Why it was refused, for the site.
    received_by_key : int
    received_at : datetime
    settled_at : datetime or None
        When its state became the present one.
    quality : dict or None
        What intake found: missingness, drift and the like; counts only.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(
            "uq_deliveries_dataset_key_sequence_good",
            "dataset_key",
            "sequence",
            unique=True,
            sqlite_where=text("state <> 'refused'"),
            postgresql_where=text("state <> 'refused'"),
        ),
    )

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    dataset_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"))
    sequence: Mapped[Count]
    state: Mapped[DeliveryState] = one_of(DeliveryState, "state")
    sha256: Mapped[Sha256 | None] = mapped_column(ForeignKey("stored_files.sha256"), index=True)
    payload_sha256: Mapped[Sha256]
    manifest_json: Mapped[str] = mapped_column(Text)
    n_records: Mapped[Count]
    refusal: Mapped[str | None] = mapped_column(Text)
    received_by_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    received_at: Mapped[Time]
    settled_at: Mapped[Time | None]
    quality: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class IdempotencyKey(Base):
    """An answer that is given again where a party repeats a request.

    Attributes
    ----------
    party_key : int
    name : str
        As the client chose it.
    request_sha256 : str
        Of method, path and body; the same name with another request is an error.
    status : int
        HTTP status of the answer.
    answer : object
        Its body.
    created_at, expires_at : datetime
    """

    __tablename__ = "idempotency_keys"

    party_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_sha256: Mapped[Sha256]
    status: Mapped[int]
    answer: Mapped[Any] = mapped_column(JSON)
    created_at: Mapped[Time]
    expires_at: Mapped[Time] = mapped_column(index=True)
