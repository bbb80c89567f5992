"""Parties and their keys. Whether somebody may do this is asked before, of `broker.governance.require`."""

from __future__ import annotations

import os
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from broker import journal
from broker.store.tables import Party, PartyKind, SiteKey
from pprl.errors import ConflictError, GovernanceError, KeyFileError, NotFoundError
from pprl.guid import RandomBytes, new_guid
from pprl.package import Recipient, VerifyKey

_MOST_CHARACTERS = 80


def create_party(
    session: Session,
    kind: PartyKind,
    *,
    name: str,
    recipient: Recipient | None = None,
    by: str,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Party:
    """Make a party known.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    kind : PartyKind
        For its whole life.
    name : str
        For people; 1 to 80 printable characters, unique.
    recipient : Recipient, optional
        What releases to it are sealed to.
    by : str
        Who does it, for the journal: a party's id, or `broker.journal.LOCAL`.
    now : datetime
        With time zone.
    random_bytes : callable
        Source of the id.

    Raises
    ------
    GovernanceError
        The name cannot be.
    ConflictError
        There is a party of that name.
    """
    check_name(name)
    if session.scalar(select(Party.key).where(Party.name == name)) is not None:
        raise ConflictError(f"there is a party {name!r} already; choose another name")
    party = Party(
        id=new_guid(random_bytes),
        kind=kind,
        name=name,
        recipient=None if recipient is None else str(recipient),
        created_at=now,
    )
    session.add(party)
    journal.append(
        session, "party.created", by=by, now=now, subjects={"party": party.id}, words={"kind": kind.value}
    )
    return party


def disable_party(session: Session, party: Party, *, by: str, now: datetime) -> None:
    """Let a party do nothing any more. What it has done stays, and so do its datasets.

    Raises
    ------
    ConflictError
        It is disabled already.
    """
    if party.disabled_at is not None:
        raise ConflictError(f"{party.name!r} is disabled already")
    party.disabled_at = now
    journal.append(session, "party.disabled", by=by, now=now, subjects={"party": party.id})


def set_recipient(session: Session, party: Party, recipient: Recipient, *, by: str, now: datetime) -> None:
    """Seal later releases to another key."""
    party.recipient = str(recipient)
    journal.append(session, "party.recipient-set", by=by, now=now, subjects={"party": party.id})


def register_site_key(session: Session, party: Party, key: VerifyKey, *, by: str, now: datetime) -> SiteKey:
    """Register the key that a site signs with: once; for another one the first must be revoked.

    Raises
    ------
    GovernanceError
        The party is no site.
    ConflictError
        It has a key, or the key is or was another's.
    """
    if party.kind is not PartyKind.SITE:
        raise GovernanceError(f"{party.name!r} is no site; sites alone sign packages")
    if site_key(session, party) is not None:
        raise ConflictError(f"{party.name!r} has a signing key; revoke it before another is registered")
    if session.scalar(select(SiteKey.key).where(SiteKey.public == str(key))) is not None:
        raise ConflictError("this signing key was registered before; the site must make a new one")
    row = SiteKey(party_key=party.key, public=str(key), registered_at=now)
    session.add(row)
    journal.append(session, "site-key.registered", by=by, now=now, subjects={"party": party.id})
    return row


def revoke_site_key(session: Session, party: Party, *, by: str, now: datetime) -> None:
    """Trust a site's signing key no more. What it has signed before is kept.

    Raises
    ------
    NotFoundError
        The party has none.
    """
    row = _standing_key(session, party)
    if row is None:
        raise NotFoundError(f"{party.name!r} has no signing key")
    row.revoked_at = now
    journal.append(session, "site-key.revoked", by=by, now=now, subjects={"party": party.id})


def site_key(session: Session, party: Party) -> VerifyKey | None:
    """The key whose signatures count for a site now."""
    row = _standing_key(session, party)
    return None if row is None else VerifyKey.parse(row.public)


def _standing_key(session: Session, party: Party) -> SiteKey | None:
    return session.scalars(
        select(SiteKey).where(SiteKey.party_key == party.key, SiteKey.revoked_at.is_(None))
    ).first()


def find_party(session: Session, name: str) -> Party:
    """A party by its name or id, for the command line.

    Raises
    ------
    NotFoundError
    """
    found = session.scalars(select(Party).where(or_(Party.name == name, Party.id == name))).first()
    if found is None:
        raise NotFoundError(f"there is no party {name!r}; pprl-broker party list shows them")
    return found


def recipient_of(party: Party) -> Recipient:
    """What releases to a party are sealed to.

    Raises
    ------
    GovernanceError
        It has registered none.
    """
    if party.recipient is None:
        raise GovernanceError(f"{party.name!r} has no public key to seal to; it must register one")
    try:
        return Recipient.parse(party.recipient)
    except KeyFileError:
        raise GovernanceError(f"the public key of {party.name!r} is malformed; register it anew") from None


def check_name(name: str) -> None:
    """Refuse a name that people could not read.

    Raises
    ------
    GovernanceError
    """
    if not (0 < len(name) <= _MOST_CHARACTERS and name.isprintable() and name == name.strip()):
        raise GovernanceError(
            f"a name has 1 to {_MOST_CHARACTERS} printable characters and does not begin or end with a blank"
        )
