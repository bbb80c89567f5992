"""Pairs of single filters within a distance, or with a Dice coefficient of some size or more."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pprl.similarity._limits import Limits, at_least_dice, constant
from pprl.similarity._plan import Plan, plan
from pprl.similarity._tiles import (
    Distances,
    Hits,
    Rows,
    Words,
    bits_of,
    check,
    columns,
    cut,
    frozen,
    in_order,
    packed,
    rows_at_once,
    searched,
)


class Tile(NamedTuple):
    """The hits of left rows ``first_row`` to ``last_row`` - 1, sorted by left row, then right row.

    Attributes
    ----------
    first_row, last_row : int
    left_rows, right_rows : ndarray of int64, shape (hits,)
        Row numbers in the whole arrays.
    distances : ndarray of uint16, shape (hits,)
        In bits.
    """

    first_row: int
    last_row: int
    left_rows: Rows
    right_rows: Rows
    distances: Distances


def within(
    left: Words,
    right: Words | None,
    *,
    max_distance: int,
    n_threads: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Rows, Rows, Distances]:
    """Find every pair of rows at most ``max_distance`` bits apart.

    Parameters
    ----------
    left : ndarray of uint64, shape (n, words), C order
        One filter a row.
    right : ndarray of uint64, shape (m, words), C order, or None
        None compares ``left`` with itself, each unordered pair once and no row with itself.
    max_distance : int
        In bits, inclusive; at least 0.
    n_threads : int, optional
        All cores by default; the result does not depend on it.
    advance : callable
        Called with the number of left rows just done, from the threads that did them.

    Returns
    -------
    left_rows, right_rows : ndarray of int64, shape (hits,)
        Sorted by left row, then right row.
    distances : ndarray of uint16, shape (hits,)

    Raises
    ------
    ValueError
        Where an array's shape, type or order is wrong, or ``max_distance`` negative.

    Notes
    -----
    Time is n*m*words word operations. Memory beyond the arguments is 26 bytes a hit and less than a mebibyte a
    thread; `within_tiles` holds the hits of some rows only.
    """
    check(left, left if right is None else right, n_dimensions=2)
    return _all_pairs(left, right, constant(max_distance), n_threads, advance)


def within_tiles(
    left: Words,
    right: Words | None,
    *,
    max_distance: int,
    rows_per_tile: int,
    start: int = 0,
    n_threads: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Tile]:
    """Find what `within` finds, a tile of left rows at a time, in their order.

    For left sides whose hits are too many for memory, or for work that has to survive an interruption: write each
    tile away, and go on later with ``start`` at the ``last_row`` of the last one written.

    Parameters
    ----------
    left, right : ndarray of uint64
        As in `within`. May be mapped from files: the right side is read in stretches once for every few thousand
        left rows, the left side once.
    max_distance : int
        As in `within`.
    rows_per_tile : int
        At least 1; the last tile may have fewer. Some thousand rows keep all threads busy.
    start : int
        First row of the first tile, 0 to n.
    n_threads : int, optional
        As in `within`; work is shared out in parts of a tile, at most two for each thread ahead of what has been
        taken from the iterator.
    advance : callable
        As in `within`.

    Yields
    ------
    Tile
        Of every stretch of ``rows_per_tile`` rows, also without a hit.

    Raises
    ------
    ValueError
        As in `within`, or where ``rows_per_tile`` or ``start`` is out of range. Raised at once, not at the first
        tile.
    """
    limits = constant(max_distance)
    other = left if right is None else right
    check(left, other, n_dimensions=2)
    if operator.index(rows_per_tile) < 1:
        raise ValueError(f"rows_per_tile is {rows_per_tile}; a tile has at least 1 row")
    if not 0 <= operator.index(start) <= len(left):
        raise ValueError(f"start is {start}; left has rows 0 to {len(left)}")
    chosen = plan(frozen(left), frozen(other), limits)
    if right is None:
        chosen = Plan(chosen.step, ordered=False)  # the order of rows saves half of the pairs
    search = _Search(left, right, limits, chosen, advance)
    n_rows = rows_at_once(len(left) - start, len(other), left.shape[1], n_threads)
    return _in_tiles(search, cut(start, len(left), rows_per_tile), n_rows, n_threads)


def _in_tiles(
    search: _Search, wanted: list[tuple[int, int]], n_rows: int, n_threads: int | None
) -> Iterator[Tile]:
    parts = [cut(first, last, n_rows) for first, last in wanted]
    found = in_order(search, list(chain.from_iterable(parts)), n_threads)
    with closing(found):
        for (first, last), some in zip(wanted, parts, strict=True):
            yield Tile(first, last, *columns([next(found) for _ in some]))


def within_dice(
    left: Words,
    right: Words | None,
    *,
    min_dice: Fraction | float,
    n_threads: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Rows, Rows, Distances]:
    """Find every pair of rows with a Dice coefficient of at least ``min_dice``.

    Of rows with a and b bits set, c of them in common, the coefficient is 2c / (a + b). With their distance
    d = a + b - 2c that is 1 - d / (a + b), hence d <= (1 - t)(a + b) for a coefficient of t or more.

    Parameters
    ----------
    left, right : ndarray of uint64
        As in `within`.
    min_dice : Fraction or float
        Above 0, at most 1, inclusive. A float counts as the decimal it prints as: 0.8 is four fifths, and a pair
        of exactly four fifths is a hit.
    n_threads, advance
        As in `within`.

    Returns
    -------
    left_rows, right_rows : ndarray of int64, shape (hits,)
        Sorted by left row, then right row.
    distances : ndarray of uint16, shape (hits,)
        In bits, from which the coefficient follows as above.

    Raises
    ------
    ValueError
        Where an array's shape, type or order is wrong, or ``min_dice`` out of range.

    Notes
    -----
    A row without any bit is a missing value: it is similar to nothing, not even to another such row, for which
    the coefficient is not defined. Rows whose numbers of bits rule each other out are not compared.
    """
    check(left, left if right is None else right, n_dimensions=2)
    return _all_pairs(left, right, at_least_dice(min_dice, left.shape[1]), n_threads, advance)


def _all_pairs(
    left: Words,
    right: Words | None,
    limits: Limits,
    n_threads: int | None,
    advance: Callable[[int], None],
) -> tuple[Rows, Rows, Distances]:
    other = left if right is None else right
    chosen = plan(frozen(left), frozen(other), limits)
    order = None
    if right is None and chosen.ordered:
        # Both sides in one order: a stretch of it is compared with what comes later, as rows are otherwise.
        order = np.argsort(bits_of(frozen(left)), kind="stable")
        left, chosen = np.asarray(left)[order], Plan(chosen.step, ordered=False)
    search = _Search(left, right, limits, chosen, advance)
    parts = cut(0, len(left), rows_at_once(len(left), len(other), left.shape[1], n_threads))
    found = columns(list(in_order(search, parts, n_threads)))
    return found if order is None else _reordered(order, *found)


def _reordered(
    order: npt.NDArray[np.int64], left_rows: Rows, right_rows: Rows, distances: Distances
) -> tuple[Rows, Rows, Distances]:
    """Pairs of places in an order as sorted pairs of rows, the lower row left."""
    one, two = order[left_rows], order[right_rows]
    lower, higher = np.minimum(one, two), np.maximum(one, two)
    by = np.argsort(lower.view(np.uint64) << 32 | higher.view(np.uint64))
    return lower[by], higher[by], distances[by]


class _Search:
    """Hits of a tile of left rows; limits by the numbers of bits of both rows."""

    def __init__(
        self,
        left: Words,
        right: Words | None,
        limits: Limits,
        chosen: Plan,
        advance: Callable[[int], None],
    ) -> None:
        self._left, self._right = frozen(left), frozen(left if right is None else right)
        self._limits, self._itself, self._advance = frozen(limits), right is None, advance
        self._step = chosen.step
        order = np.empty(0, dtype=np.uint32)
        if chosen.ordered:
            order = np.argsort(bits_of(self._right), kind="stable").astype(np.uint32)
        self._order = frozen(order)

    def __call__(self, rows: tuple[int, int]) -> tuple[int, Hits]:
        from pprl.similarity import _kernels
        from pprl.similarity._vectors import LANES

        first, last = rows
        bits = bits_of(self._left[first:last])
        ranks = np.argsort(bits, kind="stable").astype(np.uint32)
        tile = packed(self._left[first:last], ranks)
        ascending, ranks = frozen(bits[ranks].astype(np.int64)), frozen(ranks)
        # Earlier rows count with none of the tile's.
        skipped = first // LANES if self._itself else 0

        def search(panel: int, group: int, hits: Hits) -> tuple[int, int, int]:
            return _kernels.search(
                tile,
                ascending,
                ranks,
                self._right,
                self._order,
                self._limits,
                self._step,
                first,
                self._itself,
                panel,
                group,
                hits,
            )

        found = searched(search, skipped, -(-len(self._right) // LANES))
        self._advance(last - first)
        return first, found
