"""The nearest right rows of each left row."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pprl.similarity._limits import constant
from pprl.similarity._plan import plan
from pprl.similarity._tiles import Distances, Rows, Words, check, cut, frozen, in_order, packed, rows_at_once

_NOTHING = np.iinfo(np.int64).max


def nearest(
    left: Words,
    right: Words | None,
    *,
    k: int,
    max_distance: int | None = None,
    n_threads: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Rows, Rows, Distances]:
    """Find the ``k`` nearest right rows of each left row.

    Parameters
    ----------
    left, right : ndarray of uint64
        As in `within`. ``right`` None takes the other rows of ``left``, never a row itself.
    k : int
        At least 1. Among right rows equally far the first ones count as nearer.
    max_distance : int, optional
        In bits, inclusive; without it, every row has min(k, m) nearest ones.
    n_threads, advance
        As in `within`.

    Returns
    -------
    left_rows, right_rows : ndarray of int64, shape (hits,)
        Sorted by left row, then distance, then right row.
    distances : ndarray of uint16, shape (hits,)

    Raises
    ------
    ValueError
        Where an array's shape, type or order is wrong, ``max_distance`` negative or ``k`` below 1.
    """
    from pprl.similarity import _kernels

    other = left if right is None else right
    check(left, other, n_dimensions=2)
    limits = constant(64 * left.shape[1] if max_distance is None else max_distance)
    if operator.index(k) < 1:
        raise ValueError(f"k is {k}; there is at least 1 nearest row")
    size = min(k, len(other))
    one, two, n_words = frozen(left), frozen(other), left.shape[1]
    step = plan(one, two, limits).step
    as_it_is = frozen(np.empty(0, dtype=np.uint32))

    def search(rows: tuple[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        first, last = rows
        tile = packed(one[first:last], as_it_is)
        heaps = np.full((last - first, size), _NOTHING, dtype=np.int64)
        if size:
            _kernels.search_nearest(
                tile, last - first, two, as_it_is, int(limits[0]), step, first, right is None, heaps
            )
        heaps.sort(axis=1)
        there = heaps != _NOTHING
        advance(last - first)
        return there.sum(axis=1), heaps[there]

    n_rows = rows_at_once(len(left), len(other), n_words, n_threads)
    found = list(in_order(search, cut(0, len(left), n_rows), n_threads))
    counts = np.concatenate([np.empty(0, dtype=np.int64), *(n for n, _ in found)])
    entries = np.concatenate([np.empty(0, dtype=np.int64), *(hits for _, hits in found)])
    left_rows = np.repeat(np.arange(len(left), dtype=np.int64), counts)
    return left_rows, entries & 0xFFFFFFFF, (entries >> 32).astype(np.uint16)
