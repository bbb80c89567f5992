"""CSV text with row numbers, so that every error can say where."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pprl.errors import CohortError


def read_text(path: Path) -> str:
    """The text of a small file.

    Raises
    ------
    CohortError
        Where it cannot be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CohortError(f"cannot be read ({error.strerror})", path=str(path)) from None
    except UnicodeDecodeError:
        raise CohortError("is not UTF-8 text; save it as CSV UTF-8", path=str(path)) from None


@dataclass(frozen=True)
class CsvTable:
    """An open CSV file: its header read, its rows not yet.

    Attributes
    ----------
    name : str
        For errors.
    header : tuple of str
        Column names, blanks at the ends removed.
    """

    name: str
    header: tuple[str, ...]
    _reader: Iterator[list[str]]

    def need(self, columns: Sequence[str], *, optional: Collection[str] = (), exactly: bool = False) -> None:
        """Check the header.

        Raises
        ------
        CohortError
            Where one of ``columns`` is missing, or, with ``exactly``, another one is there.
        """
        missing = next((column for column in columns if column not in self.header), None)
        if missing is not None:
            raise CohortError(
                f"has no column {missing!r}; its header must be {','.join(columns)}", path=self.name
            )
        extra = next((name for name in self.header if name not in columns and name not in optional), None)
        if exactly and extra is not None:
            raise CohortError(
                f"has a column {extra!r} that is not known here; keep {','.join([*columns, *optional])}",
                path=self.name,
            )

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """As `select`, all columns, by name."""
        for row, values in self.select(self.header):
            yield row, dict(zip(self.header, values, strict=True))

    def select(self, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """Row numbers (the header is row 1) and the values of some columns; blank lines are passed over.

        Raises
        ------
        CohortError
            Where a row is longer or shorter than the header, or is not CSV.
        """
        places = [self.header.index(column) for column in columns]
        row, width = 1, len(self.header)
        try:
            for row, values in enumerate(self._reader, 2):
                if len(values) != width:
                    if not values:
                        continue
                    message = (
                        f"has {len(values)} values where the header has {width}; quote values "
                        "that hold a comma"
                    )
                    raise CohortError(message, path=self.name, row=row)
                yield row, [values[place] for place in places]
        except csv.Error as error:
            raise CohortError(f"is not CSV ({error})", path=self.name, row=row + 1) from None
        except UnicodeDecodeError:
            raise CohortError("is not UTF-8 text; save it as CSV UTF-8", path=self.name) from None


def read_csv(file: TextIO, *, name: str) -> CsvTable:
    """Read the header of a CSV file.

    Raises
    ------
    CohortError
        Where it is empty, or two columns have one name.
    """
    reader = csv.reader(file, strict=True)
    try:
        header = tuple(value.strip() for value in next(reader, []))
    except csv.Error as error:
        raise CohortError(f"is not CSV ({error})", path=name, row=1) from None
    except UnicodeDecodeError:
        raise CohortError("is not UTF-8 text; save it as CSV UTF-8", path=name) from None
    if not any(header):
        raise CohortError("is empty; the first row must be a header", path=name)
    twice = next((column for column in header if header.count(column) > 1), None)
    if twice is not None:
        raise CohortError("stands twice in the header; rename one", path=name, row=1, column=twice)
    return CsvTable(name, header, reader)
