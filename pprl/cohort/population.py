"""Reference populations: rows of counts with the period they count, and what they add up to.

A reference is a long CSV ``attribute,category,count,period_start,period_end,kind,source[,geography]``. The
kind says what may be done with a count::

    increment    new in the period: counts of different periods are added
    cumulative   all up to period_end: never added, the last one in the period is taken
    percent      a share in per cent: used as a weight, of one period only
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pprl.cohort.categories import CategoryMap, is_gap, load_category_map, resolve
from pprl.distance import Floats
from pprl.errors import CohortError
from pprl.labels import label_key

Period = tuple[dt.date | None, dt.date | None]
"""First and last day, both counted; None is open."""


class RowKind(StrEnum):
    """What a reference row counts."""

    INCREMENT = "increment"
    CUMULATIVE = "cumulative"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One count of a reference.

    Attributes
    ----------
    attribute, category : str
        As written.
    count : float
        People, or per cent.
    start, end : date or None
        Period, both days counted; None where it is not given.
    kind : RowKind
    source, geography : str
        Where the count is from, and of where; empty where not given.
    row : int
        Row of the file, for errors; 0 where there is none.
    """

    attribute: str
    category: str
    count: float
    start: dt.date | None
    end: dt.date | None
    kind: RowKind
    source: str = ""
    geography: str = ""
    row: int = 0


@dataclass(frozen=True)
class Population:
    """The reference distribution of one attribute.

    Attributes
    ----------
    attribute : str
    categories : tuple of str
        In the order of the file, "Not reported" left out.
    weights : ndarray of float64, shape (len(categories),)
        People, or per cent.
    gap : float
        The weight of "Not reported", suppressed ones included.
    suppressed : float
        The part of ``gap`` that was withheld for privacy, and so is not missing at random.
    kind : RowKind
    start, end : date or None
        The period the weights count.
    sources : tuple of str
    geography : str
    """

    attribute: str
    categories: tuple[str, ...]
    weights: Floats
    gap: float
    suppressed: float
    kind: RowKind
    start: dt.date | None
    end: dt.date | None
    sources: tuple[str, ...]
    geography: str


