"""What the broker's metadata service holds: records that parties publish, and the names they are found by.

::

    parties 1---* metadata_records 1---* metadata_aliases
    projects 1---* metadata_records    (those that their owners share with a project)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Key, PrimaryKey, Time, one_of

GUID_CHARACTERS, TYPE_CHARACTERS, ALIAS_CHARACTERS = 255, 100, 500


class MetadataRecord(Base):
    """A document that a party published under a GUID.

    Attributes
    ----------
    guid : str
        With its prefix, as the publisher gave it: ``dg.TEST/5e6f...``.
    guid_type : str or None
        The document's ``_guid_type``, where that is a text.
    data : dict
        The document.
    owner_key : int
        The party that published it, and alone may change it.
    project_key : int or None
        The project that it is shared with.
    is_open : bool
        Whether everybody may read it, whoever they are.
    created_at, updated_at : datetime
    """

    __tablename__ = "metadata_records"
    __table_args__ = (Index("ix_metadata_records_owner_key_guid_type", "owner_key", "guid_type"),)

    key: Mapped[PrimaryKey]
    guid: Mapped[str] = mapped_column(String(GUID_CHARACTERS), unique=True)
    guid_type: Mapped[str | None] = mapped_column(String(TYPE_CHARACTERS))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    owner_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    project_key: Mapped[Key | None] = mapped_column(ForeignKey("projects.key"), index=True)
    is_open: Mapped[bool]
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class AliasKind(StrEnum):
    """Why a record is found by an alias."""

    VALUE = "value"
    """It is a value of its crosswalk; comes and goes with it."""
    NAME = "name"
    """The owner said so."""
    GUID = "guid"
    """A GUID that a client meant for a new record, where there was this one already; not listed."""


class MetadataAlias(Base):
    """Another name of a record, unique among those of its owner: nobody learns by a conflict what others hold.

    Attributes
    ----------
    owner_key : int
        The record's.
    alias : str
    record_key : int
    kind : AliasKind
    """

    __tablename__ = "metadata_aliases"
    __table_args__ = (UniqueConstraint("owner_key", "alias"),)

    key: Mapped[PrimaryKey]
    owner_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    alias: Mapped[str] = mapped_column(String(ALIAS_CHARACTERS), index=True)
    record_key: Mapped[Key] = mapped_column(ForeignKey("metadata_records.key"), index=True)
    kind: Mapped[AliasKind] = one_of(AliasKind, "kind")
