"""The chain of hashes: pure, over rows of text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

_PREFIX = b"pprl journal v1\0"


class Row(NamedTuple):
    """An entry as it is kept.

    Attributes
    ----------
    number : int
        1, 2, ...
    body : str
        Canonical JSON.
    hash : str
        64 hexadecimal digits.
    """

    number: int
    body: str
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the journal that is not as it was written.

    Attributes
    ----------
    number : int
        The first entry that shows it; 0 for the whole.
    what : str
        For people.
    """

    number: int
    what: str

    def __str__(self) -> str:
        return f"entry {self.number}: {self.what}" if self.number else self.what


def canonical(entry: Mapping[str, Any]) -> str:
    """One line, sorted keys, no blanks, ASCII alone."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def genesis(store_id: str) -> str:
    """The hash before the first entry; another one for every store."""
    return hashlib.sha256(_PREFIX + store_id.encode()).hexdigest()


def next_hash(previous: str, body: str) -> str:
    """The hash of an entry.

    Parameters
    ----------
    previous : str
        64 hexadecimal digits.
    body : str
        Canonical JSON.
    """
    return hashlib.sha256(_PREFIX + bytes.fromhex(previous) + body.encode()).hexdigest()


def check_chain(rows: Iterable[Row], first: str) -> Iterator[Fault]:
    """Find the entries that are not as they were written.

    After a fault the check goes on from the hash that is there, so that each is told once.

    Parameters
    ----------
    rows : iterable of Row
        In the order of the journal.
    first : str
        `genesis` of the store.

    Yields
    ------
    Fault
    """
    previous, number = first, 0
    for row in rows:
        number += 1
        if row.number != number:
            if row.number > number:
                missing = f"entries {number} to {row.number - 1} are" if row.number - number > 1 else "it is"
                yield Fault(number, f"{missing} missing")
            else:
                yield Fault(row.number, "stands in the wrong place, or twice")
            number = row.number
        yield from _check_body(row)
        if _hash_or_none(previous, row.body) != row.hash:
            yield Fault(row.number, "its hash does not fit its content and the entry before it")
        previous = row.hash


def _check_body(row: Row) -> Iterator[Fault]:
    try:
        entry = json.loads(row.body)
        whole = isinstance(entry, dict) and canonical(entry) == row.body
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        yield Fault(row.number, "is not the JSON that this program writes")
    elif entry.get("n") != row.number:
        yield Fault(row.number, "was written as another entry")


def _hash_or_none(previous: str, body: str) -> str | None:
    """None where the hash before is no hash at all, or the body no text that could be encoded."""
    try:
        return next_hash(previous, body)
    except ValueError:
        return None
