"""What changed between two deliveries of a dataset, record by record; and what need not be compared again.

Records are told by their GUIDs, which a site keeps over deliveries where it wants that, and their contents by a digest
of their tokens: a record is *added*, *changed* (another digest), *removed*, or neither. A link between two records
neither of which is new or changed still holds, and pairs of such records that were no link before are none now: only
new and changed records need to be compared with others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pprl.guid import GUID_BYTES, Guids, as_values
from pprl.schema.columns import byte_rows

DIGEST_BYTES = 32
KEY_BYTES = 32

Digests = npt.NDArray[np.uint8]
"""Shape (n, 32)."""

Rows = npt.NDArray[np.int64]

_WITHDRAWN = b"pprl withdrawn"
_ROW = b"pprl row"


@dataclass(frozen=True, slots=True)
class Changes:
    """A delivery against the one before.

    Attributes
    ----------
    added, changed, unchanged : ndarray of int64
        Rows of the new delivery, ascending.
    removed : ndarray of int64
        Rows of the earlier one, ascending.
    earlier : ndarray of int64, shape (records of the new delivery,)
        Where each record was in the earlier delivery, or -1.
    """

    added: Rows
    changed: Rows
    unchanged: Rows
    removed: Rows
    earlier: Rows

    @property
    def to_compare(self) -> Rows:
        """Rows of the new delivery that must be compared with others: added and changed ones."""
        return np.union1d(self.added, self.changed)


def compare_deliveries(
    before_guids: Guids, before_digests: Digests, guids: Guids, digests: Digests
) -> Changes:
    """Tell what changed.

    Parameters
    ----------
    before_guids, guids : ndarray of uint8, shape (n, 16)
        In any order; each once.
    before_digests, digests : ndarray of uint8, shape (n, 32)
        From `row_digests`, with one key.

    Returns
    -------
    Changes
    """
    earlier = find(before_guids, guids)
    was_there = earlier >= 0
    same = was_there.copy()
    same[was_there] = (before_digests[earlier[was_there]] == digests[was_there]).all(axis=1)
    remains = np.zeros(len(before_guids), np.bool_)
    remains[earlier[was_there]] = True
    return Changes(
        added=np.flatnonzero(~was_there),
        changed=np.flatnonzero(was_there & ~same),
        unchanged=np.flatnonzero(same),
        removed=np.flatnonzero(~remains),
        earlier=earlier,
    )


def find(among: Guids, guids: Guids) -> Rows:
    """Where GUIDs are among others: row numbers, -1 where they are not."""
    if not len(among):
        return np.full(len(guids), -1, np.int64)
    table = as_values(among)
    order = (
        np.argsort(table) if len(table) > 1 and not (table[1:] > table[:-1]).all() else np.arange(len(table))
    )
    ordered = table[order]
    wanted = as_values(guids)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, order[at], -1).astype(np.int64)


def row_digests(batch: pa.RecordBatch, key: bytes) -> Digests:
    """Digests of records' tokens.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Columns of `pprl.schema.columns.token_columns`, of fixed width; the GUID is left out.
    key : bytes
        32 bytes, one for a store: a digest tells nothing to whoever has tokens and not the key.

    Returns
    -------
    ndarray of uint8, shape (n, 32)
        BLAKE2b, keyed, over the values one behind the other; null counts as 0, which no token is.
    """
    rows = np.empty((batch.num_rows, sum(_width(column) for column in batch.columns[1:])), np.uint8)
    start = 0
    for column in batch.columns[1:]:
        width = _width(column)
        rows[:, start : start + width] = _bytes_of(column, width)
        start += width
    width, raw = rows.shape[1], rows.tobytes()
    digests = b"".join(
        hashlib.blake2b(raw[at : at + width], key=key, digest_size=DIGEST_BYTES, person=_ROW).digest()
        for at in range(0, len(raw), max(width, 1))
    )
    return np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)


def withdrawn_marks(guids: Guids, key: bytes) -> Guids:
    """What is kept of the GUIDs of withdrawn records: enough to know one when it comes again, and nothing else.

    Returns
    -------
    ndarray of uint8, shape (n, 16)
        BLAKE2b, keyed, of each.
    """
    raw = np.ascontiguousarray(guids).tobytes()
    marks = b"".join(
        hashlib.blake2b(
            raw[at : at + GUID_BYTES], key=key, digest_size=GUID_BYTES, person=_WITHDRAWN
        ).digest()
        for at in range(0, len(raw), GUID_BYTES)
    )
    return np.frombuffer(marks, np.uint8).reshape(-1, GUID_BYTES)


def regroup(n_records: int, kept: tuple[Rows, Rows], found: tuple[Rows, Rows]) -> Rows:
    """Group records by links that still hold and links that were found anew.

    Parameters
    ----------
    n_records : int
        Over all datasets, numbered through.
    kept, found : tuple of (ndarray of int64, ndarray of int64)
        The two ends of each link: from `links_that_hold`, and from comparing new and changed records.

    Returns
    -------
    ndarray of int64, shape (n_records,)
        The group of each record, numbered in the order of their first records.
    """
    left, right = (np.concatenate(ends) for ends in zip(kept, found, strict=True))
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n_records, n_records))
    labels = connected_components(graph, directed=False)[1].astype(np.int64)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def links_that_hold(
    left: Rows, right: Rows, *, now_at: Rows, unchanged: npt.NDArray[np.bool_]
) -> tuple[Rows, Rows]:
    """Links of the last run between records neither of which changed or went, in the numbers of now.

    Parameters
    ----------
    left, right : ndarray of int64
        Records of the last run, numbered through.
    now_at : ndarray of int64, shape (records of the last run,)
        Their numbers now, or -1.
    unchanged : ndarray of bool, shape (records of the last run,)
        Whether they are there and as they were.
    """
    holds = unchanged[left] & unchanged[right]
    return now_at[left[holds]], now_at[right[holds]]


def _width(column: pa.Array) -> int:
    return int(column.type.bit_width // 8)


def _bytes_of(column: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    if pa.types.is_fixed_size_binary(column.type):
        return byte_rows(column)
    values = np.asarray(column.fill_null(0))
    return (
        np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).view(np.uint8).reshape(-1, width)
    )
