"""Records in the order of their GUIDs, whatever their number.

A GUID is random, so its order is a uniformly random one: it tells nothing of the order at the site, which may be that
of names or of admissions. Records that do not fit the memory go through one scratch file. Every batch that comes in
is sorted and cut by the first byte of the GUID into 256 pieces; at the end the pieces of one byte are joined and
sorted, byte by byte, so that never more than about 1/256 of all records is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pprl.files import scratch_file
from pprl.guid import GUID_BYTES
from pprl.schema.columns import RECORD_GUID

ROWS_IN_MEMORY = 400_000
ROWS_PER_BATCH = 65_536

_N_PIECES = 256


class GuidOrder:
    """Takes token batches in any order and gives them back in the order of their GUIDs; used in a ``with`` block.

    Parameters
    ----------
    columns : pyarrow.Schema
        Of the batches; one column is ``record_guid``.
    folder : Path
        Where the scratch file goes, if one is needed.
    rows_in_memory : int
        With more records than this the scratch file is used.

    Attributes
    ----------
    n_rows : int
        Taken so far.
    """

    def __init__(self, columns: pa.Schema, *, folder: Path, rows_in_memory: int = ROWS_IN_MEMORY) -> None:
        self._columns, self._folder, self._rows_in_memory = columns, folder, rows_in_memory
        self.n_rows = 0
        self._held: list[pa.RecordBatch] = []
        self._scratch: IO[bytes] | None = None
        self._pieces: list[list[tuple[int, int]]] = [[] for _ in range(_N_PIECES)]  # (offset, bytes)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch.

        Raises
        ------
        PprlError
            Where the scratch file cannot be made.
        OSError
            Where it cannot be written.
        """
        self._held.append(batch)
        self.n_rows += batch.num_rows
        if self.n_rows > self._rows_in_memory:
            if self._scratch is None:
                self._scratch = self._stack.enter_context(scratch_file(self._folder))
            for held in self._held:
                self._put_away(held, self._scratch)
            self._held.clear()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Give the records out in order, at most 65,536 a batch; once, after the last `add`."""
        if self._scratch is None:
            held, self._held = self._held, []
            yield from self._in_order(held)
            return
        for pieces in self._pieces:
            batches = []
            for offset, n_bytes in pieces:
                self._scratch.seek(offset)
                message = pa.py_buffer(self._scratch.read(n_bytes))
                batches.append(pa.ipc.read_record_batch(message, self._columns))
            yield from self._in_order(batches)

    def _put_away(self, batch: pa.RecordBatch, scratch: IO[bytes]) -> None:
        guids = _guids(batch)
        batch = batch.take(pa.array(_order(guids)))
        cuts = np.concatenate(([0], np.cumsum(np.bincount(guids[:, 0], minlength=_N_PIECES)))).tolist()
        for first_byte, pieces in enumerate(self._pieces):
            start, stop = cuts[first_byte], cuts[first_byte + 1]
            if start < stop:
                message = batch.slice(start, stop - start).serialize()
                pieces.append((scratch.tell(), message.size))
                scratch.write(message)

    def _in_order(self, batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if not batches:
            return
        joined = pa.Table.from_batches(batches, self._columns).combine_chunks().to_batches()[0]
        batches.clear()
        order = _order(_guids(joined))
        for start in range(0, len(order), ROWS_PER_BATCH):
            yield joined.take(pa.array(order[start : start + ROWS_PER_BATCH]))


def _guids(batch: pa.RecordBatch) -> npt.NDArray[np.uint8]:
    """The GUIDs of a batch, shape (n, 16), without a copy."""
    column = batch.column(RECORD_GUID)
    rows = np.frombuffer(column.buffers()[1], dtype=np.uint8).reshape(-1, GUID_BYTES)
    return rows[column.offset : column.offset + len(column)]


def _order(guids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Positions of the GUIDs in ascending order of their bytes."""
    halves = guids.view(">u8").astype(np.uint64)
    return np.lexsort((halves[:, 1], halves[:, 0]))
