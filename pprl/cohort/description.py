"""Who is in the cohort: counts and percentages, attribute by attribute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pprl.cohort.categories import CategoryMap, is_gap, resolve
from pprl.cohort.table import CohortTable
from pprl.cohort.tallies import Tally

MIN_VALUES = 13
"""Different numbers an attribute has at least before it is described as a quantity, not by category."""


@dataclass(frozen=True, slots=True)
class Line:
    """One category of a cohort.

    Attributes
    ----------
    category : str
    count : int or None
        None where it is suppressed.
    percent : float or None
        Of all people.
    percent_reported : float or None
        Of the people whose attribute is reported; None for "Not reported" itself.
    """

    category: str
    count: int | None
    percent: float | None
    percent_reported: float | None


@dataclass(frozen=True)
class Description:
    """One attribute of a cohort.

    Attributes
    ----------
    attribute : str
    n : int
        People in all.
    n_reported : int or None
        Those whose attribute is reported; None where that is suppressed.
    lines : tuple of Line
        "Not reported" last.
    suppressed : tuple of str
        Categories whose counts are known together only.
    suppressed_count : int
        What they add up to.
    mean, sd : float or None
        Of an attribute that is a quantity, such as an age in years, which has no lines.
    """

    attribute: str
    n: int
    n_reported: int | None
    lines: tuple[Line, ...]
    suppressed: tuple[str, ...]
    suppressed_count: int
    mean: float | None = None
    sd: float | None = None


def describe(table: CohortTable) -> Description:
    """Counts and percentages of a table; hidden cells have neither."""
    n, gap, hidden = table.n, table.gap, table.hidden_cells
    n_reported = None if gap is None else n - gap
    lines = []
    for cell, (name, count) in enumerate(zip(table.names, table.counts, strict=True)):
        if cell in hidden:
            lines.append(Line(name, None, None, None))
            continue
        of_reported = 100.0 * count / n_reported if n_reported and cell < len(table.categories) else None
        lines.append(Line(name, count, 100.0 * count / n, of_reported))
    return Description(
        attribute=table.attribute,
        n=n,
        n_reported=n_reported,
        lines=tuple(lines),
        suppressed=tuple(table.names[cell] for cell in hidden),
        suppressed_count=table.pooled_count,
    )


def describe_quantity(tally: Tally, *, maps: Sequence[CategoryMap]) -> Description | None:
    """Mean and standard deviation of an attribute whose labels are numbers; None where it is no quantity."""
    values: list[tuple[float, int]] = []
    for label, counted in tally.labels.items():
        if is_gap(resolve(tally.attribute, label, maps)):
            continue
        try:
            value = float(label)
        except ValueError:
            return None
        if counted.count is None or not math.isfinite(value):
            return None
        values.append((value, counted.count))
    n = sum(count for _, count in values)
    if len(values) < MIN_VALUES or n < 2:
        return None
    mean = math.fsum(value * count for value, count in values) / n
    variance = math.fsum((value - mean) ** 2 * count for value, count in values) / (n - 1)
    return Description(tally.attribute, tally.total, n, (), (), 0, mean, math.sqrt(variance))
