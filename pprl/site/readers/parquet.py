"""Parquet files: any column of text, numbers, dates or categories, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as arrow_parquet

from pprl.errors import InputError

MAGIC = b"PAR1"


class ParquetFile:
    """A Parquet file, its schema read.

    Parameters
    ----------
    path : str
        The file.

    Attributes
    ----------
    header : tuple of str
        Names of the top-level columns.
    n_bytes : int
        Size of the file.
    bytes_read : int
        About what was read so far: the share of records that came, in bytes.

    Raises
    ------
    InputError
        Where it is no Parquet file, or damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._file = arrow_parquet.ParquetFile(path)
            self.header = tuple(self._file.schema_arrow.names)
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", path=path) from None
        except (pa.ArrowException, UnicodeDecodeError):  # the latter where a name is damaged
            raise InputError(
                "is cut short, damaged, or not a Parquet file; copy it again", path=path
            ) from None
        self.n_bytes = Path(path).stat().st_size
        self.bytes_read = 0

    def batches(self, columns: Sequence[str], *, rows_per_chunk: int) -> Iterator[pa.RecordBatch]:
        """Read on.

        Parameters
        ----------
        columns : sequence of str
            Names of top-level columns.
        rows_per_chunk : int
            Records in a batch, at most.

        Yields
        ------
        pyarrow.RecordBatch
            One string column for each of ``columns``; null where null or empty.

        Raises
        ------
        InputError
            Where a column cannot be text, or the file is damaged.
        """
        for column in columns:
            self._refuse_nested(column)
        n_rows = 0
        try:
            for batch in self._file.iter_batches(batch_size=rows_per_chunk, columns=list(columns)):
                n_rows += batch.num_rows
                self.bytes_read = self.n_bytes * n_rows // max(1, self._file.metadata.num_rows)
                arrays = [self._as_text(batch.column(column), column) for column in columns]
                yield pa.RecordBatch.from_arrays(arrays, names=list(columns))
        except (OSError, pa.ArrowException, UnicodeDecodeError):
            raise InputError("is damaged; copy it again", path=self.path, row=n_rows + 1) from None

    def place_of(self, record_number: int) -> tuple[int, str]:
        """Row of a record, counted from 1 as there is no header line; and no note."""
        return record_number + 1, ""

    def reopened(self) -> ParquetFile:
        """The same file, from its start."""
        return ParquetFile(self.path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _refuse_nested(self, column: str) -> None:
        kind = self._file.schema_arrow.field(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_nested(kind) or pa.types.is_duration(kind):
            raise InputError(
                f"is of type {kind}, which is no single value; write it as text or a date",
                path=self.path,
                column=column,
            )

    def _as_text(self, values: pa.Array, column: str) -> pa.Array:
        try:
            return as_text(values)
        except pa.ArrowException:
            raise InputError(
                f"cannot be read as text (it is of type {values.type}); write it as text or a date",
                path=self.path,
                column=column,
            ) from None


def as_text(values: pa.Array) -> pa.Array:
    """Any column of single values as text; null where empty.

    Dates become ISO 8601; timestamps the date and time of day in the column's own time zone; whole floats are
    written without a point, NaN is null.

    Parameters
    ----------
    values : pyarrow.Array
        Of any type of single values.

    Returns
    -------
    pyarrow.StringArray

    Raises
    ------
    pyarrow.ArrowException
        Where the type, or bytes that are not UTF-8, cannot be text.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_timestamp(kind):
        text = pc.strftime(
            pc.cast(values, pa.timestamp("s", kind.tz), safe=False), format="%Y-%m-%d %H:%M:%S"
        )
    elif pa.types.is_floating(kind):
        text = _from_floats(values.cast(pa.float64()))
    else:
        text = values.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _from_floats(values: pa.Array) -> pa.Array:
    whole = pc.and_(pc.equal(values, pc.round(values)), pc.less(pc.abs(values), 2.0**53))
    nothing = pa.scalar(None, pa.float64())
    integers = pc.if_else(whole, values, nothing).cast(pa.int64()).cast(pa.string())
    others = pc.if_else(pc.or_(whole, pc.is_nan(values)), nothing, values).cast(pa.string())
    return pc.coalesce(integers, others)
