"""What changed between two deliveries of a dataset, record by record.

Records are told by their GUIDs, which a site keeps over deliveries where it wants that, and their contents by a digest
of their tokens: a record is *added*, *changed* (another digest), *removed*, or neither.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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


def row_marks(guids: Guids, digests: Digests) -> npt.NDArray[np.uint64]:
    """By what `broker.engines.refresh` tells records that are as they were: equal where GUID and digest are.

    Returns
    -------
    ndarray of uint64, shape (n, 2)
        The GUID, covered with half of the digest, so that it is not told.
    """
    halves = (np.ascontiguousarray(rows).view(np.uint64) for rows in (guids, digests[:, :GUID_BYTES]))
    marks: npt.NDArray[np.uint64] = np.bitwise_xor(*halves)
    return marks


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


def _width(column: pa.Array) -> int:
    return int(column.type.bit_width // 8)


def _bytes_of(column: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    if pa.types.is_fixed_size_binary(column.type):
        return byte_rows(column)
    values = np.asarray(column.fill_null(0))
    return (
        np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).view(np.uint8).reshape(-1, width)
    )
