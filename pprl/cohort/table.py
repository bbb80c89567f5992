"""One attribute of a cohort in the categories of its reference, some cells perhaps suppressed.

The last cell is always "Not reported". Suppressed cells are known only by what they add up to.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np

from pprl.cohort.categories import (
    NOT_REPORTED,
    SUPPRESSED,
    CategoryMap,
    is_gap,
    load_category_map,
    resolve,
)
from pprl.cohort.population import Population
from pprl.cohort.tallies import Tally
from pprl.distance import Floats
from pprl.errors import CohortError
from pprl.labels import label_key

SuppressedAs = Literal["split", "pool"]
"""How cells known only together enter a distance: in equal parts, or as one category."""

MAX_DESCRIBED = 50
"""Categories a description has at most; and labels without a category that are still worth naming."""

MAX_NAMED = 6
"""Pooled categories whose names are still written out."""

MAX_WAYS = 20_000
"""Ways of dealing out suppressed counts that are tried one by one; of more, no range is given."""


@dataclass(frozen=True, slots=True)
class HiddenCount:
    """A suppressed count.

    Attributes
    ----------
    cell : int
        The cell it belongs to.
    limit : int or None
        The most it can be, where that is known.
    """

    cell: int
    limit: int | None


@dataclass(frozen=True)
class CohortTable:
    """Counts of one attribute.

    Attributes
    ----------
    attribute : str
    categories : tuple of str
        Without "Not reported".
    counts : tuple of int, length len(categories) + 1
        The known part of each cell, "Not reported" last.
    hidden : tuple of HiddenCount
        Suppressed counts; at least two, or none.
    hidden_total : int
        What they add up to.
    withheld : int
        The part of "Not reported" that its source withheld for privacy: not missing at random.
    suppressed_here : bool
        Whether cells were suppressed for output, which hides how much each may be.
    """

    attribute: str
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    hidden: tuple[HiddenCount, ...] = ()
    hidden_total: int = 0
    withheld: int = 0
    suppressed_here: bool = False

    @property
    def n(self) -> int:
        """People in all."""
        return sum(self.counts) + self.hidden_total

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cells, "Not reported" last."""
        return (*self.categories, NOT_REPORTED)

    @property
    def hidden_cells(self) -> tuple[int, ...]:
        """Cells whose count is not shown, ascending."""
        return tuple(sorted({one.cell for one in self.hidden}))

    @property
    def pooled_count(self) -> int:
        """People in the hidden cells together, known parts included."""
        return self.hidden_total + sum(self.counts[cell] for cell in self.hidden_cells)

    @property
    def gap(self) -> int | None:
        """People not reported; None where that is hidden."""
        return None if len(self.categories) in self.hidden_cells else self.counts[-1]

    def split(self) -> Floats:
        """The counts with the hidden ones dealt out in equal parts, as far as their limits go.

        Returns
        -------
        ndarray of float64, shape (len(categories) + 1,)
        """
        filled = np.array(self.counts, dtype=np.float64)
        left, waiting = (
            float(self.hidden_total),
            sorted(self.hidden, key=lambda h: (h.limit is None, h.limit or 0)),
        )
        for position, one in enumerate(waiting):
            share = left / (len(waiting) - position)
            share = share if one.limit is None else min(share, one.limit)
            filled[one.cell] += share
            left -= share
        return filled

    def ways(self) -> Floats | None:
        """Every way of dealing out the hidden counts within their limits.

        Returns
        -------
        ndarray of float64, shape (n_ways, len(categories) + 1), or None
            None where there would be more than `MAX_WAYS`.
        """
        total, k = self.hidden_total, len(self.hidden)
        if k == 0 or math.comb(total + k - 1, k - 1) > MAX_WAYS:
            return None
        rows = []
        for parts in _compositions(total, k):
            if all(
                one.limit is None or part <= one.limit for part, one in zip(parts, self.hidden, strict=True)
            ):
                row = list(self.counts)
                for part, one in zip(parts, self.hidden, strict=True):
                    row[one.cell] += part
                rows.append(row)
        return np.array(rows, dtype=np.float64)


def _compositions(total: int, k: int) -> Iterator[tuple[int, ...]]:
    """All tuples of k whole numbers from 0 up that add to a total."""
    for bars in itertools.combinations(range(total + k - 1), k - 1):
        edges = (-1, *bars, total + k - 1)
        yield tuple(right - left - 1 for left, right in itertools.pairwise(edges))


