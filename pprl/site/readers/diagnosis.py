"""What is wrong with a delimited file, and in which row: the slow second look where the fast parser gave up.

A row is a record, as a spreadsheet numbers them: the header is row 1 and blank lines count. Where a quoted
value holds line breaks, rows and lines part, and the message names the line too.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from pprl.errors import InputError
from pprl.site.readers.columns import looks_like_data
from pprl.site.readers.text_stream import Unpacked, codec_of

_PIECE_BYTES = 1 << 16
# Fed as a last line of its own; where it comes back within a value, a quotation mark is open.
_END = "\N{SYMBOL FOR END OF TRANSMISSION}"
_BAD = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record and its place.

    Attributes
    ----------
    row, first_line, last_line : int
        1-based.
    values : list of str
        Empty for a blank line.
    """

    row: int
    first_line: int
    last_line: int
    values: list[str]

    @property
    def note(self) -> str:
        """Names the line where it is not the number of the row."""
        return "" if self.row == self.first_line else f" (line {self.first_line} of the file)"


def find_fault(path: str, *, encoding: str, delimiter: str) -> InputError:
    """The first thing in a delimited file that keeps it from being read.

    Parameters
    ----------
    path : str
        The file.
    encoding, delimiter : str
        As it was read.

    Returns
    -------
    InputError
        Names the row and, where it can be told, the column; repeats no value.
    """
    lines = _Lines(path, encoding)
    header: list[str] = []
    row = 0
    try:
        for record in _records(lines, delimiter):
            row = record.row
            if lines.is_over and lines.fault is not None:
                return _fault(lines, record, header)
            if (
                record.values
                and record.values[-1].endswith(_END + "\n")
                and record.last_line >= lines.n_lines
            ):
                return InputError(
                    "a quotation mark is opened and never closed" + record.note, path=path, row=row
                )
            if not header:
                header = record.values
            elif record.values and len(record.values) != len(header):
                return InputError(_ragged(record, len(header)), path=path, row=row)
    except csv.Error:
        return InputError(
            f"a value of more than {csv.field_size_limit()} characters; is a quotation mark not closed?",
            path=path,
            row=row + 1,
        )
    finally:
        lines.close()
    if lines.fault is not None:
        return _fault(lines, Record(row + 1, row + 1, row + 1, []), header)
    return InputError(
        "cannot be read as delimited text; check its quotation marks and the delimiter", path=path
    )


def place_of(record_number: int, path: str, *, encoding: str, delimiter: str) -> Record:
    """The place of a record, the first after the header being number 0."""
    lines = _Lines(path, encoding)
    try:
        wanted = (record for record in _records(lines, delimiter) if record.values)
        for number, record in enumerate(wanted, -1):
            if number == record_number:
                return record
    except csv.Error:
        pass
    finally:
        lines.close()
    row = record_number + 2
    return Record(row, row, row, [])


def _ragged(record: Record, n_columns: int) -> str:
    found = f"expected {n_columns} values as in the header, found {len(record.values)}"
    if record.last_line > record.first_line:
        lines = f"lines {record.first_line} to {record.last_line}"
        return f"{found}; the row spans {lines}: is a quotation mark not closed?"
    few = len(record.values) < n_columns
    return (
        found + ("; is the row cut short?" if few else "; quote values that hold the delimiter") + record.note
    )


def _fault(lines: _Lines, record: Record, header: list[str]) -> InputError:
    at = len(record.values) - 1
    is_named = 0 <= at < len(header) and not looks_like_data(header)
    column = header[at].strip() if is_named else None
    return InputError(f"{lines.fault}{record.note}", path=lines.path, row=record.row, column=column)


class _Lines:
    """The lines of a file, up to the first character that cannot be."""

    def __init__(self, path: str, encoding: str) -> None:
        self.path, self._encoding = path, encoding
        self._bytes = Unpacked(path)
        self.fault: str | None = None
        self.is_over = False
        self.n_lines = 0

    def close(self) -> None:
        self._bytes.close()

    def __iter__(self) -> Iterator[str]:
        rest = ""
        for piece in self._pieces():
            *whole, rest = (rest + piece).split("\n")
            for line in whole:
                self.n_lines += 1
                yield line + "\n"
        self.is_over = True
        if rest:
            self.n_lines += 1
            yield rest + "\n"
        if self.fault is None:
            self.n_lines += 1
            yield _END + "\n"

    def _pieces(self) -> Iterator[str]:
        codec = codec_of(self._encoding, path=self.path)
        inner = codec.incrementaldecoder("strict")
        decoder = io.IncrementalNewlineDecoder(inner, translate=True)
        n_bytes = 0
        first = True
        while True:
            raw = self._bytes.read(_PIECE_BYTES)
            pending = len(inner.getstate()[0])
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                offset = n_bytes - pending + error.start
                self.fault = self._wrong_encoding(offset)
                yield bytes(error.object[: error.start]).decode(codec.name, "replace") + _BAD
                return
            n_bytes += len(raw)
            if first:
                text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
                first = False
            if "\0" in text:
                self.fault = "holds a NUL character; the file is damaged or not a text file"
                yield text.partition("\0")[0] + _BAD
                return
            yield text
            if not raw:
                return

    def _wrong_encoding(self, offset: int) -> str:
        found = f"not {self._encoding} text at byte {offset}"
        whole = Unpacked(self.path)
        try:
            start = whole.read(2)
            if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return f"{found}; add --encoding utf-16"
            decoder = codecs.getincrementaldecoder("cp1252")()
            decoder.decode(start)
            while piece := whole.read(_PIECE_BYTES):
                decoder.decode(piece)
        except UnicodeDecodeError:
            return f"{found}; try --encoding latin-1, or save the file as UTF-8"
        finally:
            whole.close()
        return f"{found}; try --encoding cp1252, or save the file as UTF-8"


def _records(lines: _Lines, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=delimiter)
    before = 0
    for row, values in enumerate(reader, 1):
        if values == [_END]:
            return
        yield Record(row, before + 1, reader.line_num, values)
        before = reader.line_num
