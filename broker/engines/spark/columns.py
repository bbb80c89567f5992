"""Datasets as columns: Parquet files that Spark reads, and the Arrow batches that it hands back to Python.

::

    Dataset --write--> Parquet --Spark--> Arrow batch --as_dataset--> Dataset of the rows of the batch

Tokens are ``uint64`` here and ``bigint`` there, the same 64 bits, so that equal stays equal. Filters are binary.
Columns go by number, not by the names of fields. GUIDs stay behind: no stage needs them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from pprl.guid import GUID_BYTES
from pprl.schema import Schema

ROWS_PER_FILE = 1 << 19
PAIRS_PER_FILE = 1 << 22
_ROWS_PER_GROUP = 1 << 14  # Spark reads a group in one task
_SPARK_TYPES = {pa.int8(): "tinyint", pa.int32(): "int", pa.int64(): "bigint", pa.binary(): "binary"}


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a dataset are; enough to make a dataset of some of its rows again.

    Attributes
    ----------
    schema : Schema
    name : str
    duplicate_free : bool
    filters, exact, derived : tuple of str
        Names; their columns are ``f0``, ``x0``, ``d0`` and so on.
    n_key_columns : tuple of int
        Of each match key; its columns are ``k<key>_0`` and ``k<key>_1``.
    """

    schema: Schema
    name: str
    duplicate_free: bool
    filters: tuple[str, ...]
    exact: tuple[str, ...]
    derived: tuple[str, ...]
    n_key_columns: tuple[int, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> Layout:
        """The layout of a dataset."""
        return cls(
            dataset.schema,
            dataset.name,
            dataset.duplicate_free,
            tuple(dataset.filters),
            tuple(dataset.exact),
            tuple(dataset.derived),
            tuple(len(columns) for columns in dataset.keys),
        )

    def filters_only(self) -> Layout:
        """The layout without exact tokens and match keys, which near pairs do not depend on."""
        return replace(self, exact=(), n_key_columns=())

    def row_bytes(self) -> int:
        """Of one row's columns."""
        n_numbers = 2 + len(self.exact) + sum(self.n_key_columns)
        return len(self.filters) * self.schema.filter.n_bits // 8 + 8 * n_numbers + len(self.derived)

    def arrow_schema(self) -> pa.Schema:
        """Columns and types: ``row``, ``presence``, then those by number."""
        return pa.schema(
            [
                pa.field("row", pa.int64(), nullable=False),
                pa.field("presence", pa.int32(), nullable=False),
                *(pa.field(f"f{i}", pa.binary(), nullable=False) for i in range(len(self.filters))),
                *(pa.field(f"x{i}", pa.int64(), nullable=False) for i in range(len(self.exact))),
                *(
                    pa.field(f"k{key}_{i}", pa.int64(), nullable=False)
                    for key, n_columns in enumerate(self.n_key_columns)
                    for i in range(n_columns)
                ),
                *(pa.field(f"d{i}", pa.int8(), nullable=False) for i in range(len(self.derived))),
            ]
        )

    def to_batch(self, dataset: Dataset, first: int, last: int) -> pa.RecordBatch:
        """The rows ``first`` to ``last - 1``, without a copy of the filters."""
        some = dataset.rows(first, last)
        columns = [
            pa.array(np.arange(first, last)),
            pa.array(some.presence.view(np.int32)),
            *(_as_binary(some.filters[name]) for name in self.filters),
            *(pa.array(some.exact[name].view(np.int64)) for name in self.exact),
            *(
                pa.array(column.view(np.int64))
                for columns in some.keys[: len(self.n_key_columns)]
                for column in columns
            ),
            *(pa.array(some.derived[name].view(np.int8)) for name in self.derived),
        ]
        return pa.record_batch(columns, schema=self.arrow_schema())

    def as_dataset(self, batch: pa.RecordBatch, *, prefix: str = "") -> Dataset:
        """The dataset of a batch's rows, from its columns whose names begin with ``prefix``.

        Notes
        -----
        Filters are copied, as a kernel compiled for writable, aligned arrays is not one for Arrow's.
        """

        def numbers(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
            return np.array(batch.column(prefix + name).to_numpy()).view(dtype)

        n_words = self.schema.filter.n_bits // 64
        return Dataset(
            name=self.name,
            schema=self.schema,
            guids=np.zeros((batch.num_rows, GUID_BYTES), dtype=np.uint8),
            presence=numbers("presence", np.uint32),
            filters={
                name: _from_binary(batch.column(f"{prefix}f{i}"), n_words)
                for i, name in enumerate(self.filters)
            },
            exact={name: numbers(f"x{i}", np.uint64) for i, name in enumerate(self.exact)},
            keys=tuple(
                tuple(numbers(f"k{key}_{i}", np.uint64) for i in range(n_columns))
                for key, n_columns in enumerate(self.n_key_columns)
            ),
            duplicate_free=self.duplicate_free,
            derived={name: numbers(f"d{i}", np.uint8) for i, name in enumerate(self.derived)},
        )


def write_dataset(dataset: Dataset, folder: Path) -> None:
    """Write a dataset's columns as Parquet files into a new folder, for its owner alone."""
    layout = Layout.of(dataset)
    folder.mkdir(mode=0o700)
    for first in range(0, max(len(dataset), 1), ROWS_PER_FILE):
        batch = layout.to_batch(dataset, first, min(first + ROWS_PER_FILE, len(dataset)))
        _write(batch, folder / f"{first:015}.parquet")


def write_pairs(pairs: Pairs, folder: Path) -> None:
    """Write pairs as Parquet files with their numbers: ``pair``, ``left``, ``right``."""
    folder.mkdir(mode=0o700)
    schema = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in ("pair", "left", "right")])
    for first in range(0, max(len(pairs), 1), PAIRS_PER_FILE):
        numbers = np.arange(first, min(first + PAIRS_PER_FILE, len(pairs)))
        some = pairs.some(numbers)
        batch = pa.record_batch([pa.array(c) for c in (numbers, some.left, some.right)], schema=schema)
        _write(batch, folder / f"{first:015}.parquet")


