"""Small counts kept out of what is shown, so that subtraction does not bring them back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

SMALL = 11
"""Counts of 1 to 10 are not shown where nothing else is said; the usual rule for health data of the United States."""


def cells_to_hide(
    counts: Sequence[int], threshold: int = SMALL, *, hidden: Collection[int] = (), hidden_total: int = 0
) -> frozenset[int] | None:
    """The cells of a table whose counts must not be shown when their total is known.

    Those are the cells of 1 to ``threshold - 1``, and as many others as it takes: at least two, together at least
    ``threshold``. Where one alone is small, the smallest of the others go with it, all that are equal, and cells of 0
    last. What is shown then fits any exchange of the hidden counts, and where all of them are small, their sum
    forces none of them: not even somebody who knows this rule can tell a hidden count.

    Parameters
    ----------
    counts : sequence of int
        A count of 0 tells of nobody.
    threshold : int
        The smallest count shown; 0 or 1 shows all.
    hidden : collection of int
        Cells that are hidden for other reasons.
    hidden_total : int
        What of those cells is not in ``counts``.

    Returns
    -------
    frozenset of int, or None
        Positions in ``counts``; None where all cells together are too few to hide one of them among.
    """
    small = {cell for cell, count in enumerate(counts) if 0 < count < threshold} | set(hidden)
    if threshold < 2 or not small:
        return frozenset(hidden)
    chosen = set(small)
    while True:
        total = sum(counts[cell] for cell in chosen) + hidden_total
        forced = chosen == small and _forced(len(chosen), total, threshold)
        if len(chosen) >= 2 and total >= threshold and not forced:
            return frozenset(chosen)
        others = [(count == 0, count) for cell, count in enumerate(counts) if cell not in chosen]
        if not others:
            return None
        # All cells of that count, not one of them: which one was taken would tell that it was the first.
        next_count = min(others)[1]
        chosen |= {cell for cell, count in enumerate(counts) if count == next_count}


def shown_counts(counts: Sequence[int], threshold: int = SMALL) -> tuple[int | None, ...]:
    """Counts with those that must not be shown as None; all of them where hiding some is not enough."""
    if not any(counts):
        return tuple(counts)
    hidden = cells_to_hide(counts, threshold)
    return tuple(None if hidden is None or cell in hidden else count for cell, count in enumerate(counts))


def _forced(n_cells: int, total: int, threshold: int) -> bool:
    """Whether counts of 1 to ``threshold - 1`` have one way only to add up to a total."""
    return total in {n_cells, n_cells * (threshold - 1)}
