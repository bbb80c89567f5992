"""Records in the order of their GUIDs, whatever their number.

A GUID is random, so its order is a uniformly random one: it tells nothing of the order at the site, which may be that
of names or of admissions. All records go through one scratch file, as rows of fixed width: whoever has encoded a chunk
writes it to the rows reserved for it, cut by the first byte of the GUID into 256 pieces. At the end the pieces of one
byte, or of some neighbouring ones, are read from all chunks and sorted: never more than about 1/256 of all records, or
a batch, is held.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pprl.guid import GUID_BYTES

ROWS_PER_BATCH = 65_536

Cuts = npt.NDArray[np.int64]
"""Where the pieces of a chunk start, counted in rows from its first, and where the last one ends; shape (257,)."""

_N_PIECES = 256


def write_rows(scratch: int, first_row: int, batch: pa.RecordBatch) -> Cuts:
    """Write a chunk to its place.

    Parameters
    ----------
    scratch : int
        Descriptor of the scratch file.
    first_row : int
        From `GuidOrder.reserve`.
    batch : pyarrow.RecordBatch
        Tokens. Null is kept as 0, which no token is.

    Returns
    -------
    Cuts
        For `GuidOrder.add`.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    rows = np.empty(batch.num_rows, _row_type(batch.schema))
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        rows[name] = _values(column)
    first_bytes = _bytes_of(rows)[:, 0]
    rows = np.take(rows, np.argsort(first_bytes, kind="stable"))
    view, offset = _bytes_of(rows).reshape(-1).data, first_row * rows.itemsize
    while view:
        n_written = os.pwrite(scratch, view, offset)
        view, offset = view[n_written:], offset + n_written
    return np.concatenate(([0], np.cumsum(np.bincount(first_bytes, minlength=_N_PIECES))))


class GuidOrder:
    """Takes notice of the chunks in a scratch file, and gives their records out in the order of their GUIDs.

    Parameters
    ----------
    columns : pyarrow.Schema
        Of the chunks; the first is ``record_guid``.
    scratch : int
        Descriptor of the scratch file.

    Attributes
    ----------
    columns : pyarrow.Schema
        As given.
    n_rows : int
        Reserved so far.
    """

    def __init__(self, columns: pa.Schema, scratch: int) -> None:
        self.columns, self.n_rows = columns, 0
        self._scratch, self._type = scratch, _row_type(columns)
        self._chunks: list[tuple[int, Cuts]] = []
        self._ends: Cuts = np.zeros(_N_PIECES + 1, np.int64)  # of the pieces of all chunks together

    def reserve(self, n_rows: int) -> int:
        """Make place for a chunk; gives the number of its first row."""
        first = self.n_rows
        self.n_rows += n_rows
        return first

    def add(self, first_row: int, cuts: Cuts) -> None:
        """Take notice of a chunk that `write_rows` has written."""
        self._chunks.append((first_row, cuts))
        self._ends += cuts

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Give the records out, at most 65,536 a batch; every time the same.

        Raises
        ------
        OSError
            Where the scratch file cannot be read.
        """
        ends, piece = self._ends.tolist(), 0
        while piece < _N_PIECES:
            begin, piece = piece, piece + 1
            while piece < _N_PIECES and ends[piece + 1] - ends[begin] <= ROWS_PER_BATCH:
                piece += 1
            rows = self._read(begin, piece)
            order = _order(rows)
            for start in range(0, len(rows), ROWS_PER_BATCH):
                yield self._as_batch(np.take(rows, order[start : start + ROWS_PER_BATCH]))

    def _read(self, begin: int, end: int) -> npt.NDArray[np.void]:
        """The pieces from ``begin`` up to ``end`` of all chunks."""
        places = [(first + int(cuts[begin]), int(cuts[end] - cuts[begin])) for first, cuts in self._chunks]
        rows = np.empty(sum(n for _, n in places), self._type)
        view = _bytes_of(rows).reshape(-1).data
        for first, n in places:
            offset, stop = first * rows.itemsize, (first + n) * rows.itemsize
            while offset < stop:
                n_read = os.preadv(self._scratch, [view[: stop - offset]], offset)
                if not n_read:
                    raise OSError("the scratch file was cut short")
                view, offset = view[n_read:], offset + n_read
        return rows

    def _as_batch(self, rows: npt.NDArray[np.void]) -> pa.RecordBatch:
        arrays = []
        for field in self.columns:
            values = np.ascontiguousarray(rows[field.name])
            if field.nullable:
                arrays.append(pa.array(values, field.type, mask=values == 0))
            else:
                arrays.append(pa.Array.from_buffers(field.type, len(rows), [None, pa.py_buffer(values)]))
        return pa.record_batch(arrays, schema=self.columns)


def _row_type(columns: pa.Schema) -> np.dtype[np.void]:
    """Rows of these columns, one value behind the other."""
    numbers = {pa.uint8(): "u1", pa.uint32(): "<u4", pa.uint64(): "<u8"}
    return np.dtype([(f.name, numbers.get(f.type) or f"V{f.type.byte_width}") for f in columns])


def _values(column: pa.Array) -> npt.NDArray[Any]:
    if pa.types.is_fixed_size_binary(column.type):
        values = np.frombuffer(column.buffers()[1], f"V{column.type.byte_width}")
        return values[column.offset : column.offset + len(column)]
    return np.asarray(column.fill_null(0))


def _bytes_of(rows: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """Rows as bytes, shape (n, width), the GUID first."""
    return rows.view(np.uint8).reshape(len(rows), rows.itemsize)


def _order(rows: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Positions of the rows in ascending order of the bytes of their GUIDs."""
    halves = np.ascontiguousarray(_bytes_of(rows)[:, :GUID_BYTES]).view(">u8").astype(np.uint64)
    order = np.argsort(halves[:, 0])
    first = halves[order, 0]
    if np.any(first[1:] == first[:-1]):  # a chance of 2 in 10,000 with 20 million records
        return np.lexsort((halves[:, 1], halves[:, 0]))
    return order