@dataclass(frozen=True)
class Reference:
    """A reference population.

    Attributes
    ----------
    name : str
        File or built-in name.
    rows : tuple of ReferenceRow
    maps : tuple of CategoryMap
        The maps that belong to it; applied after the user's own.
    """

    name: str
    rows: tuple[ReferenceRow, ...]
    maps: tuple[CategoryMap, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes in the order of the file."""
        return tuple(dict.fromkeys(row.attribute for row in self.rows))

    def population(
        self,
        attribute: str,
        *,
        maps: Sequence[CategoryMap] = (),
        period: Period = (None, None),
        geography: str | None = None,
    ) -> Population:
        """Add up one attribute.

        Parameters
        ----------
        attribute : str
            One of `attributes`.
        maps : sequence of CategoryMap
            The user's maps; the reference's own come after them.
        period : (date or None, date or None)
            Only rows of this period.
        geography : str, optional
            Only rows of this place; needed where the reference has several.

        Raises
        ------
        CohortError
            Where no row is left, rows cannot be added up, or two categories are one by another name.
        """
        rows = [row for row in self.rows if row.attribute == attribute]
        if not rows:
            raise CohortError(
                f"has no attribute {attribute!r}; it has {', '.join(self.attributes)}", path=self.name
            )
        rows = self._of_place(rows, attribute, geography)
        rows = self._of_period(rows, attribute, period)
        kinds = sorted({row.kind.value for row in rows})
        if len(kinds) > 1:
            raise CohortError(
                f"{attribute!r} mixes rows of kind {' and '.join(kinds)}; keep one kind", path=self.name
            )
        match rows[0].kind:
            case RowKind.CUMULATIVE:
                rows = self._last(rows, attribute)
            case RowKind.INCREMENT:
                self._refuse_overlap(rows)
            case RowKind.PERCENT:
                self._refuse_mixture(rows, attribute)
        return self._pool(rows, attribute, (*maps, *self.maps))

    def _of_place(
        self, rows: list[ReferenceRow], attribute: str, geography: str | None
    ) -> list[ReferenceRow]:
        places = list(dict.fromkeys(row.geography for row in rows))
        if geography is None:
            if len(places) > 1:
                shown = ", ".join(repr(place) for place in places[:5]) + (", ..." if len(places) > 5 else "")
                raise CohortError(
                    f"{attribute!r} has {len(places)} geographies ({shown}); choose one", path=self.name
                )
            return rows
        kept = [row for row in rows if label_key(row.geography) == label_key(geography)]
        if not kept:
            raise CohortError(f"{attribute!r} has no rows of geography {geography!r}", path=self.name)
        return kept

    def _of_period(self, rows: list[ReferenceRow], attribute: str, period: Period) -> list[ReferenceRow]:
        start, end = period[0] or dt.date.min, period[1] or dt.date.max
        if period == (None, None):
            return rows
        kept = []
        for row in rows:
            if row.end is None or row.start is None:
                continue
            if row.kind is RowKind.CUMULATIVE:
                if start <= row.end <= end:
                    kept.append(row)
            elif start <= row.start and row.end <= end:
                kept.append(row)
            elif row.start <= end and start <= row.end and row.kind is RowKind.INCREMENT:
                message = (
                    f"counts {row.start} to {row.end}, of which only a part is in the period; move its ends"
                )
                raise CohortError(message, path=self.name, row=row.row or None)
        if not kept:
            spans = [row for row in rows if row.start and row.end]
            covered = (
                f"; it covers {min(row.start for row in spans if row.start)} to "
                f"{max(row.end for row in spans if row.end)}"
                if spans
                else "; its rows have no dates"
            )
            raise CohortError(f"{attribute!r} has no rows of that period{covered}", path=self.name)
        return kept

    def _last(self, rows: list[ReferenceRow], attribute: str) -> list[ReferenceRow]:
        last = max(row.end or dt.date.min for row in rows)
        kept = [row for row in rows if (row.end or dt.date.min) == last]
        there = {label_key(row.category) for row in kept}
        missing = next((row for row in rows if label_key(row.category) not in there), None)
        if missing is not None:
            message = (
                f"{attribute!r} has no cumulative count of {missing.category!r} at {last}, the last date "
                "of the "
                "others; add it, or choose an earlier period"
            )
            raise CohortError(message, path=self.name, row=missing.row or None)
        return kept

    def _refuse_overlap(self, rows: list[ReferenceRow]) -> None:
        before: dict[str, ReferenceRow] = {}
        for row in sorted(rows, key=lambda r: (label_key(r.category), r.start or dt.date.min)):
            last = before.get(label_key(row.category))
            if last is not None and (row.start is None or last.end is None or row.start <= last.end):
                message = f"counts a period again that row {last.row} counts; keep one, or choose a period"
                raise CohortError(message, path=self.name, row=row.row or None)
            before[label_key(row.category)] = row

    def _refuse_mixture(self, rows: list[ReferenceRow], attribute: str) -> None:
        if len({(row.start, row.end) for row in rows}) > 1:
            message = (
                f"{attribute!r} has percentages of several periods, which cannot be added; choose a period"
            )
            raise CohortError(message, path=self.name)
        total = sum(row.count for row in rows)
        # Each printed percentage is off by half a unit at most, where whole numbers are printed.
        if abs(total - 100.0) > max(1.0, 0.5 * len(rows)):
            message = (
                f"the percentages of {attribute!r} add up to {total:g}, not 100; add the missing categories"
            )
            raise CohortError(message, path=self.name)

    def _pool(self, rows: list[ReferenceRow], attribute: str, maps: Sequence[CategoryMap]) -> Population:
        weights: dict[str, float] = {}
        names: dict[str, str] = {}
        gap = suppressed = 0.0
        for row in rows:
            category = resolve(attribute, row.category, maps)
            if is_gap(category):
                gap += row.count
                suppressed += row.count if label_key(category) == "suppressed" else 0.0
                continue
            name = names.setdefault(label_key(category), category)
            weights[name] = weights.get(name, 0.0) + row.count
        if not any(weights.values()):
            raise CohortError(f"{attribute!r} counts nobody whose {attribute} is reported", path=self.name)
        self._refuse_synonyms(attribute, list(weights))
        starts, ends = [row.start for row in rows if row.start], [row.end for row in rows if row.end]
        return Population(
            attribute=attribute,
            categories=tuple(weights),
            weights=np.array(list(weights.values()), dtype=np.float64),
            gap=gap,
            suppressed=suppressed,
            kind=rows[0].kind,
            start=min(starts, default=None),
            end=max(ends, default=None),
            sources=tuple(dict.fromkeys(row.source for row in rows if row.source)),
            geography=rows[0].geography,
        )

    def _refuse_synonyms(self, attribute: str, categories: list[str]) -> None:
        """Two names of one category would be scored as a difference that is not there."""
        omb = load_category_map("builtin:omb")
        met: dict[str, str] = {}
        for category in categories:
            other = met.setdefault(label_key(resolve(attribute, category, [omb])), category)
            if other != category:
                message = (
                    f"{attribute!r} has {other!r} and {category!r}, two names of one category; add a map"
                )
                raise CohortError(message, path=self.name)
