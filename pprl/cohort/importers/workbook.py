"""Workbooks of cumulative counts: a sheet an attribute, a column ``date``, and a column for each category."""

from __future__ import annotations

import datetime as dt
import math
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pprl.cohort.population import ReferenceRow, RowKind
from pprl.errors import CohortError

_DATE = "date"


def read_workbook(path: Path) -> tuple[ReferenceRow, ...]:
    """Read a workbook.

    Returns
    -------
    tuple of ReferenceRow
        Of kind cumulative, from the sheet's first date to the row's.

    Raises
    ------
    CohortError
        Names the sheet, row and column.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except OSError as error:
        raise CohortError(f"cannot be read ({error.strerror or 'not a workbook'})", path=str(path)) from None
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError):
        raise CohortError("is not an XLSX workbook", path=str(path)) from None
    try:
        rows = [
            row
            for sheet in book.worksheets
            for row in _sheet(sheet, f"{path}, sheet {sheet.title!r}", path.name)
        ]
    finally:
        book.close()
    if not rows:
        raise CohortError("has no sheet with a column 'date' and counts", path=str(path))
    return tuple(rows)


def _sheet(sheet: Any, name: str, source: str) -> Iterator[ReferenceRow]:
    cells: Iterable[tuple[Any, ...]] = sheet.iter_rows(values_only=True)
    lines = iter(enumerate(cells, 1))
    header = next(
        ((number, line) for number, line in lines if any(value is not None for value in line)), None
    )
    if header is None:
        return
    names = ["" if value is None else str(value).strip() for value in header[1]]
    dates = [place for place, column in enumerate(names) if column.casefold() == _DATE]
    if len(dates) != 1:
        raise CohortError("has no column 'date'", path=name, row=header[0])
    categories = [(place, column) for place, column in enumerate(names) if column and place != dates[0]]
    first: dt.date | None = None
    for number, line in lines:
        if all(value is None for value in line):
            continue
        day = _day(line[dates[0]], name, number)
        first = min(first or day, day)
        for place, column in categories:
            count = _count(line[place], name, number, column)
            yield ReferenceRow(
                sheet.title, column, count, first, day, RowKind.CUMULATIVE, source=source, row=number
            )


def _day(value: Any, name: str, row: int) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value).strip())
    except ValueError:
        raise CohortError("is not a date; write YYYY-MM-DD", path=name, row=row, column=_DATE) from None


def _count(value: Any, name: str, row: int, column: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value < 0
    ):
        raise CohortError("is not a count; write a number of people", path=name, row=row, column=column)
    return float(value)
