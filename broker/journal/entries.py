"""Writing entries: in the caller's transaction, so that an act and its entry are kept together or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from broker.journal.chain import canonical, genesis, next_hash
from broker.store.tables import JournalEntry, StoreFact
from pprl.guid import GUID_PATTERN

LOCAL = "local"
"""Who acted: somebody at the machine's command line."""

BROKER = "broker"
"""Who acted: the service itself, at its hour or to finish what was begun."""

_MOST = 16
_ACT = re.compile(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_GUID = re.compile(GUID_PATTERN)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,39}")


def append(
    session: Session,
    act: str,
    *,
    by: str,
    now: datetime,
    subjects: Mapping[str, str] | None = None,
    counts: Mapping[str, int] | None = None,
    digests: Mapping[str, str] | None = None,
    words: Mapping[str, str] | None = None,
) -> JournalEntry:
    """Append an entry; it is kept when the session's transaction is.

    From here to the end of the transaction nobody else can append, so let it be the transaction's last act: then
    others wait for a moment, and on PostgreSQL no two transactions wait for each other.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    act : str
        Kind of subject and what happened to it: ``permission.granted``.
    by : str
        The id of the party that did it, `LOCAL` or `BROKER`.
    now : datetime
        With its time zone.
    subjects : mapping of str to str
        What it was done to: names such as ``project`` to public ids (GUIDs of the store, never of a record or person).
    counts : mapping of str to int
        Numbers of records, bytes and the like.
    digests : mapping of str to str
        SHA-256 in hexadecimal.
    words : mapping of str to str
        Short settled words: a use, a role, a state, a day.

    Returns
    -------
    JournalEntry

    Raises
    ------
    ValueError
        Something that is not of these kinds: the journal must not come to hold tokens, identifiers or lists.
    """
    entry: dict[str, object] = {"act": act, "by": by, "at": _time(now)}
    _check("act", act, _ACT)
    _check("by", by, _GUID, LOCAL, BROKER)
    for key, values, pattern in (
        ("subjects", subjects, _GUID),
        ("digests", digests, _DIGEST),
        ("words", words, _WORD),
        ("counts", counts, None),
    ):
        if not values:
            continue
        if len(values) > _MOST:
            raise ValueError(f"an entry of the journal has at most {_MOST} {key}")
        for name, value in values.items():
            _check("name", name, _NAME)
            if pattern is not None:
                _check(key, value, pattern)
            elif type(value) is not int or not 0 <= value < 2**53:
                raise ValueError("a count in the journal is a whole number that is not negative")
        entry[key] = dict(values)
    _keep_others_out(session)
    last = session.execute(
        select(JournalEntry.number, JournalEntry.hash).order_by(JournalEntry.number.desc()).limit(1)
    ).first()
    if last is None:
        store_id = session.scalars(select(StoreFact.value).where(StoreFact.name == "store_id")).one()
        number, previous = 1, genesis(store_id)
    else:
        number, previous = last.number + 1, last.hash
    body = canonical({**entry, "n": number})
    row = JournalEntry(number=number, body=body, hash=next_hash(previous, body))
    session.add(row)
    session.flush()
    return row


def _keep_others_out(session: Session) -> None:
    """Two must not take the same last entry for theirs. On SQLite one transaction writes at a time anyway."""
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE journal IN SHARE ROW EXCLUSIVE MODE"))


def _check(what: str, value: object, pattern: re.Pattern[str], *others: str) -> None:
    if not isinstance(value, str) or not (value in others or pattern.fullmatch(value)):
        raise ValueError(f"the journal takes no such {what}")


def _time(now: datetime) -> str:
    if now.tzinfo is None:
        raise ValueError("a time needs its time zone")
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
