"""The journal's two tables, to which rows can only be added, and the store's own name.

Triggers refuse to change or delete rows; whoever drops the triggers is found by the hashes.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Label, Sha256, Time

APPEND_ONLY = ("journal", "checkpoints")
"""Tables that triggers guard."""


class JournalEntry(Base):
    """One act.

    Attributes
    ----------
    number : int
        1, 2, ... without gaps.
    body : str
        The act in canonical JSON, its number and time included.
    hash : str
        SHA-256 of this body and of the hash before.
    """

    __tablename__ = "journal"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[str] = mapped_column(Text)
    hash: Mapped[Sha256]


class Checkpoint(Base):
    """A signature over the journal up to an entry.

    Attributes
    ----------
    number : int
        Of the last entry it covers.
    hash : str
        Of that entry.
    at : datetime
    signer : str
        ``pprljournal1...``
    signature : str
        Ed25519, 128 hexadecimal digits.
    """

    __tablename__ = "checkpoints"

    number: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("journal.number"), primary_key=True, autoincrement=False
    )
    hash: Mapped[Sha256]
    at: Mapped[Time]
    signer: Mapped[Label]
    signature: Mapped[str] = mapped_column(String(128))


class StoreFact(Base):
    """Facts of the store itself: ``store_id``, a random GUID that its journal begins with."""

    __tablename__ = "store_facts"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
