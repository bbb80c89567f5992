"""Files of delimited text: CSV, TSV, pipe or semicolon."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from pprl.errors import InputError
from pprl.site.readers.diagnosis import find_fault, place_of
from pprl.site.readers.text_stream import BLOCK_BYTES, SuspectError, TextStream

_BY_EXTENSION = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_DELIMITERS = ",\t|;"
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)")


class DelimitedFile:
    """A file of delimited text, its header read.

    Parameters
    ----------
    path : str
        Packed with gzip or not.
    delimiter : str, optional
        One character; told from the header and the file's name where it is not given.
    encoding : str
        A codec's name.

    Attributes
    ----------
    header : tuple of str
        As written, blanks included.

    Raises
    ------
    InputError
        Where there is no header, or the file is not text.
    """

    def __init__(self, path: str, *, delimiter: str | None, encoding: str) -> None:
        self.path, self._encoding = path, encoding
        self._delimiter = delimiter or ","
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise InputError("the delimiter must be one character, such as , ; | or a tab", path=path)
        try:
            self._stream = TextStream(path, encoding=encoding)
            try:
                line = _header_line(self._stream, path)
                text = line.decode("utf-8")
            except BaseException:
                self._stream.close()
                raise
        except (SuspectError, UnicodeDecodeError):
            raise self._fault() from None
        self._delimiter = delimiter or _sniff(text, path)
        lines = text.splitlines(keepends=True)
        self.header = tuple(next(csv.reader(lines, delimiter=self._delimiter, skipinitialspace=True)))

    @property
    def n_bytes(self) -> int:
        """Size of the file on disk."""
        return self._stream.n_bytes

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk that were read so far."""
        return self._stream.bytes_read

    def batches(self, columns: Sequence[str], *, rows_per_chunk: int) -> Iterator[pa.RecordBatch]:
        """Read on.

        Parameters
        ----------
        columns : sequence of str
            Headers, each standing once in the file.
        rows_per_chunk : int
            Not heeded here: the parser cuts blocks of bytes.

        Yields
        ------
        pyarrow.RecordBatch
            One string column for each of ``columns``; null where empty.

        Raises
        ------
        InputError
            At the first row that cannot be read.
        """
        if not self._stream.peek():
            return
        names = [str(number) for number in range(len(self.header))]
        wanted = [str(self.header.index(column)) for column in columns]
        try:
            reader = arrow_csv.open_csv(
                pa.PythonFile(self._stream, mode="r"),
                read_options=arrow_csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES),
                parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(wanted, pa.string()),
                    include_columns=wanted,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            for batch in reader:
                yield pa.RecordBatch.from_arrays(batch.columns, names=list(columns))
        except (pa.ArrowInvalid, SuspectError, UnicodeDecodeError):
            # The parser's own message holds the row; a second look names its place instead.
            raise self._fault() from None
        if self._stream.has_open_quote:
            fault = self._fault()
            if fault.row is not None:
                raise fault

    def place_of(self, record_number: int) -> tuple[int, str]:
        """Row of a record (0 is the first after the header), and a note on its line."""
        place = place_of(record_number, self.path, encoding=self._encoding, delimiter=self._delimiter)
        return place.row, place.note

    def reopened(self) -> DelimitedFile:
        """The same file, from its start."""
        return DelimitedFile(self.path, delimiter=self._delimiter, encoding=self._encoding)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _fault(self) -> InputError:
        return find_fault(self.path, encoding=self._encoding, delimiter=self._delimiter)


def _header_line(stream: TextStream, path: str) -> bytes:
    """Take the first record that is not blank off the stream; quoted names may hold line breaks."""
    start = stream.peek()
    if not start:
        raise InputError("the file is empty; a header and records are needed", path=path)
    begin = end = 0
    for match in _LINE.finditer(start):
        end = match.end()
        if start[begin:end].count(b'"') % 2 == 1:
            continue
        if start[begin:end].strip(b"\r\n"):
            break
        begin = end
    stream.read(end)
    line = start[begin:end].rstrip(b"\r\n")
    if not line.strip():
        raise InputError("the file holds nothing but blank lines; a header and records are needed", path=path)
    return line


def _sniff(header: str, path: str) -> str:
    """The most frequent delimiter outside quotation marks; ties go to the usual one of the extension."""
    bare = re.sub(r'"[^"]*"', "", header)
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    usual = _BY_EXTENSION.get(suffixes[-1] if suffixes else "", ",")
    return max(_DELIMITERS, key=lambda mark: (bare.count(mark), mark == usual))
