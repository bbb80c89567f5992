"""Records that look like another one of their dataset, of which the site may have said that there are none.

Two records are alike that share at least `LIKENESS` of the match keys: names, birth date and something of an address,
say. Namesakes that were born on one day share names and date alone; twins neither given name nor what reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from broker.delivery_quality.frequent import mixed_rows
from broker.delivery_quality.shown import Counts
from broker.matching.dataset import Dataset, Words
from broker.token_arrays import drop_pages
from pprl.schema import Kind, Schema

LIKENESS = 0.75
MOST_ROWS = 2 * 1024 * 1024
"""Larger datasets are looked at in part: the rows of so many values of a key that there are about this many."""

_FURTHEST = 4  # rows of one value that are compared, the likest being next to each other
_ROWS_AT_ONCE = 1024 * 1024
_TELLING = {Kind.BIRTH_DATE, Kind.NATIONAL_ID, Kind.PHONE, Kind.EMAIL}


@dataclass(frozen=True, slots=True)
class Repeated:
    """How many records are alike.

    Attributes
    ----------
    n_records : int
        Records with another that is like them; estimated where not all were looked at.
    n_shared, n_keys : int
        Match keys that two must share, of how many; both 0 where whole filters are compared for want of match keys.
    one_in : int
        Of the keys' values; 1 where all were looked at.
    telling : bool
        Whether likeness says anything: without birth date, number or e-mail, namesakes are alike as well.
    """

    n_records: int
    n_shared: int
    n_keys: int
    one_in: int
    telling: bool


def repeated_records(dataset: Dataset) -> Repeated:
    """Count the records that have another like them.

    Two records that share `s` of `k` match keys share one of any `k - s + 1`, so that these are enough to find them.
    """
    one_in = max(-(-len(dataset) // MOST_ROWS), 1)
    keys = [columns[0] for columns in dataset.keys] or [_whole(dataset)]
    n_shared = math.ceil(LIKENESS * len(keys))
    alike: list[Counts] = [np.empty(0, dtype=np.int64)]
    for number in range(len(keys) - n_shared + 1):
        alike.append(_alike_by(keys, number, n_shared, one_in))
        drop_pages(*keys)
    n_records = min(len(np.unique(np.concatenate(alike))) * one_in, len(dataset))
    kinds = {dataset.schema.field(name).kind for name in _read(dataset.schema)}
    of_keys = (n_shared, len(keys)) if dataset.keys else (0, 0)
    return Repeated(n_records, *of_keys, one_in, bool(kinds & _TELLING))


def _read(schema: Schema) -> set[str]:
    """Fields that keys read whole; all where there are no keys."""
    if not schema.match_keys:
        return set(schema.field_names)
    return {part.fields[0] for key in schema.match_keys for part in key.parsed if part.function is None}


def _whole(dataset: Dataset) -> Words:
    """What stands for all that a record has, where there are no match keys."""
    whole = np.empty(len(dataset), dtype=np.uint64)
    for first in range(0, len(dataset), _ROWS_AT_ONCE):
        part = dataset.rows(first, first + _ROWS_AT_ONCE)
        columns = [mixed_rows(words) for words in part.filters.values()] + list(part.exact.values())
        whole[first : first + len(part)] = mixed_rows(np.stack(columns, axis=1))
    return whole


def _alike_by(keys: list[Words], number: int, n_shared: int, one_in: int) -> Counts:
    """Rows of pairs that are alike and share key ``number`` first."""
    tokens, rows = _some_values(keys[number], one_in)
    # Of many rows with one value the likest are to be neighbours.
    rest = mixed_rows(np.stack([column[rows] for column in keys], axis=1))
    order = np.lexsort((rest, tokens))
    tokens, rows = tokens[order], rows[order]
    found: list[Counts] = []
    for step in range(1, _FURTHEST + 1):
        first = np.flatnonzero(tokens[step:] == tokens[:-step])
        left, right = rows[first], rows[first + step]
        n_equal = np.zeros(len(first), dtype=np.int64)
        earlier = np.zeros(len(first), dtype=np.bool_)
        for place, column in enumerate(keys):
            here = column[left]
            equal = (here != 0) & (here == column[right])
            n_equal += equal
            if place < number:
                earlier |= equal
        alike = (n_equal >= n_shared) & ~earlier
        found += [left[alike], right[alike]]
    return np.unique(np.concatenate(found))


def _some_values(column: Words, one_in: int) -> tuple[Words, Counts]:
    """Tokens of one in so many values, and their rows."""
    tokens, rows = [], []
    for first in range(0, len(column), _ROWS_AT_ONCE):
        some = column[first : first + _ROWS_AT_ONCE]
        chosen = np.flatnonzero((some != 0) & (some % np.uint64(one_in) == 0))
        tokens.append(some[chosen])
        rows.append(first + chosen)
    if not tokens:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    return np.concatenate(tokens), np.concatenate(rows)
