"""Pairs of single filters within a distance, or with a Dice coefficient of some size or more."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

import numpy as np

from pprl.similarity._limits import Limits, at_least_dice, constant
from pprl.similarity._plan import plan
from pprl.similarity._tiles import (
    Distances,
    Hits,
    Rows,
    Words,
    bits_of,
    check,
    columns,
    frozen,
    in_order,
    packed,
    searched,
    tiles,
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
    limits = constant(max_distance)
    search = _Search(left, right, limits, advance)
    parts = tiles(0, len(left), left.shape[1], n_threads)
    return columns(list(in_order(search, parts, n_threads)))


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
    search = _Search(left, right, limits, advance)
    if operator.index(rows_per_tile) < 1:
        raise ValueError(f"rows_per_tile is {rows_per_tile}; a tile has at least 1 row")
    if not 0 <= operator.index(start) <= len(left):
        raise ValueError(f"start is {start}; left has rows 0 to {len(left)}")
    return _in_tiles(search, range(start, len(left), rows_per_tile), len(left), n_threads)


def _in_tiles(search: _Search, starts: range, n_left: int, n_threads: int | None) -> Iterator[Tile]:
    cut = [(first, min(first + starts.step, n_left)) for first in starts]
    parts = [tiles(first, last, search.n_words, n_threads) for first, last in cut]
    found = in_order(search, chain.from_iterable(parts), n_threads)
    for (first, last), some in zip(cut, parts, strict=True):
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
    limits = at_least_dice(min_dice, left.shape[-1] if left.ndim else 1)
    search = _Search(left, right, limits, advance)
    parts = tiles(0, len(left), left.shape[1], n_threads)
    return columns(list(in_order(search, parts, n_threads)))


class _Search:
    """Hits of a tile of left rows; limits by the numbers of bits of both rows."""

    def __init__(
        self, left: Words, right: Words | None, limits: Limits, advance: Callable[[int], None]
    ) -> None:
        other = left if right is None else right
        check(left, other, n_dimensions=2)
        self._left, self._right = frozen(left), frozen(other)
        self._limits, self._itself, self._advance = frozen(limits), right is None, advance
        self.n_words = left.shape[1]
        self._plan = plan(self._left, self._right, limits, itself=self._itself)
        order = np.empty(0, dtype=np.uint32)
        if self._plan.ordered:
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
        skipped = first // LANES if self._itself and not self._plan.ordered else 0

        def search(panel: int, group: int, hits: Hits) -> tuple[int, int, int]:
            return _kernels.search(
                tile,
                ascending,
                ranks,
                self._right,
                self._order,
                self._limits,
                self._plan.step,
                first,
                self._itself,
                panel,
                group,
                hits,
            )

        found = searched(search, skipped, -(-len(self._right) // LANES))
        self._advance(last - first)
        return first, found