def tabulate(
    tally: Tally,
    *,
    cohort: str,
    maps: Sequence[CategoryMap],
    categories: Sequence[str] | None,
    reference: str = "",
) -> CohortTable:
    """Count a tally in given categories.

    Parameters
    ----------
    tally : Tally
        The attribute, as the file spells it.
    cohort, reference : str
        Names for errors.
    maps : sequence of CategoryMap
        Applied in order.
    categories : sequence of str or None
        The reference's; a category the cohort has nobody of counts 0. None: those the cohort has.

    Raises
    ------
    CohortError
        Where a label is none of them: it is named, never scored.
    """
    names: list[str] = list(categories or ())
    index = {label_key(name): place for place, name in enumerate(names)}
    resolved = {label: resolve(tally.attribute, label, maps) for label in tally.labels}
    strange = [label for label, name in resolved.items() if not is_gap(name) and label_key(name) not in index]
    if categories is None:
        if len(strange) > MAX_DESCRIBED:
            message = f"has {len(strange):,} different values; it is not a category to describe"
            raise CohortError(message, path=cohort, column=tally.column)
        for label in strange:
            if index.setdefault(label_key(resolved[label]), len(names)) == len(names):
                names.append(resolved[label])
    elif strange:
        _refuse(strange, resolved, tally, names, cohort, reference)
    known: dict[int, int] = {}
    hidden: list[tuple[int, int | None]] = []
    withheld = 0
    gap = len(names)
    for label, counted in tally.labels.items():
        category = resolved[label]
        cell = gap if is_gap(category) else index[label_key(category)]
        if label_key(category) == label_key(SUPPRESSED):
            withheld += counted.count or 0
        if counted.count is None:
            hidden.append((cell, counted.limit))
        else:
            known[cell] = known.get(cell, 0) + counted.count
    return CohortTable(
        attribute=tally.attribute,
        categories=tuple(names),
        counts=tuple(known.get(cell, 0) for cell in range(gap + 1)),
        hidden=tuple(HiddenCount(cell, limit) for cell, limit in hidden),
        hidden_total=tally.hidden_total,
        withheld=withheld,
    )


def _refuse(
    strange: Sequence[str],
    resolved: Mapping[str, str],
    tally: Tally,
    names: Sequence[str],
    cohort: str,
    reference: str,
) -> NoReturn:
    """Name the first label that no map sends to a category; where they are many, the column is wrong."""
    row = tally.labels[strange[0]].row or None
    if len(strange) > MAX_DESCRIBED:
        # A column of names or ids, most likely: none of them is repeated.
        message = (
            f"{len(strange):,} values are not categories of {tally.attribute!r}; is this the right column?"
        )
        raise CohortError(message, path=cohort, row=row, column=tally.column)
    label, mapped = strange[0], resolved[strange[0]]
    how = "" if label_key(mapped) == label_key(label) else f" (mapped to {mapped!r})"
    usual = resolve(tally.attribute, label, [load_category_map("builtin:omb")])
    by_omb = ", or by the map builtin:omb" if label_key(usual) in {label_key(name) for name in names} else ""
    message = (
        f"{label!r}{how} is not a category of {tally.attribute!r} in {reference}, which has "
        f"{', '.join(map(repr, names))}; map it by a line {tally.attribute},{label},CATEGORY of a "
        f"category map{by_omb}"
    )
    raise CohortError(message, path=cohort, row=row, column=tally.column)


@dataclass(frozen=True)
class Paired:
    """A cohort table against its reference, ready for the distance.

    Attributes
    ----------
    names : tuple of str
        Cells; those pooled have one name, the gap is last unless it is pooled with another.
    cohort, reference : ndarray of float64, shape (len(names),)
    has_gap : bool
        Whether the last cell is "Not reported" and nothing else, so that it can be dropped.
    """

    names: tuple[str, ...]
    cohort: Floats
    reference: Floats
    has_gap: bool


def pooled_label(names: Sequence[str]) -> str:
    """What categories known together are called: their names while they are few, else their number."""
    return " + ".join(names) if len(names) <= MAX_NAMED else f"{len(names):,} suppressed categories"


def pair(table: CohortTable, population: Population, *, suppressed_as: SuppressedAs) -> Paired:
    """Set a cohort table against its reference, category by category."""
    reference = np.append(population.weights, population.gap)
    hidden = table.hidden_cells
    if suppressed_as == "split" and not table.suppressed_here:
        return Paired(table.names, table.split(), reference, has_gap=True)
    counts = np.array(table.counts, dtype=np.float64)
    if len(hidden) < 2:
        counts[list(hidden)] += table.hidden_total
        return Paired(table.names, counts, reference, has_gap=True)
    shown = [cell for cell in range(len(counts)) if cell not in hidden]
    pooled_name = pooled_label([table.names[cell] for cell in hidden])
    first = [cell for cell in shown if cell < hidden[0]]
    after = [cell for cell in shown if cell > hidden[0]]
    return Paired(
        names=(*(table.names[c] for c in first), pooled_name, *(table.names[c] for c in after)),
        cohort=np.concatenate([counts[first], [table.pooled_count], counts[after]]),
        reference=np.concatenate([reference[first], [reference[list(hidden)].sum()], reference[after]]),
        has_gap=table.gap is not None,
    )
