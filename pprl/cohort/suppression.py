"""Small counts kept out of what is shown, so that subtraction does not bring them back."""

from __future__ import annotations

from dataclasses import replace

from pprl.cohort.table import CohortTable, HiddenCount
from pprl.errors import CohortError


def suppress_small(table: CohortTable, threshold: int) -> CohortTable:
    """Hide counts of 1 to ``threshold - 1``, and as many others as it takes.

    The total is taken to be known, since every attribute of a cohort has the same one. So at least two cells
    are hidden, together at least ``threshold`` people; where one alone is small, the smallest of the others
    go with it, all that are equal, and cells of 0 last. What is shown then fits any exchange of the hidden
    counts, and where all of them are small, their sum forces none of them: not even somebody who knows this
    rule can tell a hidden count.

    Parameters
    ----------
    table : CohortTable
        Counts of one attribute.
    threshold : int
        The smallest count shown; 0 or 1 shows all. A count of 0 tells of nobody and is shown.

    Returns
    -------
    CohortTable
        Its hidden counts are known by their sum only: all that is computed from it tells no more than what is
        shown.

    Raises
    ------
    CohortError
        Where too few people are left to hide anybody among.
    """
    if threshold < 2:
        return table
    if table.n < threshold:
        message = (
            f"the cohort counts fewer than {threshold} people; nothing of it can be shown at this threshold"
        )
        raise CohortError(message)
    before = set(table.hidden_cells)
    small = {cell for cell, count in enumerate(table.counts) if 0 < count < threshold} | before
    if not small:
        return table
    hidden, total = set(small), sum(table.counts[cell] for cell in small) + table.hidden_total
    while (
        len(hidden) < 2
        or total < threshold
        or _forced(len(hidden), total, threshold, only_small=hidden == small)
    ):
        others = [(count == 0, count) for cell, count in enumerate(table.counts) if cell not in hidden]
        if not others:
            message = (
                f"the small counts of {table.attribute!r} cannot be hidden: no other category is left to "
                "hide them among; pool categories with a map, or leave the attribute out"
            )
            raise CohortError(message)
        # All cells of that count, not one of them: which one was taken would tell that it was the first.
        next_count = min(others)[1]
        hidden |= {
            cell for cell, count in enumerate(table.counts) if count == next_count and cell not in hidden
        }
        total = sum(table.counts[cell] for cell in hidden) + table.hidden_total
    if hidden == before and not any(table.counts[cell] for cell in hidden):
        return table
    return replace(
        table,
        counts=tuple(0 if cell in hidden else count for cell, count in enumerate(table.counts)),
        hidden=tuple(HiddenCount(cell, None) for cell in sorted(hidden)),
        hidden_total=total,
        withheld=0,
        suppressed_here=True,
    )


def _forced(n_cells: int, total: int, threshold: int, *, only_small: bool) -> bool:
    """Whether counts of 1 to ``threshold - 1`` have one way only to add up to a total."""
    return only_small and total in {n_cells, n_cells * (threshold - 1)}
