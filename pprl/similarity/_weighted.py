"""Pairs of records of several filters, by weights looked up by distance.

A record's weight is a sum of float32 in the filters' order, and is only computed where it may be enough. First a
block of pairs is screened: each filter's table is bounded from above by a few steps, in whole numbers, and after
each filter the block is given up when not even the best of the rest could save one of its pairs. Filters that rule
out most come first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pprl.similarity._plan import Sample, filter_order, sampled_distances
from pprl.similarity._tiles import (
    Hits,
    Rows,
    Words,
    check,
    columns,
    cut,
    frozen,
    in_order,
    rows_at_once,
    searched,
)

Weights = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]
There = npt.NDArray[np.bool_]

_CUTS = 5  # as many steps down as there are from equal to disagreeing in usual tables
_FINE = 1 << 13  # units of the bounds in the largest sum of weights; sums and differences fit 16 bits
_UNSEEN = 1e-3
_MAX_FILTERS = 1024


def within_weighted(
    left: Words,
    right: Words | None,
    *,
    left_present: There,
    right_present: There,
    weights: Weights,
    min_weight: float,
    n_threads: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Rows, Rows]:
    """Find every pair of records whose weights, summed over their filters, reach ``min_weight``.

    Parameters
    ----------
    left : ndarray of uint64, shape (filters, n, words), C order
        The filters of one kind, then those of the next.
    right : ndarray of uint64, shape (filters, m, words), C order, or None
        None compares ``left`` with itself, as in `within`.
    left_present, right_present : ndarray of bool, shape (filters, n) and (filters, m)
        A filter missing on either side adds nothing.
    weights : ndarray of float32, shape (filters, 64 * words + 1)
        Weight of a filter by its distance in bits; finite. Sums are float32, added in the filters' order.
    min_weight : float
        Inclusive.
    n_threads : int, optional
        As in `within`.
    advance : callable
        As in `within`.

    Returns
    -------
    left_rows, right_rows : ndarray of int64, shape (hits,)
        Sorted by left row, then right row.

    Raises
    ------
    ValueError
        Where an array's shape, type or order is wrong, a weight is not finite, or ``min_weight`` no number.

    Notes
    -----
    Fast where weights fall in a few steps with growing distance and few pairs are hits; right for any weights.
    """
    other = left if right is None else right
    check(left, other, n_dimensions=3)
    n_filters, _, n_words = left.shape
    if not 0 < n_filters <= _MAX_FILTERS:
        raise ValueError(f"records must have 1 to {_MAX_FILTERS} filters, have {n_filters}")
    for name, array, dtype, shape in (
        ("left_present", left_present, np.bool_, left.shape[:2]),
        ("right_present", right_present, np.bool_, other.shape[:2]),
        ("weights", weights, np.float32, (n_filters, 64 * n_words + 1)),
    ):
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(
                f"{name} must be {np.dtype(dtype)} of shape {shape}, is {array.dtype} of shape {array.shape}"
            )
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite, as a missing filter counts as nought times its weight")
    if np.isnan(min_weight):
        raise ValueError("min_weight is no number")
    search = _Search(left, right, left_present, right_present, weights, float(min_weight), advance)
    n_rows = rows_at_once(left.shape[1], other.shape[1], n_filters * n_words, n_threads)
    parts = cut(0, left.shape[1], n_rows)
    left_rows, right_rows, _ = columns(list(in_order(search, parts, n_threads)))
    return left_rows, right_rows


class _Screen(NamedTuple):
    """What `may_reach` takes, filters in the order of ``turns``; weights in whole units."""

    turns: Whole
    bases: Whole
    cuts: Whole
    gains: Whole
    needed: Whole


class _Search:
    """Hits of a tile of left records."""

    def __init__(
        self,
        left: Words,
        right: Words | None,
        left_present: There,
        right_present: There,
        weights: Weights,
        min_weight: float,
        advance: Callable[[int], None],
    ) -> None:
        other = left if right is None else right
        self._left, self._right, self._itself = frozen(left), frozen(other), right is None
        self._left_there = frozen(np.ascontiguousarray(left_present))
        self._right_there = frozen(np.ascontiguousarray(right_present))
        self._weights, self._min_weight = frozen(np.ascontiguousarray(weights)), min_weight
        self._advance = advance
        self._as_it_is = frozen(np.empty(0, dtype=np.uint32))
        sample = sampled_distances(self._left, self._right)
        screen = _screen(sample, self._left_there, self._right_there, self._weights, min_weight)
        self._screen = _Screen(*(frozen(part) for part in screen))

    def __call__(self, rows: tuple[int, int]) -> tuple[int, Hits]:
        from pprl.similarity import _kernels
        from pprl.similarity._vectors import LANES, ROWS

        first, last = rows
        n_filters, n_right, n_words = self._right.shape
        n_groups = -(-(last - first) // ROWS)
        tile = np.empty(n_groups * n_filters * n_words * ROWS, dtype=np.uint64)
        there = np.zeros((n_filters, n_groups * ROWS), dtype=np.int16)
        size = n_words * ROWS
        for turn, f in enumerate(self._screen.turns):
            _kernels.pack_tile(
                self._left[f], self._as_it_is, first, last - first, tile, n_filters * size, turn * size
            )
            there[turn, : last - first] = -self._left_there[f, first:last].astype(np.int16)
        by_group = there.reshape(n_filters, n_groups, ROWS).transpose(1, 0, 2)
        tile_there = np.ascontiguousarray(by_group).view(np.int64).ravel()

        def search(panel: int, group: int, hits: Hits) -> tuple[int, int, int]:
            return _kernels.search_weighted(
                self._left,
                self._left_there,
                first,
                last - first,
                tile,
                tile_there,
                self._right,
                self._right_there,
                self._as_it_is,
                *self._screen,
                self._weights,
                self._min_weight,
                self._itself,
                panel,
                group,
                hits,
            )

        skipped = first // LANES if self._itself else 0
        found = searched(search, skipped, -(-n_right // LANES))
        self._advance(last - first)
        return first, found


def _screen(
    sample: Sample, left_there: There, right_there: There, weights: Weights, min_weight: float
) -> _Screen:
    """Bounds of the tables, and the order of filters in which they rule out most."""
    n_filters, n_distances = weights.shape
    there = left_there[:, sample.left, None] & right_there[:, None, sample.right]
    largest = float(np.abs(weights).max(axis=1).sum(dtype=np.float64))
    scale = _FINE / largest if largest else 0.0
    bases, most = np.zeros(n_filters, dtype=np.int64), np.zeros(n_filters, dtype=np.int64)
    cuts, gains = (np.zeros((n_filters, _CUTS), dtype=np.int64) for _ in range(2))
    added = np.zeros(there.shape)
    for f, table in enumerate(weights.astype(np.float64)):
        distances = sample.distances[f]
        added[f] = np.where(there[f], table[distances], 0)
        seen = np.bincount(distances[there[f]], minlength=n_distances) + np.float64(_UNSEEN)
        starts = _steps(table, seen)
        heights = np.ceil(np.maximum.reduceat(table, starts) * scale).astype(np.int64)
        bases[f], most[f] = heights[-1], max(heights.max(), 0)
        cuts[f, : len(starts) - 1] = starts[1:]
        gains[f, : len(starts) - 1] = heights[:-1] - heights[1:]
    # The sum of n numbers in float32 is off by at most n roundings of the sum of their sizes; and sums that are
    # too great for a float32 rule nothing out.
    error = (n_filters + 1) * largest * 2.0**-23
    least = np.floor(np.clip(min_weight - error, -2 * largest, 2 * largest) * scale) - 1
    if largest > float(np.finfo(np.float32).max) / 2:
        least = np.iinfo(np.int16).min
    highest = np.asarray(most * (largest / _FINE), dtype=np.float64)
    turns = filter_order(added.reshape(n_filters, -1), highest, min_weight)
    needed = least - np.append(np.cumsum(most[turns][:0:-1])[::-1], 0)
    n_cuts = max(int(np.count_nonzero(cuts, axis=1).max()), 1)
    return _Screen(
        turns,
        _fourfold(bases[turns]),
        _fourfold(cuts[turns, :n_cuts].ravel()),
        _fourfold(gains[turns, :n_cuts].ravel()),
        _fourfold(np.maximum(needed, np.iinfo(np.int16).min).astype(np.int64)),
    )


def _fourfold(numbers: Whole) -> Whole:
    """Words of four equal numbers of 16 bits, of which cuts have no sign."""
    words: Whole = (numbers & 0xFFFF) * 0x0001_0001_0001_0001
    return words


def _steps(table: npt.NDArray[np.float64], seen: npt.NDArray[np.float64]) -> list[int]:
    """Cut a table into at most ``_CUTS`` + 1 stretches, as little below their maxima as can be; their starts.

    Each cut is made where it saves most, weighted by how often each distance is ``seen``.
    """
    starts = [0]
    for _ in range(_CUTS):
        best, cut = 0.0, 0
        for start, stop in zip(starts, [*starts[1:], len(table)], strict=True):
            part, often = table[start:stop], seen[start:stop]
            before = np.maximum.accumulate(part)[:-1]
            after = np.maximum.accumulate(part[::-1])[::-1][1:]
            share = often.cumsum()[:-1]
            saved = (part.max() - before) * share + (part.max() - after) * (often.sum() - share)
            if len(saved) and saved.max() > best:
                best, cut = float(saved.max()), start + 1 + int(saved.argmax())
        if not cut:
            break
        starts = sorted([*starts, cut])
    return starts
