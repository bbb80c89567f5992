"""Values that improbably many records share: placeholders that a site failed to blank.

A real population has common values, but none that stands alone: the most frequent surname of the United States is 1.3
times as frequent as the next one, that of Vietnam about 3 times, and no birth date stands out among the others. So a
few values, up to `MOST_VALUES`, are over-frequent where the least of them has at least `GAP` times the records of the
next one, a share of at least `SHARE`, and `RECORDS` records. What is known by its tokens alone is judged by this: match
keys, whole filters, and

*values of a field*, where each field has its own filter or token. Elsewhere no token is of a field alone; but records
that share a match key which reads the whole field have the same value of it, and so have those that hang together by
several such keys. These groups are parts of the classes of equal values. A birth date that two records in a hundred
have fills one large group, whereas true dates are rare and their groups tiny.

Groups of common values hang together better than those of rare ones, beyond what their numbers would give. For birth
dates, numbers and addresses of e-mail that does not matter, as the true ones are rare. For names it does: there
the groups must moreover hold `COINCIDENCES` of all pairs of records that share such a key. These pairs grow as the
square of a value's frequency, whether or not its records hang together, so that no other value can have more than a
third of their records. Sexes, years, postcodes, cities and codes are not judged: a hospital's own town is allowed to
stand out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from broker.delivery_quality.shown import Counts
from broker.matching._loops import number_groups, root_of
from broker.matching.dataset import Dataset, Words
from broker.token_arrays import drop_pages
from pprl.compiled import compiled
from pprl.schema import Kind, Schema
from pprl.schema.columns import exact_parts, key_columns

MOST_ROWS = 1024 * 1024
"""Of a larger dataset so many rows are looked at, evenly spread; a share of .0005 is then told to within .0001."""
GAP = 5.0
MOST_VALUES = 8
SHARE = 0.0005
RECORDS = 20
COINCIDENCES = 0.9

_RARE = {Kind.BIRTH_DATE, Kind.NATIONAL_ID, Kind.PHONE, Kind.EMAIL}
_NAMES = {Kind.GIVEN_NAME, Kind.MIDDLE_NAME, Kind.SURNAME}
_WHERE_ALONE = _RARE | _NAMES | {Kind.STREET}
_ROWS_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Frequent:
    """Over-frequent values of a field, a match key, or the whole filter.

    Attributes
    ----------
    of : {"field", "key", "filter"}
    name : str
    fields : tuple of str
        That it reads.
    n_values : int
    n_records, n_with : int
        Records with one of them, and with any value, of those looked at.
    n_next : int
        Records with the next value.
    """

    of: str
    name: str
    fields: tuple[str, ...]
    n_values: int
    n_records: int
    n_with: int
    n_next: int


def frequent_values(dataset: Dataset, *, smallest: int) -> tuple[int, tuple[Frequent, ...]]:
    """Find the over-frequent values.

    Parameters
    ----------
    dataset : Dataset
        The delivery's tokens.
    smallest : int
        The smallest count that is shown: fewer records are not looked for.

    Returns
    -------
    int
        Records looked at.
    tuple of Frequent
        Those of fields, of match keys, of the filter.
    """
    schema = dataset.schema
    n = min(len(dataset), MOST_ROWS)
    rows = np.arange(n, dtype=np.int64) * len(dataset) // max(n, 1)
    least = max(RECORDS, smallest)
    columns = {
        name: _sample(column, rows)
        for key, own in zip(schema.match_keys, dataset.keys, strict=True)
        for name, column in zip(key_columns(key), own, strict=True)
    }
    runs = {name: _Runs.of(tokens) for name, tokens in columns.items()}
    found = [_of_field(dataset, field.name, field.kind, rows, runs, least) for field in schema.fields]
    for key in schema.match_keys:
        read = tuple(dict.fromkeys(name for part in key.parsed for name in part.fields))
        for name in key_columns(key):
            counts = runs[name].counts
            if n_values := _stand_out(counts, least):
                found.append(_describe("key", key.name, read, counts, n_values))
                break
    if schema.filter.layout == "record":
        counts = _Runs.of(_mixed(dataset.filters["record"], rows)).counts
        n_values = _stand_out(counts, least, of_many=False)
        found.append(_describe("filter", "record", schema.field_names, counts, n_values))
    return n, tuple(one for one in found if one is not None)


def mixed_rows(words: Words) -> Words:
    """A number of 64 bits for each row of words, equal where all words are; 0 for a row of zeros."""
    mixed = np.zeros(len(words), dtype=np.uint64)
    empty = np.ones(len(words), dtype=np.bool_)
    for column in words.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        empty &= column == 0
    return np.where(empty, np.uint64(0), np.maximum(mixed, np.uint64(1)))


@dataclass(frozen=True, slots=True)
class _Runs:
    """Rows of equal tokens, one behind the other: ``order`` without missing ones, ``starts`` and one end more."""

    order: npt.NDArray[np.int32]
    starts: Counts

    @classmethod
    def of(cls, tokens: npt.NDArray[Any]) -> _Runs:
        order = np.argsort(tokens).astype(np.int32)
        sorted_ = tokens[order]
        order, sorted_ = order[sorted_ != 0], sorted_[sorted_ != 0]
        starts = np.flatnonzero(np.concatenate([[True], sorted_[1:] != sorted_[:-1], [True]]))
        return cls(order, starts if len(order) else np.zeros(1, dtype=np.int64))

    @property
    def counts(self) -> Counts:
        return np.diff(self.starts)


def _sample(column: Words, rows: Counts) -> Words:
    sample = column[rows]
    drop_pages(column)
    return sample


def _mixed(words: Words, rows: Counts) -> Words:
    out = np.empty(len(rows), dtype=np.uint64)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        out[first : first + _ROWS_AT_ONCE] = mixed_rows(words[rows[first : first + _ROWS_AT_ONCE]])
    drop_pages(words)
    return out


def _stand_out(counts: Counts, least: int, *, of_many: bool = True) -> int:
    """How many of the most frequent values are over-frequent; ``of_many``: there must be others."""
    if of_many and len(counts) <= MOST_VALUES:
        return 0
    top = np.zeros(MOST_VALUES + 1)
    largest = np.sort(np.partition(counts, -len(top))[-len(top) :] if len(counts) > len(top) else counts)[
        ::-1
    ]
    top[: len(largest)] = largest
    enough = (top[:-1] >= max(least, SHARE * counts.sum())) & (top[:-1] >= GAP * top[1:])
    return int(np.flatnonzero(enough)[-1]) + 1 if enough.any() else 0


def _of_field(
    dataset: Dataset,
    field: str,
    kind: Kind,
    rows: Counts,
    runs: Mapping[str, _Runs],
    least: int,
) -> Frequent | None:
    schema = dataset.schema
    if schema.filter.layout == "field":
        tokens = _alone(dataset, field, rows) if kind in _WHERE_ALONE else None
        if tokens is not None:
            counts = _Runs.of(tokens).counts
            n_values = _stand_out(counts, least, of_many=kind is Kind.STREET)
            return _describe("field", field, (field,), counts, n_values)
    joining = [runs[name] for name in _keys_with_whole(schema, field)]
    if kind not in _RARE | _NAMES or not joining:
        return None
    parent = np.arange(len(rows), dtype=np.int32)
    member = np.zeros(len(rows), dtype=np.bool_)
    for one in joining:
        _join_runs(one.order, one.starts, parent)
        member[one.order] = True
    group = np.empty(len(rows), dtype=np.int64)
    number_groups(parent, group)
    sizes = np.bincount(group[member], minlength=1)
    n_values = _stand_out(sizes[sizes > 0], least, of_many=False)
    if n_values and kind in _NAMES:
        large = np.zeros(len(sizes), dtype=np.bool_)
        large[np.argsort(sizes)[-n_values:]] = True
        if _coincidences(joining, group, large) < COINCIDENCES:
            return None
    return _describe("field", field, (field,), sizes[sizes > 0], n_values)


def _alone(dataset: Dataset, field: str, rows: Counts) -> Words | None:
    """What stands for a field's value by itself, where each field has its own tokens."""
    if field in dataset.filters:
        return _mixed(dataset.filters[field], rows)
    if exact_parts(dataset.schema.field(field)) == ("value",):
        return _sample(dataset.exact[f"{field}:value"], rows)
    return None


