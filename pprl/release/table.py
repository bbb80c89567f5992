"""A match table: rows of one recipient, each with the GUID of its entity; and the GUIDs that are no more.

A row is a record of the recipient's own (``record_guid``), or, for somebody who has no records, an entity as the site
of a dataset knows it (``subject_guid``). Tables are sorted by entity, dataset and row, so that the same content is the
same bytes as CSV, of which the digest is known. GUIDs are 16 bytes; zeros stand for none, which as text is nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from pyarrow import compute

from pprl.errors import CorruptError
from pprl.guid import GUID_BYTES, TEXT_CHARACTERS, Guids, as_values, from_characters, guid_column

RowKind = Literal["record", "subject"]
ROWS_PER_BATCH = 128 * 1024
_BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MatchTable:
    """Rows and their entities, in the order of a release.

    Attributes
    ----------
    row_kind : str
        ``record`` or ``subject``.
    names : tuple of str
        Of datasets, sorted.
    entity : ndarray of uint8, shape (n, 16)
    dataset : ndarray of int32, shape (n,)
        Number of the name.
    row : ndarray of uint8, shape (n, 16)
        Unique within a dataset.
    """

    row_kind: RowKind
    names: tuple[str, ...]
    entity: Guids
    dataset: npt.NDArray[np.int32]
    row: Guids

    def __len__(self) -> int:
        return len(self.row)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        return "entity_guid", "dataset", f"{self.row_kind}_guid"

    @property
    def n_entities(self) -> int:
        """How many different entities."""
        return len(np.unique(as_values(self.entity)))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as text."""
        names = pa.array(self.names, pa.string())
        for start in range(0, len(self), ROWS_PER_BATCH):
            part = slice(start, start + ROWS_PER_BATCH)
            arrays = [
                guids_or_nothing(self.entity[part]),
                names.take(pa.array(self.dataset[part])),
                guids_or_nothing(self.row[part]),
            ]
            yield pa.record_batch(arrays, names=list(self.columns))


