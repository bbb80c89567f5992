"""API tokens: 256 random bits that a party comes with, of which the broker keeps a digest only.

The text is Bech32, as that of keys: ``pprl_1`` and 58 letters and digits, the last six a checksum. A mistyped one is
found without asking the database, and one that got into a repository is found by ``pprl_1[02-9ac-hj-np-z]{58}``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from broker import journal
from broker.auth.caller import Caller, How
from broker.auth.scopes import Scope, read_scopes
from broker.governance.parties import check_name
from broker.store import Store
from broker.store.tables import ApiToken, Party
from pprl.errors import AuthError, ConflictError, GovernanceError, NotFoundError, StoreBusyError
from pprl.guid import RandomBytes, new_guid
from pprl.package.age import bech32

PREFIX = "pprl_"
"""All tokens begin so."""

LONGEST_DAYS = 400
"""Nothing is valid for longer: a year, and some weeks to remember it."""

MOST_VALID = 100
"""Tokens that a party may have at once."""

_TOKEN_BYTES = 32
_TEXT_CHARACTERS = len(bech32.encode(PREFIX, bytes(_TOKEN_BYTES)))
_USE_NOTED_EVERY = timedelta(hours=1)


def issue(
    session: Session,
    party: Party,
    *,
    name: str,
    scopes: Collection[str],
    expires_at: datetime,
    by: str,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> tuple[ApiToken, str]:
    """Make a token. Whether it may be asked for is asked before: `Act.MANAGE_TOKENS`, `Caller.check_can_give`.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    party : Party
        Whose.
    name : str
        What it is used for; of the party's valid tokens no other has it.
    scopes : collection of str
        At least one.
    expires_at : datetime
        `LONGEST_DAYS` from now at most.
    by : str
        Who does it, for the journal: a party's id, or `broker.journal.LOCAL`.
    now : datetime
        With time zone.
    random_bytes : callable
        Source of the token and of its id.

    Returns
    -------
    token : ApiToken
    text : str
        The token itself, which is kept nowhere: show it once.

    Raises
    ------
    GovernanceError
        The name or a scope cannot be, the party is disabled, or the day is past or too far off.
    ConflictError
        The party has a valid token of that name, or too many.
    """
    check_name(name)
    given = read_scopes(scopes, party.kind)
    if party.disabled_at is not None:
        raise GovernanceError(f"{party.name!r} is disabled")
    if expires_at <= now:
        raise GovernanceError("the token would have expired already; give a later day")
    if expires_at > now + timedelta(days=LONGEST_DAYS):
        raise GovernanceError(f"a token is valid for {LONGEST_DAYS} days at most; give an earlier day")
    valid = list_tokens(session, party, now=now)
    if any(one.name == name for one in valid):
        raise ConflictError(f"{party.name!r} has a token {name!r}; revoke it or choose another name")
    if len(valid) >= MOST_VALID:
        raise ConflictError(f"{party.name!r} has {MOST_VALID} tokens; revoke those that are not used")
    text = bech32.encode(PREFIX, random_bytes(_TOKEN_BYTES))
    token = ApiToken(
        id=new_guid(random_bytes),
        party_key=party.key,
        name=name,
        token_sha256=_digest(text),
        scopes=sorted(scope.value for scope in given),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(token)
    journal.append(
        session,
        "token.issued",
        by=by,
        now=now,
        subjects={"party": party.id, "token": token.id},
        words={
            "expires": f"{expires_at:%Y-%m-%d}",
            **{f"scope_{number}": scope for number, scope in enumerate(token.scopes, start=1)},
        },
    )
    return token, text


def revoke(session: Session, token: ApiToken, *, by: str, now: datetime) -> None:
    """Let nobody come with a token any more.

    Raises
    ------
    ConflictError
        It is revoked already.
    """
    if token.revoked_at is not None:
        raise ConflictError(f"the token {token.name!r} is revoked already")
    token.revoked_at = now
    party = session.get_one(Party, token.party_key)
    journal.append(session, "token.revoked", by=by, now=now, subjects={"party": party.id, "token": token.id})


def list_tokens(session: Session, party: Party, *, now: datetime | None = None) -> list[ApiToken]:
    """A party's tokens, the oldest first: those that are valid at a time, or all there ever were."""
    found = select(ApiToken).where(ApiToken.party_key == party.key).order_by(ApiToken.key)
    if now is not None:
        found = found.where(ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
    return list(session.scalars(found))


def find_token(session: Session, party: Party, name: str) -> ApiToken:
    """A token of a party by its id, or by its name where it is not revoked; the latest of that name.

    Raises
    ------
    NotFoundError
    """
    for token in reversed(list_tokens(session, party)):
        if token.id == name or (token.name == name and token.revoked_at is None):
            return token
    raise NotFoundError(f"{party.name!r} has no such token; pprl-broker token list shows them")


def authenticate(session: Session, text: str, *, now: datetime) -> Caller:
    """Who comes with a token.

    Parameters
    ----------
    session : Session
        Of the store; nothing is written.
    text : str
        As it was given.
    now : datetime
        With time zone.

    Raises
    ------
    AuthError
        It is malformed, unknown, expired or revoked, or its party is disabled; nothing tells which.
    """
    if not is_well_formed(text):
        raise AuthError  # anybody can check a checksum: that no database was asked tells nothing
    digest = _digest(text)
    row = session.execute(
        select(ApiToken, Party)
        .join(Party, ApiToken.party_key == Party.key)
        .where(ApiToken.token_sha256 == digest)
    ).first()
    if row is None:
        raise AuthError
    token, party = row
    return _caller(token, party, hmac.compare_digest(token.token_sha256, digest), now=now)


def resume(session: Session, token_id: str, *, now: datetime) -> Caller:
    """Who came with a token before, as somebody who has signed in at the console: the token must still hold.

    Parameters
    ----------
    session : Session
        Of the store; nothing is written.
    token_id : str
        Of the token that `authenticate` knew.
    now : datetime
        With time zone.

    Raises
    ------
    AuthError
        It is expired or revoked, or its party is disabled; nothing tells which.
    """
    row = session.execute(
        select(ApiToken, Party).join(Party, ApiToken.party_key == Party.key).where(ApiToken.id == token_id)
    ).first()
    if row is None:
        raise AuthError
    return _caller(*row, True, now=now)


def _caller(token: ApiToken, party: Party, is_right: bool, *, now: datetime) -> Caller:
    # Bits, not branches: each of these takes the same time, and all are looked at.
    is_valid = is_right & (token.revoked_at is None) & (now < token.expires_at) & (party.disabled_at is None)
    if not is_valid:
        raise AuthError
    return Caller(
        party=party,
        scopes=frozenset(scope for scope in Scope if scope in token.scopes),
        how=How.TOKEN,
        token_id=token.id,
        expires_at=token.expires_at,
        use_is_due=token.last_used_at is None or now - token.last_used_at >= _USE_NOTED_EVERY,
    )


def note_use(store: Store, caller: Caller, *, now: datetime) -> None:
    """Write down that a token was used, once an hour: call it after the answer, in no transaction.

    Where the store is busy nothing is written; that is no reason to fail.
    """
    if not caller.use_is_due or caller.token_id is None:
        return
    try:
        with store.begin() as session:
            session.execute(
                update(ApiToken)
                .where(
                    ApiToken.id == caller.token_id,
                    or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= now - _USE_NOTED_EVERY),
                )
                .values(last_used_at=now)
                .execution_options(synchronize_session=False)
            )
    except StoreBusyError:
        return


def is_well_formed(text: str) -> bool:
    """Whether a text can be a token: its form and checksum, without the database."""
    if len(text) != _TEXT_CHARACTERS or not text.startswith(f"{PREFIX}1"):
        return False
    try:
        prefix, raw = bech32.decode(text)
    except ValueError:
        return False
    return prefix == PREFIX and len(raw) == _TOKEN_BYTES


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
