"""Who there is: parties, the keys they sign with, the tokens they come with.

::

    parties 1---* site_keys
            1---* api_tokens
            1---* identities      (whom a login service says they are)
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Key, Label, PrimaryKey, PublicId, Sha256, Time, one_of


class PartyKind(StrEnum):
    """What a party is here; one only, for its whole life."""

    SITE = "site"
    """Submits datasets."""
    RESEARCHER = "researcher"
    """Receives releases."""
    OPERATOR = "operator"
    """Runs the broker for all projects; sees no rows."""


class Party(Base):
    """Somebody the broker deals with.

    Attributes
    ----------
    id : str
    kind : PartyKind
    name : str
        For people; unique.
    recipient : str or None
        ``age1...``: what releases to this party are sealed to.
    created_at : datetime
    disabled_at : datetime or None
        From then on it may do nothing.
    """

    __tablename__ = "parties"

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    kind: Mapped[PartyKind] = one_of(PartyKind, "kind")
    name: Mapped[Label] = mapped_column(unique=True)
    recipient: Mapped[Label | None]
    created_at: Mapped[Time]
    disabled_at: Mapped[Time | None]


class SiteKey(Base):
    """The public key that a site signs its packages with. It is registered once: another one only after a revocation.

    Attributes
    ----------
    party_key : int
    public : str
        ``pprlsite1...``; no two sites have the same, nor comes one back after it was revoked.
    registered_at : datetime
    revoked_at : datetime or None
    """

    __tablename__ = "site_keys"
    __table_args__ = (
        Index(
            "uq_site_keys_party_key_valid",
            "party_key",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    key: Mapped[PrimaryKey]
    party_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    public: Mapped[Label] = mapped_column(unique=True)
    registered_at: Mapped[Time]
    revoked_at: Mapped[Time | None]


class ApiToken(Base):
    """A token that a party authenticates with; of the token itself only a digest is here.

    Attributes
    ----------
    id : str
    party_key : int
    name : str
        For people: what it is used for.
    token_sha256 : str
        Tokens are 256 random bits, so that no slow hash is needed.
    scopes : list of str
        What it may be used for; never more than the party may do.
    created_at, expires_at : datetime
    revoked_at : datetime or None
    last_used_at : datetime or None
        To the hour or so.
    """

    __tablename__ = "api_tokens"

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    party_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), index=True)
    name: Mapped[Label]
    token_sha256: Mapped[Sha256] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[Time]
    expires_at: Mapped[Time]
    revoked_at: Mapped[Time | None]
    last_used_at: Mapped[Time | None]


class Identity(Base):
    """Whom a login service (Fence, OpenID Connect) knows a party as.

    Attributes
    ----------
    party_key : int
    issuer : str
        URL, as in the claim ``iss``.
    subject : str
        As in the claim ``sub``.
    """

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    key: Mapped[PrimaryKey]
    party_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), index=True)
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[Time]
