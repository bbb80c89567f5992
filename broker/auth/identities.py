"""Whom login services know the parties as: pairs of issuer and subject, each of one party."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker import journal
from broker.auth.addresses import check_address
from broker.store.tables import Identity, Party
from pprl.errors import AuthError, ConflictError, GovernanceError, NotFoundError

_MOST_SUBJECT_CHARACTERS = 255  # OpenID Connect Core 1.0, section 2: sub


def link_identity(
    session: Session, party: Party, *, issuer: str, subject: str, by: str, now: datetime
) -> Identity:
    """Let somebody who logs in be a party.

    The journal says that a login was linked, not whose: subjects can be names of people.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    party : Party
        Who they are here.
    issuer : str
        The login service, exactly as in its claim ``iss``.
    subject : str
        Its claim ``sub``, 1 to 255 printable characters.
    by : str
        Who does it, for the journal.
    now : datetime
        With time zone.

    Raises
    ------
    GovernanceError
        The issuer or subject cannot be, or the party is disabled.
    ConflictError
        The login is a party's already.
    """
    check_address(issuer, what="an issuer")
    if not is_subject(subject):
        raise GovernanceError(f"a subject has 1 to {_MOST_SUBJECT_CHARACTERS} printable characters")
    if party.disabled_at is not None:
        raise GovernanceError(f"{party.name!r} is disabled")
    standing = _find(session, issuer, subject)
    if standing is not None:
        owner = session.get_one(Party, standing.party_key)
        raise ConflictError(f"this login is that of {owner.name!r}; remove it there first")
    identity = Identity(party_key=party.key, issuer=issuer, subject=subject, created_at=now)
    session.add(identity)
    journal.append(session, "login.linked", by=by, now=now, subjects={"party": party.id})
    return identity


def unlink_identity(
    session: Session, party: Party, *, issuer: str, subject: str, by: str, now: datetime
) -> None:
    """Let a login be a party no more.

    Raises
    ------
    NotFoundError
        It is not this party's.
    """
    standing = _find(session, issuer, subject)
    if standing is None or standing.party_key != party.key:
        raise NotFoundError(f"{party.name!r} has no such login")
    session.delete(standing)
    journal.append(session, "login.unlinked", by=by, now=now, subjects={"party": party.id})


def list_identities(session: Session, party: Party) -> list[Identity]:
    """A party's logins, the oldest first."""
    return list(
        session.scalars(select(Identity).where(Identity.party_key == party.key).order_by(Identity.key))
    )


def party_of(session: Session, *, issuer: str, subject: str) -> Party:
    """The party that a verified login is.

    Raises
    ------
    AuthError
        It is none's, or of a party that is disabled.
    """
    standing = _find(session, issuer, subject)
    party = None if standing is None else session.get_one(Party, standing.party_key)
    if party is None or party.disabled_at is not None:
        raise AuthError
    return party


def is_subject(subject: object) -> bool:
    """Whether something can be a login's subject."""
    return isinstance(subject, str) and 0 < len(subject) <= _MOST_SUBJECT_CHARACTERS and subject.isprintable()


def _find(session: Session, issuer: str, subject: str) -> Identity | None:
    return session.scalars(
        select(Identity).where(Identity.issuer == issuer, Identity.subject == subject)
    ).first()
