"""A token table as arrays, filled batch by batch: in memory, or in a scratch file where it is large.

The arrays of a scratch file are windows on it: the system keeps in memory what is used of them and lets the rest
go. They are to be used as any others; what is written to them is lost with them.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.errors import PprlError
from pprl.guid import GUID_BYTES
from pprl.schema import Schema
from pprl.schema.columns import RECORD_GUID, byte_rows, token_columns

_NOT_RESERVED = {errno.EOPNOTSUPP, errno.EINVAL}  # by file systems that cannot


def row_bytes(schema: Schema) -> int:
    """Bytes of the arrays for one record."""
    return sum(field.type.bit_width // 8 for field in token_columns(schema))


class TokenArrays:
    """Takes the batches of a token table; gives the arrays.

    Parameters
    ----------
    schema : Schema
        The linkage schema whose columns come.
    n_records : int
        That come in all.
    file : binary file or None
        An empty scratch file that is to hold the arrays; None holds them in memory.
    folder : Path
        Of the file, for errors.

    Raises
    ------
    PprlError
        The disk has no room for them.
    """

    def __init__(self, schema: Schema, n_records: int, *, file: IO[bytes] | None, folder: Path) -> None:
        self._file, self._folder = file, folder
        self._n_records, self._row = n_records, 0
        self._layout = {field.name: _layout(field) for field in token_columns(schema)}
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._offsets: dict[str, int] = {}
        if file is None:
            self._arrays = {
                name: np.empty((n_records, *shape), dtype) for name, (dtype, shape) in self._layout.items()
            }
            return
        self._n_bytes = 0
        for name, (dtype, shape) in self._layout.items():
            self._offsets[name] = self._n_bytes
            n_bytes = n_records * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            self._n_bytes += -(-n_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        with self._room():
            _reserve(file, self._n_bytes)

    def append(self, batch: pa.RecordBatch) -> None:
        """Take the next records.

        Raises
        ------
        PprlError
            The disk is full.
        """
        for name, (dtype, shape) in self._layout.items():
            values = _values(batch.column(name), dtype, shape)
            if self._file is None:
                self._arrays[name][self._row : self._row + batch.num_rows] = values
            elif batch.num_rows:
                row_width = values.nbytes // batch.num_rows
                with self._room():
                    _write(self._file, values, self._offsets[name] + self._row * row_width)
        self._row += batch.num_rows

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by column name, after the last batch; C order, null is 0."""
        if self._row != self._n_records:
            raise ValueError(f"{self._row} records came of {self._n_records}")
        if self._file is None:
            return self._arrays
        window = mmap.mmap(
            self._file.fileno(), self._n_bytes
        )  # keeps the file's content when the file is closed
        return {
            name: np.ndarray((self._n_records, *shape), dtype, window, self._offsets[name])
            for name, (dtype, shape) in self._layout.items()
        }

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PprlError(
                f"{self._folder}: cannot hold {self._n_bytes / 1e9:.1f} GB of tokens while they are linked "
                f"({error.strerror}); make room, or have them in a folder on another disk"
            ) from None


def drop_pages(*arrays: npt.NDArray[Any]) -> None:
    """Let go of what arrays of a scratch file hold of this process's memory; rows of them, to whole pages.

    Their content stays as it is, with the system. Other arrays are passed over.
    """
    for array in arrays:
        owner: Any = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if isinstance(owner, mmap.mmap) and array.flags.c_contiguous:
            start = array.ctypes.data - np.frombuffer(owner, np.uint8, 1).ctypes.data
            first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
            last = (start + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
            if first < last:
                owner.madvise(mmap.MADV_DONTNEED, first, last - first)


def _layout(field: pa.Field) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type of a column's array, and shape of a row of it."""
    if not pa.types.is_fixed_size_binary(field.type):
        return np.dtype(field.type.to_pandas_dtype()), ()
    if field.name == RECORD_GUID:
        return np.dtype(np.uint8), (GUID_BYTES,)
    return np.dtype(np.uint64), (field.type.byte_width // 8,)


def _values(column: pa.Array, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A column's values, without a copy where none is null."""
    if not shape:
        return np.asarray(pc.fill_null(column, 0), dtype=dtype)
    return byte_rows(column).view(dtype).reshape(len(column), *shape)


def _reserve(file: IO[bytes], n_bytes: int) -> None:
    """Take room on the disk, so that a lack of it shows before the work and not in the middle of it."""
    file.truncate(n_bytes)
    if sys.platform == "linux":
        try:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            if error.errno not in _NOT_RESERVED:
                raise


def _write(file: IO[bytes], values: npt.NDArray[Any], offset: int) -> None:
    left = values.data.cast("B")
    while left:
        n_written = os.pwrite(file.fileno(), left, offset)
        left, offset = left[n_written:], offset + n_written
