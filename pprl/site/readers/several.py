"""Several files of patients, read one behind the other as if they were one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pprl.errors import InputError
from pprl.schema import Schema
from pprl.site.readers.columns import LOCAL_ID
from pprl.site.readers.local_ids import LocalIds
from pprl.site.readers.source import ROWS_PER_CHUNK, Input, of_size, read_input


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFormat:
    """How a site's files are to be read; see `read_input`.

    Attributes
    ----------
    columns : mapping of str to str
        Field to column, before all other ways to find it.
    id_column : str or None
        Column of the local id; None numbers the records, unless the preset names a column.
    preset : str or None
        A name of `PRESETS`.
    delimiter : str or None
        None tells it from the header.
    encoding : str
        Of text files.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    id_column: str | None = None
    preset: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"


class InputFiles:
    """Files of patients, their headers checked; iterate it once.

    Parameters
    ----------
    paths : sequence of str or Path
        Each with a header of its own.
    schema : Schema
        Its fields are read.
    input_format : InputFormat
        The same for all.
    rows_per_chunk : int
        Records in a batch.

    Attributes
    ----------
    n_bytes : int
        Size of all files on disk.
    numbered : bool
        Whether there are records without an id, which get numbers.

    Raises
    ------
    InputError
        Where a file is named twice, cannot be opened, has no header, or lacks a field.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        schema: Schema,
        *,
        input_format: InputFormat,
        rows_per_chunk: int = ROWS_PER_CHUNK,
    ) -> None:
        self._paths = [str(path) for path in paths]
        self._schema, self._format, self._rows_per_chunk = schema, input_format, rows_per_chunk
        self.n_bytes, self.numbered = 0, False
        seen: set[Path] = set()
        for path in self._paths:
            if Path(path).resolve() in seen:
                raise InputError("is named twice; every file is read once", path=path)
            seen.add(Path(path).resolve())
            with self._open(path) as opened:
                self.n_bytes += opened.n_bytes
                self.numbered |= opened.columns.id_column is None

    def batches(self, *, advance: Callable[[int], None] | None = None) -> Iterator[pa.RecordBatch]:
        """Give out the records in order.

        Parameters
        ----------
        advance : callable, optional
            Called with the number of bytes just read.

        Yields
        ------
        pyarrow.RecordBatch
            As `Input` gives them, but filled up over the ends of files; records without ids are numbered on.

        Raises
        ------
        InputError
            As `Input`, and where two files have the same id.
        """
        yield from of_size(self._one_by_one(advance), self._rows_per_chunk)

    def _one_by_one(self, advance: Callable[[int], None] | None) -> Iterator[pa.RecordBatch]:
        ids, n_rows = LocalIds(), 0
        for path in self._paths:
            with self._open(path, advance=advance) as opened:
                for batch in opened:
                    if opened.columns.id_column is None:
                        batch = _numbered(batch, first=n_rows + 1)
                    elif len(self._paths) > 1:
                        ids.add(batch.column(LOCAL_ID), on_missing=_never)
                    n_rows += batch.num_rows
                    yield batch
        if ids.maybe_twice():
            self._refuse_twice(ids)

    def _open(self, path: str, *, advance: Callable[[int], None] | None = None) -> Input:
        how = self._format
        return read_input(
            path,
            self._schema,
            columns=how.columns,
            id_column=how.id_column,
            preset=how.preset,
            delimiter=how.delimiter,
            encoding=how.encoding,
            rows_per_chunk=self._rows_per_chunk,
            advance=advance,
        )

    def _refuse_twice(self, ids: LocalIds) -> None:
        sizes: list[int] = []

        def again() -> Iterator[pa.Array]:
            for path in self._paths:
                with self._open(path) as opened:
                    sizes.append(0)
                    for batch in opened:
                        sizes[-1] += batch.num_rows
                        yield batch.column(LOCAL_ID)

        found = ids.find_twice(again())
        if found is not None:
            first, second = (self._place(number, sizes) for number in found)
            message = f"the local id stands in {first[0]}, row {first[1]} already; ids must be unique"
            raise InputError(message, path=second[0], row=second[1], column=second[2])

    def _place(self, record_number: int, sizes: list[int]) -> tuple[str, int, str | None]:
        """File, row and id column of a record that is counted over all files."""
        file = 0
        while record_number >= sizes[file]:
            record_number -= sizes[file]
            file += 1
        with self._open(self._paths[file]) as opened:
            column = opened.columns.id_column
            return self._paths[file], opened.row_of(record_number), column and column.strip()


def _numbered(batch: pa.RecordBatch, *, first: int) -> pa.RecordBatch:
    numbers = pa.array(range(first, first + batch.num_rows)).cast(pa.string())
    return batch.set_column(batch.schema.get_field_index(LOCAL_ID), LOCAL_ID, numbers)


def _never(record_number: int) -> InputError:
    raise AssertionError("the file's own reader has missed an id that is not there")
