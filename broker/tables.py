"""The tables of a run, links and entities: rows in order, a batch at a time, as CSV and as Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from broker.matching.pipeline import Linkage
from pprl.guid import GUID_BYTES, Guids, RandomBytes, guid_column, new_guids

LINKS = pa.schema(
    [
        pa.field("left_dataset", pa.string()),
        pa.field("left_record", pa.string()),
        pa.field("right_dataset", pa.string()),
        pa.field("right_record", pa.string()),
        pa.field("probability", pa.float64()),
    ]
)
ENTITIES = pa.schema(
    [
        pa.field("entity_guid", pa.string()),
        pa.field("dataset", pa.string()),
        pa.field("record_guid", pa.string()),
    ]
)
ROWS_PER_BATCH = 256 * 1024
"""Also of a row group of the Parquet files."""

_WHOLE = np.dtype(f"V{GUID_BYTES}")  # a row of 16 bytes as one value: moved ten times as fast by an index
_Rows = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


def link_batches(linkage: Linkage) -> Iterator[pa.RecordBatch]:
    """The links, in the order of the datasets and of their rows; columns are those of `LINKS`."""
    records, links = _Records(linkage), linkage.links
    order = np.lexsort((links.right, links.left))
    for some in _batches(order):
        # Six digits, but neither certain nor below the threshold.
        probability = np.clip(np.round(links.probability[some], 6), linkage.threshold, 1 - 1e-6)
        columns = [*records.columns(links.left[some]), *records.columns(links.right[some]), probability]
        yield pa.record_batch([pa.array(column) for column in columns], schema=LINKS)


def entity_batches(linkage: Linkage, *, random_bytes: RandomBytes = os.urandom) -> Iterator[pa.RecordBatch]:
    """Every record with the GUID of its entity, sorted by that GUID, which is random, then by dataset and record.

    Columns are those of `ENTITIES`.
    """
    records, entity = _Records(linkage), linkage.entity
    guids = new_guids(int(entity.max()) + 1 if len(entity) else 0, random_bytes=random_bytes)
    for some in _batches(_by_entity(linkage, guids)):
        names, texts = records.columns(some)
        yield pa.record_batch([guid_column(guids.take(entity[some], axis=0)), names, texts], schema=ENTITIES)


def write_table(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a table twice, with the endings ``.csv`` and ``.parquet``.

    Parameters
    ----------
    path : Path
        Without an ending.
    schema : pyarrow.Schema
        Of the batches. No text may need quotes.
    batches : iterable of pyarrow.RecordBatch
        In the order of their rows; a row group of the Parquet file each.
    advance : callable
        Called with numbers of rows written.

    Raises
    ------
    OSError
        As of a disk that is full.
    """
    with (
        path.with_suffix(".csv").open("wb") as text,
        path.with_suffix(".parquet").open("wb") as binary,
        pq.ParquetWriter(
            binary,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in schema.names if name.endswith("dataset")],
        ) as parquet,
        ThreadPoolExecutor(1, "pprl-parquet") as worker,
    ):
        text.write((",".join(schema.names) + "\n").encode())
        options = pc.WriteOptions(include_header=False, quoting_style="none", batch_size=ROWS_PER_BATCH)
        before: Future[None] | None = None
        for batch in batches:
            if before is not None:
                before.result()
            before = worker.submit(parquet.write_batch, batch)
            pc.write_csv(batch, text, options)
            advance(batch.num_rows)
        if before is not None:
            before.result()


class _Records:
    """Datasets and GUIDs of records, which are numbered through over all datasets."""

    def __init__(self, linkage: Linkage) -> None:
        self._datasets = linkage.datasets
        self._names = pa.array([dataset.name for dataset in linkage.datasets], pa.string())
        self._ends = linkage.starts[1:]

    def dataset(self, numbers: _Rows) -> _Rows:
        """Of each record, its dataset's number."""
        return np.searchsorted(self._ends, numbers, side="right")

    def guids(self, numbers: _Rows) -> Guids:
        """Of each record, its GUID; shape (n, 16)."""
        guids, datasets = np.empty(len(numbers), dtype=_WHOLE), self.dataset(numbers)
        for number, dataset in enumerate(self._datasets):
            mine = np.flatnonzero(datasets == number)
            first = self._ends[number] - len(dataset)
            guids[mine] = dataset.guids.view(_WHOLE)[:, 0].take(numbers[mine] - first)
        return guids.view(np.uint8).reshape(-1, GUID_BYTES)

    def columns(self, numbers: _Rows) -> tuple[pa.Array, pa.Array]:
        """Of each record, its dataset's name and its GUID as text."""
        return self._names.take(pa.array(self.dataset(numbers))), guid_column(self.guids(numbers))


def _by_entity(linkage: Linkage, guids: Guids) -> _Rows:
    """Record numbers in the order of their entities' GUIDs, then of their datasets' names, then of their own GUIDs."""
    order = _ascending(guids)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    del order
    names = sorted(dataset.name for dataset in linkage.datasets)
    key = place[linkage.entity] * len(names)
    del place
    start = 0
    for dataset in linkage.datasets:
        key[start : start + len(dataset)] += names.index(dataset.name)
        start += len(dataset)
    order = np.argsort(key)
    key = key[order]
    # An entity may have several records of one dataset; these are few, and put in order of their own GUIDs.
    tied = np.zeros(len(order), dtype=np.bool_)
    tied[1:] = key[1:] == key[:-1]
    tied[:-1] |= tied[1:]
    several = order[tied]
    guids = _Records(linkage).guids(several)
    order[tied] = several[np.lexsort((_half(guids, 1), _half(guids, 0), key[tied]))]
    return order


def _ascending(guids: Guids) -> _Rows:
    """Positions of GUIDs in their order."""
    order = np.argsort(_half(guids, 0))
    high = _half(guids, 0)[order]
    if (high[1:] == high[:-1]).any():  # hardly ever, they being random
        return np.lexsort((_half(guids, 1), _half(guids, 0)))
    return order


def _half(guids: Guids, which: Literal[0, 1]) -> _Words:
    """A number for each GUID; the first's order is that of the GUIDs, where it ties the second's."""
    return guids.view(">u8")[:, which].astype(np.uint64)


def _batches(rows: _Rows) -> Iterator[_Rows]:
    for start in range(0, len(rows), ROWS_PER_BATCH):
        yield rows[start : start + ROWS_PER_BATCH]
