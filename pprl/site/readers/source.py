"""A site's input file as a stream of raw text columns, one for every field of the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc

from pprl.errors import InputError
from pprl.schema import Kind, Schema
from pprl.schema.columns import stratum_column
from pprl.site.readers.columns import LOCAL_ID, ColumnMap, column_map
from pprl.site.readers.delimited import DelimitedFile
from pprl.site.readers.local_ids import LocalIds
from pprl.site.readers.parquet import MAGIC, ParquetFile

ROWS_PER_CHUNK = 131_072


class Source(Protocol):
    """What a file format must be able to do."""

    @property
    def header(self) -> tuple[str, ...]:
        """Names of its columns."""

    @property
    def n_bytes(self) -> int:
        """Size on disk."""

    @property
    def bytes_read(self) -> int:
        """How far it has got."""

    def batches(self, columns: Sequence[str], *, rows_per_chunk: int) -> Iterator[pa.RecordBatch]:
        """Columns of text, once."""

    def place_of(self, record_number: int) -> tuple[int, str]:
        """Row of a record and a note for the person."""

    def reopened(self) -> Source:
        """The same file from its start."""

    def close(self) -> None:
        """Close it."""


class Input:
    """An open input file; iterate it once, inside a ``with`` block.

    Attributes
    ----------
    path : str
        As given.
    columns : ColumnMap
        Where the fields were found.
    n_bytes, bytes_read : int
        Size of the file on disk, and how far it has been read; for progress.
    n_rows : int
        Records given out so far.
    """

    def __init__(
        self,
        source: Source,
        schema: Schema,
        *,
        path: str,
        columns: ColumnMap,
        rows_per_chunk: int,
        advance: Callable[[int], None] | None,
    ) -> None:
        self.path, self.columns, self.n_rows = path, columns, 0
        self._source, self._schema = source, schema
        self._rows_per_chunk, self._advance = rows_per_chunk, advance

    @property
    def n_bytes(self) -> int:
        """Size of the file on disk."""
        return self._source.n_bytes

    @property
    def bytes_read(self) -> int:
        """Bytes of it that were read so far."""
        return self._source.bytes_read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Give out the records in order.

        Yields
        ------
        pyarrow.RecordBatch
            ``local_id`` (string, never null), then a string column for each field of the schema, and
            (named by `stratum_column`) for each of its strata that has a column of its own; raw, null where empty;
            ``rows_per_chunk`` records, fewer in the last.

        Raises
        ------
        InputError
            Where a row cannot be read, an id is missing or stands twice, or there is no record at all.
        """
        names = self.columns.columns or self._source.header[:1]
        id_column = self.columns.id_column
        ids = LocalIds()
        reported = 0
        raw = self._source.batches(names, rows_per_chunk=self._rows_per_chunk)
        for batch in of_size(raw, self._rows_per_chunk):
            if id_column is not None:
                local_ids = pc.utf8_trim_whitespace(batch.column(id_column))
                ids.add(local_ids, on_missing=self._missing_id)
            else:
                local_ids = pa.array(range(self.n_rows + 1, self.n_rows + 1 + batch.num_rows)).cast(
                    pa.string()
                )
            arrays = {LOCAL_ID: local_ids}
            for field in self._schema.fields:
                columns = self.columns.fields[field.name]
                arrays[field.name] = _joined(batch, columns, is_date=field.kind is Kind.BIRTH_DATE)
            for name, columns in self.columns.strata.items():
                arrays[stratum_column(name)] = _joined(batch, columns)
            yield pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
            self.n_rows += batch.num_rows
            if self._advance is not None:
                self._advance(self.bytes_read - reported)
                reported = self.bytes_read
        if self.n_rows == 0:
            raise InputError("has a header but no records", path=self.path)
        if id_column is not None and ids.maybe_twice():
            self._refuse_twice(ids, id_column)

    def row_of(self, record_number: int) -> int:
        """Row of a record (0 is the first), as errors name it."""
        return self._source.place_of(record_number)[0]

    def _missing_id(self, record_number: int) -> InputError:
        row, note = self._source.place_of(record_number)
        message = "the local id is missing; every record needs one, or leave --id out to number them"
        return InputError(message + note, path=self.path, row=row, column=self._shown_id)

    def _refuse_twice(self, ids: LocalIds, id_column: str) -> None:
        again = self._source.reopened()
        try:
            batches = again.batches([id_column], rows_per_chunk=self._rows_per_chunk)
            found = ids.find_twice(pc.utf8_trim_whitespace(batch.column(0)) for batch in batches)
        finally:
            again.close()
        if found is not None:
            first, _ = self._source.place_of(found[0])
            second, note = self._source.place_of(found[1])
            message = f"the local id stands in row {first} already; ids must be unique"
            raise InputError(message + note, path=self.path, row=second, column=self._shown_id)

    @property
    def _shown_id(self) -> str | None:
        return self.columns.id_column.strip() if self.columns.id_column is not None else None