def _keys_with_whole(schema: Schema, field: str) -> Sequence[str]:
    """Columns of the match keys that are equal only where the whole value of a field is."""
    return [
        column
        for key in schema.match_keys
        if any(part.function is None and part.fields == (field,) for part in key.parsed)
        for column in key_columns(key)
    ]


def _coincidences(joining: Sequence[_Runs], group: Counts, large: npt.NDArray[np.bool_]) -> float:
    """The share of the pairs that share a key which the large groups hold."""
    inside = total = 0.0
    for one in joining:
        counts = one.counts.astype(np.float64)
        pairs = counts * (counts - 1) / 2
        total += float(pairs.sum())
        inside += float(pairs[large[group[one.order[one.starts[:-1]]]]].sum())
    return inside / total if total else 0.0


def _describe(of: str, name: str, fields: Sequence[str], counts: Counts, n_values: int) -> Frequent | None:
    if not n_values:
        return None
    top = np.sort(counts)[::-1]
    n_next = int(top[n_values]) if len(top) > n_values else 0
    return Frequent(of, name, tuple(fields), n_values, int(top[:n_values].sum()), int(counts.sum()), n_next)


@compiled
def _join_runs(order: Any, starts: Any, parent: Any) -> None:
    """Join the rows of each run; the earliest row stands for its group."""
    for run in range(len(starts) - 1):
        first = root_of(parent, order[starts[run]])
        for place in range(starts[run] + 1, starts[run + 1]):
            other = root_of(parent, order[place])
            first, second = min(first, other), max(first, other)
            parent[second] = first
