"""Where a reference is read from: a long CSV, a built-in table, or somebody else's format."""

from __future__ import annotations

import datetime as dt
import io
import math
from pathlib import Path

from pprl.cohort.categories import BUILTIN, CategoryMap, builtin_text, load_category_map
from pprl.cohort.population import Reference, ReferenceRow, RowKind
from pprl.cohort.textfile import CsvTable, read_csv, read_text
from pprl.errors import CohortError

_COLUMNS = ("attribute", "category", "count", "period_start", "period_end", "kind", "source")


def load_reference(source: str | Path) -> Reference:
    """Read a reference population.

    Parameters
    ----------
    source : str or Path
        One of: the long CSV of `pprl.cohort.population`, with its own map ``NAME.map.csv`` beside
        ``NAME.csv`` where there is one; ``builtin:cdc-2020-03`` or ``builtin:cdc-2020-03--2021-06``; a CDC
        case surveillance line list (CSV); a Census API answer (JSON); a workbook of cumulative counts (XLSX).

    Raises
    ------
    CohortError
        Names the file, row and column.
    """
    text = str(source)
    if text.startswith(BUILTIN):
        return Reference(text, _rows(_open(builtin_text(text, ending=".csv"), text)), _maps("omb", "cdc"))
    path = Path(source)
    maps: tuple[CategoryMap, ...] = ()
    match path.suffix.lower():
        case ".json":
            from pprl.cohort.importers.census import read_census

            rows, maps = read_census(path), _maps("omb")
        case ".xlsx":
            from pprl.cohort.importers.workbook import read_workbook

            rows = read_workbook(path)
        case _:
            rows, maps = _from_csv(path)
    beside = path.with_suffix(".map.csv")
    own = (load_category_map(beside),) if beside.is_file() else ()
    return Reference(str(path), rows, (*maps, *own))


def _maps(*names: str) -> tuple[CategoryMap, ...]:
    """Built-in maps, for formats whose categories are known to be those of the maps."""
    return tuple(load_category_map(f"{BUILTIN}{name}") for name in names)


def _from_csv(path: Path) -> tuple[tuple[ReferenceRow, ...], tuple[CategoryMap, ...]]:
    from pprl.cohort.importers.line_list import is_line_list, read_line_list

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = read_csv(file, name=str(path)).header
    except OSError as error:
        raise CohortError(f"cannot be read ({error.strerror})", path=str(path)) from None
    if is_line_list(header):
        return read_line_list(path), _maps("omb", "cdc")
    return _rows(_open(read_text(path), str(path))), ()


def _open(text: str, name: str) -> CsvTable:
    table = read_csv(io.StringIO(text, newline=""), name=name)
    table.need(_COLUMNS, optional=("geography",), exactly=True)
    return table


def _rows(table: CsvTable) -> tuple[ReferenceRow, ...]:
    rows: list[ReferenceRow] = []
    for row, values in table.rows():
        cell = {column: value.strip() for column, value in values.items()}
        if not cell["attribute"]:
            raise CohortError("is empty; name the attribute", path=table.name, row=row, column="attribute")
        start = _date(cell["period_start"], table.name, row, "period_start")
        end = _date(cell["period_end"], table.name, row, "period_end")
        if start and end and end < start:
            message = "is before period_start; exchange the two"
            raise CohortError(message, path=table.name, row=row, column="period_end")
        try:
            kind = RowKind(cell["kind"].lower())
        except ValueError:
            message = f"{cell['kind']!r} is not a kind; write increment, cumulative or percent"
            raise CohortError(message, path=table.name, row=row, column="kind") from None
        if kind is RowKind.CUMULATIVE and end is None:
            message = "is empty; a cumulative count needs the day it counts up to"
            raise CohortError(message, path=table.name, row=row, column="period_end")
        rows.append(
            ReferenceRow(
                attribute=cell["attribute"],
                category=cell["category"],
                count=_count(cell["count"], table.name, row),
                start=start,
                end=end,
                kind=kind,
                source=cell["source"],
                geography=cell.get("geography", ""),
                row=row,
            )
        )
    _refuse_twins(rows, table.name)
    if not rows:
        raise CohortError("has no rows below its header", path=table.name)
    return tuple(rows)


def _refuse_twins(rows: list[ReferenceRow], name: str) -> None:
    met: dict[tuple[object, ...], int] = {}
    for row in rows:
        key = (row.attribute, row.category.casefold(), row.start, row.end, row.kind, row.geography)
        first = met.setdefault(key, row.row)
        if first != row.row:
            message = f"repeats row {first} (same attribute, category and period); keep one"
            raise CohortError(message, path=name, row=row.row)


def _count(text: str, name: str, row: int) -> float:
    try:
        count = float(text)
    except ValueError:
        count = math.nan
    if not math.isfinite(count) or count < 0:
        message = (
            f"{text!r} is not a count; write a number of people, or a percentage, without thousands separator"
        )
        raise CohortError(message, path=name, row=row, column="count")
    return count


def _date(text: str, name: str, row: int, column: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise CohortError(
            f"{text!r} is not a date; write YYYY-MM-DD", path=name, row=row, column=column
        ) from None