@dataclass(frozen=True, slots=True)
class Superseded:
    """Entity GUIDs that a recipient was given and that are in its table no more.

    Attributes
    ----------
    previous : ndarray of uint8, shape (n, 16)
        Ascending; one that was split stands several times.
    entity : ndarray of uint8, shape (n, 16)
        The GUID that took its place; none where nothing of it is left.
    """

    previous: Guids
    entity: Guids

    def __len__(self) -> int:
        return len(self.previous)

    columns = ("previous_entity_guid", "entity_guid")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as text."""
        for start in range(0, len(self), ROWS_PER_BATCH):
            part = slice(start, start + ROWS_PER_BATCH)
            arrays = [guids_or_nothing(self.previous[part]), guids_or_nothing(self.entity[part])]
            yield pa.record_batch(arrays, names=list(self.columns))


@dataclass(frozen=True, slots=True)
class Content:
    """All that a recipient has after a release.

    Attributes
    ----------
    table : MatchTable
    superseded : Superseded
    """

    table: MatchTable
    superseded: Superseded


def match_table(
    row_kind: RowKind, names: Sequence[str], entity: Guids, dataset: npt.NDArray[np.integer], row: Guids
) -> MatchTable:
    """Put rows in a table's order.

    Parameters
    ----------
    row_kind : str
        ``record`` or ``subject``.
    names : sequence of str
        Of datasets, in any order.
    entity, row : ndarray of uint8, shape (n, 16)
        GUIDs.
    dataset : ndarray of int, shape (n,)
        Number of the name.
    """
    ordered = sorted(names)
    renumbered = np.array([ordered.index(name) for name in names], np.int32)
    numbers = renumbered[dataset] if len(names) else np.empty(0, np.int32)
    order = np.lexsort((*halves(row), numbers, *halves(entity)))
    return MatchTable(row_kind, tuple(ordered), entity[order], numbers[order], row[order])


def superseded(previous: Guids, entity: Guids) -> Superseded:
    """Put pairs of GUIDs in their order."""
    order = np.lexsort((*halves(entity), *halves(previous)))
    return Superseded(previous[order], entity[order])


def empty(row_kind: RowKind, names: Sequence[str] = ()) -> Content:
    """What a recipient has before the first release."""
    none = np.empty((0, GUID_BYTES), np.uint8)
    table = MatchTable(row_kind, tuple(sorted(names)), none, np.empty(0, np.int32), none)
    return Content(table, Superseded(none, none))


def write_csv(file: IO[bytes], columns: Sequence[str], batches: Iterator[pa.RecordBatch]) -> str:
    """Write rows of text; gives the SHA-256 of the bytes."""
    hashing = _Hashing(file)
    hashing.write((",".join(columns) + "\n").encode())
    options = pc.WriteOptions(include_header=False, quoting_style="none")
    for batch in batches:
        sink = pa.BufferOutputStream()
        pc.write_csv(batch, sink, options)
        hashing.write(memoryview(sink.getvalue()))
    return hashing.sha256


def write_parquet(file: IO[bytes], columns: Sequence[str], batches: Iterator[pa.RecordBatch]) -> None:
    """Write the same rows as Parquet."""
    schema = pa.schema([pa.field(name, pa.string()) for name in columns])
    dictionary = [name for name in columns if name in ("dataset", "change")]
    with pq.ParquetWriter(
        file, schema, compression="zstd", compression_level=1, use_dictionary=dictionary
    ) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema))


def read_table(
    file: IO[bytes], row_kind: RowKind, names: Sequence[str], *, what: str
) -> tuple[MatchTable, str]:
    """Read a match table; gives the SHA-256 of the bytes too.

    Raises
    ------
    CorruptError
        It is none, or holds other datasets; ``what`` names it.
    """
    ordered = tuple(sorted(names))
    columns = ("entity_guid", "dataset", f"{row_kind}_guid")
    parts, digest = read_columns(file, columns, what=what)
    entity, dataset, row = parts
    return MatchTable(
        row_kind,
        ordered,
        guids_of(entity, what=what),
        numbers_of(dataset, ordered, what=what),
        guids_of(row, what=what),
    ), digest


def read_superseded(file: IO[bytes], *, what: str) -> tuple[Superseded, str]:
    """Read the GUIDs that are no more, as `read_table`."""
    (previous, entity), digest = read_columns(file, Superseded.columns, what=what)
    return Superseded(guids_of(previous, what=what), guids_of(entity, what=what, may_be_none=True)), digest


def read_columns(
    file: IO[bytes], columns: Sequence[str], *, what: str
) -> tuple[list[list[pa.StringArray]], str]:
    """Read a CSV file of text columns in pieces, and hash it.

    Raises
    ------
    CorruptError
        Its header is another, or it is no CSV.
    """
    hashing = _Hashing(file)
    parts: list[list[pa.StringArray]] = [[] for _ in columns]
    try:
        reader = pc.open_csv(
            pa.PythonFile(hashing, mode="r"),
            read_options=pc.ReadOptions(block_size=_BLOCK_BYTES),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
        if tuple(reader.schema.names) != tuple(columns):
            raise CorruptError(f"{what}: expected the columns {', '.join(columns)}")
        for batch in reader:
            for number, column in enumerate(batch.columns):
                parts[number].append(column)
    except pa.ArrowInvalid:
        raise CorruptError(f"{what}: is not the table that a release holds; fetch it again") from None
    while hashing.read(_BLOCK_BYTES):
        pass
    return parts, hashing.sha256


def guids_of(parts: Sequence[pa.StringArray], *, what: str, may_be_none: bool = False) -> Guids:
    """GUIDs from text, shape (n, 16); an empty text is zeros where that is allowed.

    Raises
    ------
    CorruptError
    """
    found = [np.empty((0, GUID_BYTES), np.uint8)]
    for column in parts:
        lengths = np.asarray(compute.binary_length(column))
        there = lengths == TEXT_CHARACTERS
        guids = np.zeros((len(column), GUID_BYTES), np.uint8)
        try:
            if not (there | (may_be_none & (lengths == 0))).all():
                raise ValueError
            text = "".join(column.to_pylist()).encode("ascii")
            guids[there] = from_characters(np.frombuffer(text, np.uint8).reshape(-1, TEXT_CHARACTERS))
        except ValueError:
            raise CorruptError(f"{what}: holds something that is no GUID; fetch it again") from None
        found.append(guids)
    return np.concatenate(found)


def numbers_of(parts: Sequence[pa.StringArray], names: Sequence[str], *, what: str) -> npt.NDArray[np.int32]:
    """Numbers of names.

    Raises
    ------
    CorruptError
        A name is none of them.
    """
    found = [np.empty(0, np.int32)]
    for column in parts:
        numbers = compute.index_in(column, value_set=pa.array(names, pa.string()))
        if numbers.null_count:
            raise CorruptError(f"{what}: names a dataset that its release does not; fetch it again")
        found.append(np.asarray(numbers).astype(np.int32))
    return np.concatenate(found)


def guids_or_nothing(guids: Guids) -> pa.StringArray:
    """GUIDs as an array of text; none, which is zeros, is an empty text."""
    return guid_column(guids, np.asarray(guids.any(axis=1)))


def halves(guids: Guids) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Sort keys for `numpy.lexsort`, the weightier one last."""
    both = np.ascontiguousarray(guids).view(">u8").astype(np.uint64)
    return both[:, 1], both[:, 0]


class _Hashing:
    """Hashes what goes through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()
        self.closed = False

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def close(self) -> None:
        """Leaves the file open: it is the caller's."""