def spark_schema(schema: pa.Schema) -> str:
    """An Arrow schema as Spark writes it."""
    return ", ".join(f"{field.name} {_SPARK_TYPES[field.type]}" for field in schema)


def to_bytes(batch: pa.RecordBatch) -> bytes:
    """A batch as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def from_bytes(stream: bytes) -> pa.RecordBatch:
    """The batch of an Arrow stream."""
    return pa.ipc.open_stream(stream).read_next_batch()


def _write(batch: pa.RecordBatch, path: Path) -> None:
    # Tokens are evenly spread bits: neither a dictionary nor compression helps. Of rows the least and largest help to
    # pass over groups.
    pq.write_table(
        pa.Table.from_batches([batch]),
        path,
        row_group_size=_ROWS_PER_GROUP,
        use_dictionary=False,
        compression="none",
        write_statistics=["row"] if "row" in batch.schema.names else False,
    )


def _as_binary(words: npt.NDArray[np.uint64]) -> pa.Array:
    width = words.shape[1] * words.itemsize
    ends = np.arange(len(words) + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(words)
    return pa.Array.from_buffers(pa.binary(), len(words), [None, pa.py_buffer(ends), pa.py_buffer(data)])


def _from_binary(column: pa.Array, n_words: int) -> npt.NDArray[np.uint64]:
    width = 8 * n_words
    if not len(column):
        return np.empty((0, n_words), dtype=np.uint64)
    _, ends, data = column.buffers()
    start = int(np.frombuffer(ends, dtype=np.int32)[column.offset])
    values = np.frombuffer(data, dtype=np.uint8)[start : start + len(column) * width]
    return np.array(values).view(np.uint64).reshape(-1, n_words)
