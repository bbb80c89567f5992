"""Small counts kept out of a cohort's tables."""

from __future__ import annotations

from dataclasses import replace

from pprl.cohort.table import CohortTable, HiddenCount
from pprl.errors import CohortError
from pprl.suppression import cells_to_hide


def suppress_small(table: CohortTable, threshold: int) -> CohortTable:
    """Hide counts of 1 to ``threshold - 1``, and as many others as it takes.

    The total is taken to be known, since every attribute of a cohort has the same one; which others are taken
    along is told by `pprl.suppression.cells_to_hide`.

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
    hidden = cells_to_hide(table.counts, threshold, hidden=before, hidden_total=table.hidden_total)
    if hidden is None:
        message = (
            f"the small counts of {table.attribute!r} cannot be hidden: no other category is left to "
            "hide them among; pool categories with a map, or leave the attribute out"
        )
        raise CohortError(message)
    if hidden == before and not any(table.counts[cell] for cell in hidden):
        return table
    return replace(
        table,
        counts=tuple(0 if cell in hidden else count for cell, count in enumerate(table.counts)),
        hidden=tuple(HiddenCount(cell, None) for cell in sorted(hidden)),
        hidden_total=sum(table.counts[cell] for cell in hidden) + table.hidden_total,
        withheld=0,
        suppressed_here=True,
    )
