"""Answers of the US Census API: an array of arrays, the header first, everything a string.

Two tables of the American Community Survey are understood: B03002 (race by Hispanic origin) and B01001 (sex
by age). All cells of a table must be there, so that its margins are whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pprl.cohort.population import ReferenceRow, RowKind
from pprl.cohort.textfile import read_text
from pprl.errors import CohortError

_RACES = (
    "White",
    "Black or African American",
    "American Indian or Alaska Native",
    "Asian",
    "Native Hawaiian or Other Pacific Islander",
    "Other",
    "Multiple",
)
_ORIGINS = ("Not Hispanic or Latino", "Hispanic or Latino")
# fmt: off
_AGES = (
    "0-4", "5-9", "10-14", "15-17", "18-19", "20", "21", "22-24", "25-29", "30-34", "35-39", "40-44",
    "45-49", "50-54", "55-59", "60-61", "62-64", "65-66", "67-69", "70-74", "75-79", "80-84", "85+",
)
# fmt: on
_SEXES = ("Male", "Female")

_Cells = dict[str, tuple[str, str]]


def _race_by_origin() -> _Cells:
    """B03002: 003 to 009 are not Hispanic by race, 013 to 019 Hispanic; 002 and 012 are their sums."""
    return {
        f"B03002_{first + place:03d}E": (race, origin)
        for first, origin in zip((3, 13), _ORIGINS, strict=True)
        for place, race in enumerate(_RACES)
    }


def _sex_by_age() -> _Cells:
    """B01001: 003 to 025 are male by age, 027 to 049 female; 002 and 026 are their sums."""
    return {
        f"B01001_{first + place:03d}E": (sex, age)
        for first, sex in zip((3, 27), _SEXES, strict=True)
        for place, age in enumerate(_AGES)
    }


_TABLES: dict[str, tuple[tuple[str, str], _Cells]] = {
    "B03002": (("race", "ethnicity"), _race_by_origin()),
    "B01001": (("sex", "age"), _sex_by_age()),
}


def read_census(path: Path) -> tuple[ReferenceRow, ...]:
    """Read an answer of the Census API.

    Returns
    -------
    tuple of ReferenceRow
        Both margins and the joint cells of each table, one geography a row of the answer.

    Raises
    ------
    CohortError
        Where it has neither table whole, or a value is not a count.
    """
    try:
        answer = json.loads(read_text(path))
    except ValueError:
        raise CohortError("is not JSON; save the Census API's answer as it came", path=str(path)) from None
    if not (
        isinstance(answer, list)
        and len(answer) > 1
        and all(isinstance(row, list) and len(row) == len(answer[0]) for row in answer)
        and all(isinstance(name, str) for name in answer[0])
    ):
        raise CohortError("is not a Census API answer: an array of rows, the header first", path=str(path))
    header, rows = answer[0], []
    tables = {name: table for name, table in _TABLES.items() if any(cell in header for cell in table[1])}
    if not tables:
        raise CohortError(f"has no cells of the tables {' or '.join(_TABLES)}", path=str(path), row=1)
    for name, (_, cells) in tables.items():
        missing = next((cell for cell in cells if cell not in header), None)
        if missing is not None:
            message = f"has no column {missing!r}; ask for the whole table with get=NAME,group({name})"
            raise CohortError(message, path=str(path), row=1)
    for number, values in enumerate(answer[1:], 2):
        record = dict(zip(header, values, strict=True))
        place = str(record.get("NAME") or record.get("GEO_ID") or f"row {number}")
        for name, (attributes, cells) in tables.items():
            counts = {key: _count(record[cell], path, number, cell) for cell, key in cells.items()}
            for attribute, category, count in _margins(attributes, counts):
                source = f"US Census Bureau, American Community Survey, table {name}"
                rows.append(
                    ReferenceRow(
                        attribute, category, count, None, None, RowKind.INCREMENT, source, place, number
                    )
                )
    return tuple(rows)


def _margins(
    attributes: tuple[str, str], counts: dict[tuple[str, str], float]
) -> Iterator[tuple[str, str, float]]:
    for side, attribute in enumerate(attributes):
        sums: dict[str, float] = {}
        for key, count in counts.items():
            sums[key[side]] = sums.get(key[side], 0.0) + count
        for category, count in sums.items():
            yield attribute, category, count
    for key, count in counts.items():
        yield "*".join(attributes), "*".join(key), count


def _count(value: object, path: Path, row: int, column: str) -> float:
    try:
        count = float(str(value))
    except ValueError:
        count = -1.0
    if not 0.0 <= count < 1e12:
        # The Census marks an estimate it does not give by null or a large negative number.
        raise CohortError(
            "is not a count; the Census does not give it for this place",
            path=str(path),
            row=row,
            column=column,
        )
    return count
