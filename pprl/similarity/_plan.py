"""What a few pairs tell of the fastest way through all of them. No plan changes a result.

Two things save work without missing a pair. A block of 64 pairs that are all too far apart after some of their
words need not be compared to the end; where strangers are only just too far apart, asking costs more than it
saves. And two rows of a and b bits are at least ``|a - b|`` apart, so that right rows in order of their numbers
of bits need only be compared with a stretch of each tile, and those of a panel share a limit that depends on
their bits; where all filters are about equally full and the limit is one for all, that order only costs memory
its rhythm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pprl.similarity._tiles import Words

_PAIRS_TO_PLAN = 1 << 20  # fewer are compared before a plan is made
_SAMPLED_ROWS = 128
_SAMPLED_WORDS = 1 << 20
_BLOCK = 64
_ASKING = 1.0  # words that could be compared in the time of asking whether a block is alive
_ORDERING_PAYS = 0.75


class Plan(NamedTuple):
    """How to search: words between asking, and whether to order the right side by numbers of bits."""

    step: int
    ordered: bool


def plan(left: Words, right: Words, limits: npt.NDArray[np.int64]) -> Plan:
    """Choose by sampled pairs.

    Parameters
    ----------
    left : ndarray of uint64, shape (n, words)
        One filter a row.
    right : ndarray of uint64, shape (m, words)
        One filter a row.
    limits : ndarray of int64
        Largest distance of two rows by the number of bits of both, the last for all greater numbers.
    """
    n_words = left.shape[1]
    if len(left) * len(right) < _PAIRS_TO_PLAN:
        return Plan(n_words, ordered=False)
    n_rows = max(min(_SAMPLED_ROWS, int((_SAMPLED_WORDS / n_words) ** 0.5)), 1)
    # Rows of one number may be one person's; these places are never the same share of the way.
    one, two = left[_places(len(left), n_rows, 0.25)], right[_places(len(right), n_rows, 0.75)]
    bits = [np.bitwise_count(rows).sum(axis=1, dtype=np.int64) for rows in (one, two)]
    farthest = limits[np.minimum(bits[0][:, None] + bits[1], len(limits) - 1)]
    possible = np.abs(bits[0][:, None] - bits[1]) <= farthest
    ordered = len(limits) > 1 or bool(possible.mean() < _ORDERING_PAYS)
    differing = np.bitwise_count(one[:, None, :] ^ two).cumsum(axis=2, dtype=np.int64)
    alive = (
        (differing <= farthest[:, :, None])[possible].mean(axis=0) if possible.any() else np.zeros(n_words)
    )
    return Plan(_step(blocks_alive(alive)), ordered)


def blocks_alive(pairs_alive: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share of blocks of which a pair is alive, by the share of pairs that are."""
    share: npt.NDArray[np.float64] = 1 - (1 - pairs_alive) ** _BLOCK
    return share


def _places(n_rows: int, n_sampled: int, offset: float) -> npt.NDArray[np.int64]:
    return ((np.arange(n_sampled) + offset) * (n_rows / max(n_sampled, 1))).astype(np.int64)


def _step(alive: npt.NDArray[np.float64]) -> int:
    """Words between asking that compare the fewest words, by the share of blocks alive after each word."""
    n_words = len(alive)
    before = np.concatenate([[1.0], alive])
    cost = {}
    for step in range(1, n_words + 1):
        asked = np.arange(0, n_words, step)
        cost[step] = float((before[asked] * (np.minimum(step, n_words - asked) + _ASKING)).sum())
    return min(cost, key=lambda step: (cost[step], -step))


class Sample(NamedTuple):
    """Distances of sampled pairs: whole numbers, shape (filters, left rows, right rows)."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int64]


def sampled_distances(left: Words, right: Words) -> Sample:
    """Compare some rows of ``left``, shape (filters, n, words), with some of ``right``; none where that pays not."""
    n_filters, n_left, n_words = left.shape
    n_right = right.shape[1]
    enough = n_left * n_right >= _PAIRS_TO_PLAN
    n_rows = max(min(_SAMPLED_ROWS, int((_SAMPLED_WORDS / (n_words * n_filters)) ** 0.5)), 1) if enough else 0
    one, two = _places(n_left, n_rows, 0.25), _places(n_right, n_rows, 0.75)
    differing = np.bitwise_count(left[:, one, None] ^ right[:, None, two])
    return Sample(one, two, differing.sum(axis=3, dtype=np.int64))


def filter_order(
    added: npt.NDArray[np.float64], most: npt.NDArray[np.float64], min_weight: float
) -> npt.NDArray[np.int64]:
    """Filters in the order in which pairs are soonest known not to reach ``min_weight``.

    Parameters
    ----------
    added : ndarray of float64, shape (filters, pairs)
        What each filter adds to the weight of sampled pairs.
    most : ndarray of float64, shape (filters,)
        What it adds at most.
    min_weight : float
        What a pair has to reach.
    """
    left = list(range(len(added)))
    turns: list[int] = []
    bound = np.full(added.shape[1], most.sum())
    while left:
        bounds = {f: bound - most[f] + added[f] for f in left}
        turns.append(min(left, key=lambda f: (int((bounds[f] >= min_weight).sum()), f)))
        bound = bounds[turns[-1]]
        left.remove(turns[-1])
    return np.array(turns, dtype=np.int64)
