"""The CDC's COVID-19 case surveillance line list: one row a case, counted month by month.

It has three gaps: ``Unknown``, ``Missing`` and ``NA``. The last is a value withheld for privacy, from rare
groups first, and is kept apart from the others because it is not missing at random.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pprl.cohort.categories import JOINT, SUPPRESSED
from pprl.cohort.population import ReferenceRow, RowKind
from pprl.errors import CohortError

if TYPE_CHECKING:
    import pyarrow as pa

ATTRIBUTES = ("sex", "race", "ethnicity", "age_group", "race*ethnicity")
_MONTH = "case_month"
_SIGN = (_MONTH, "current_status", "sex", "race", "ethnicity", "age_group")
_WITHHELD = "NA"
_SOURCE = "CDC COVID-19 case surveillance"
_BLOCK_BYTES = 1 << 24


def is_line_list(header: Sequence[str]) -> bool:
    """Whether a header is that of the line list."""
    return set(_SIGN) <= set(header)


def read_line_list(path: Path) -> tuple[ReferenceRow, ...]:
    """Count a line list in chunks.

    Returns
    -------
    tuple of ReferenceRow
        Of kind increment, one a month, attribute and label; cases without a month have no dates.

    Raises
    ------
    CohortError
        Where it is not CSV, or a month is not YYYY-MM.
    """
    import pyarrow as pa
    from pyarrow import csv

    columns = [_MONTH, *(name for name in ATTRIBUTES if JOINT not in name)]
    convert = csv.ConvertOptions(
        include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
    )
    counts: Counter[tuple[str, str, str]] = Counter()
    try:
        with csv.open_csv(
            path, read_options=csv.ReadOptions(block_size=_BLOCK_BYTES), convert_options=convert
        ) as file:
            for batch in file:
                _count(pa.Table.from_batches([batch]), counts)
    except pa.ArrowInvalid:
        # Arrow's own message repeats the row.
        raise CohortError(
            "is not CSV with the columns of a case surveillance line list", path=str(path)
        ) from None
    if not counts:
        raise CohortError("has no cases below its header", path=str(path))
    rows = []
    for (month, attribute, label), count in sorted(counts.items()):
        start, end = _span(month, path)
        rows.append(ReferenceRow(attribute, label, float(count), start, end, RowKind.INCREMENT, _SOURCE))
    order = {name: place for place, name in enumerate(ATTRIBUTES)}
    return tuple(sorted(rows, key=lambda row: order[row.attribute]))


def _count(table: pa.Table, counts: Counter[tuple[str, str, str]]) -> None:
    for attribute in ATTRIBUTES:
        parts = attribute.split(JOINT)
        grouped = table.group_by([_MONTH, *parts]).aggregate([([], "count_all")])
        months, *labels = (grouped[name].to_pylist() for name in (_MONTH, *parts))
        for month, *label, count in zip(months, *labels, grouped["count_all"].to_pylist(), strict=True):
            name = JOINT.join(SUPPRESSED if part.strip() == _WITHHELD else part.strip() for part in label)
            counts[month.strip(), attribute, name] += count


def _span(month: str, path: Path) -> tuple[dt.date | None, dt.date | None]:
    if month in {"", _WITHHELD, "Missing", "Unknown"}:
        return None, None
    try:
        start = dt.date.fromisoformat(f"{month}-01")
    except ValueError:
        raise CohortError(
            "has a value that is not a month; write YYYY-MM", path=str(path), column=_MONTH
        ) from None
    return start, start.replace(day=calendar.monthrange(start.year, start.month)[1])
