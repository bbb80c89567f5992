"""From posteriors to links."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from broker.matching import _loops
from broker.matching.candidates import Flags, Pairs, Rows
from broker.matching.evidence.model import Floats

MOST_ASSIGNED = 256
"""Rows of a side up to which a block of rivals is assigned at best; a larger one is gone through greedily."""


def choose(
    pairs: Pairs, posterior: Floats, log_ratio: Floats, *, threshold: float, exclusive: tuple[bool, bool]
) -> Rows:
    """Choose links.

    Where both sides take one link a row, each block of rivals gets the assignment of the largest sum of
    ``posterior - threshold``, that is of most true links for the false ones; blocks that are too large for it, and
    links of which one side may have several, are taken greedily, the most probable first. Rivals share a probability
    of one, so there is a choice only below a threshold of one half.

    Parameters
    ----------
    pairs : Pairs
        The candidates.
    posterior, log_ratio : ndarray of float64, shape (pairs,)
        Ties of the posterior go to the larger match weight, then to the earlier pair.
    threshold : float
        Least posterior of a link, inclusive.
    exclusive : (bool, bool)
        Whether a left row takes at most one link, and a right row.

    Returns
    -------
    ndarray of int64
        Positions in ``pairs``, ascending.
    """
    some = np.flatnonzero(posterior >= threshold)
    order = some[np.lexsort((some, -log_ratio[some], -posterior[some]))]
    chosen = np.zeros(len(pairs), dtype=np.bool_)
    if all(exclusive):
        blocks = _assigned(pairs.left[order], pairs.right[order], posterior[order] - threshold, chosen, order)
        order = order[~blocks]
    left_taken, right_taken = (
        np.zeros(int(rows.max(initial=-1)) + 1 if once else 0, dtype=np.bool_)
        for rows, once in zip((pairs.left, pairs.right), exclusive, strict=True)
    )
    _loops.choose(pairs.left, pairs.right, order, left_taken, right_taken, chosen)
    return np.flatnonzero(chosen)


def _assigned(left: Rows, right: Rows, gain: Floats, chosen: Flags, numbers: Rows) -> Flags:
    """Settle the small blocks of rivals among pairs in order of preference; gives which pairs belong to these."""
    rivals = np.zeros(len(left), dtype=np.bool_)
    for rows in (left, right):
        if len(rows):
            rivals |= np.bincount(rows)[rows] > 1
    settled = np.zeros(len(left), dtype=np.bool_)
    if not rivals.any():
        return settled
    contested = np.flatnonzero(np.isin(left, left[rivals]) | np.isin(right, right[rivals]))
    one, i = np.unique(left[contested], return_inverse=True)
    two, j = np.unique(right[contested], return_inverse=True)
    n = len(one) + len(two)
    block = connected_components(
        coo_array((np.ones(len(i)), (i, j + len(one))), shape=(n, n)), directed=False
    )[1][i]
    by_block = np.argsort(block, kind="stable")
    ends = np.flatnonzero(np.diff(block[by_block], append=-1)) + 1
    for start, end in zip(np.concatenate([[0], ends[:-1]]).tolist(), ends.tolist(), strict=True):
        mine = by_block[start:end]
        a, rows = np.unique(i[mine], return_inverse=True)
        b, columns = np.unique(j[mine], return_inverse=True)
        if max(len(a), len(b)) > MOST_ASSIGNED:
            continue
        # A pair that is no link gains nothing; the order of preference breaks ties.
        gains = np.zeros((len(a), len(b)))
        place = np.full((len(a), len(b)), -1, dtype=np.int64)
        gains[rows, columns] = gain[contested[mine]] + 1e-9 * (1 - np.arange(len(mine)) / len(mine))
        place[rows, columns] = contested[mine]
        picked = place[linear_sum_assignment(gains, maximize=True)]
        chosen[numbers[picked[picked >= 0]]] = True
        settled[contested[mine]] = True
    return settled