def read_input(
    path: str | Path,
    schema: Schema,
    *,
    columns: Mapping[str, str] | None = None,
    id_column: str | None = None,
    preset: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    rows_per_chunk: int = ROWS_PER_CHUNK,
    advance: Callable[[int], None] | None = None,
) -> Input:
    """Open a CSV, TSV, pipe-delimited or Parquet file of patients.

    Parameters
    ----------
    path : str or Path
        Parquet is known by its first bytes, everything else is text; ``.gz`` is unpacked.
    schema : Schema
        Its fields are read.
    columns : mapping of str to str, optional
        Field to column, before all other ways to find it; see `column_map`.
    id_column : str, optional
        Column of the local id; without it (and without a preset) the records are numbered from 1.
    preset : str, optional
        A name of `PRESETS`.
    delimiter : str, optional
        Told from the header where it is not given.
    encoding : str
        Of text files.
    rows_per_chunk : int
        Records in a batch.
    advance : callable, optional
        Called with the number of bytes just read.

    Returns
    -------
    Input
        A context manager that iterates record batches.

    Raises
    ------
    InputError
        Where the file cannot be opened, has no header, or lacks a field.
    """
    path = str(path)
    source: Source = (
        ParquetFile(path)
        if _is_parquet(path)
        else DelimitedFile(path, delimiter=delimiter, encoding=encoding)
    )
    try:
        found = column_map(
            schema, source.header, preset=preset, columns=columns, id_column=id_column, path=path
        )
    except BaseException:
        source.close()
        raise
    return Input(source, schema, path=path, columns=found, rows_per_chunk=rows_per_chunk, advance=advance)


def _is_parquet(path: str) -> bool:
    if Path(path).is_dir():
        raise InputError("is a folder; name the files in it", path=path)
    try:
        with Path(path).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from None


def of_size(batches: Iterator[pa.RecordBatch], n_rows: int) -> Iterator[pa.RecordBatch]:
    """Cut a stream of batches anew."""
    waiting: list[pa.RecordBatch] = []
    n_waiting = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        waiting.append(batch)
        n_waiting += batch.num_rows
        if n_waiting < n_rows:
            continue
        table = pa.Table.from_batches(waiting)
        for start in range(0, n_waiting - n_rows + 1, n_rows):
            yield _one(table.slice(start, n_rows))
        rest = n_waiting % n_rows
        waiting = table.slice(n_waiting - rest).to_batches() if rest else []
        n_waiting = rest
    if waiting:
        yield _one(pa.Table.from_batches(waiting))


def _joined(batch: pa.RecordBatch, names: Sequence[str], *, is_date: bool = False) -> pa.Array:
    """Columns joined by a blank where there are several; nothing but null where there is none."""
    columns = [batch.column(name) for name in names]
    if not columns:
        return pa.nulls(batch.num_rows, pa.string())
    if len(columns) > 1 and is_date:
        columns = _with_zeros(columns)  # 1980, no month, day 5 must not read as May 1980
    joined = columns[0]
    for column in columns[1:]:
        joined = pc.coalesce(pc.binary_join_element_wise(joined, column, " "), joined, column)
    return joined


def _with_zeros(columns: list[pa.Array]) -> list[pa.Array]:
    """Null parts become ``0`` in rows that have some part."""
    some = pc.coalesce(*columns)
    return [pc.coalesce(column, pc.if_else(pc.is_valid(some), "0", None)) for column in columns]


def _one(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]
