"""Distances between packed Bloom filters: one door over compiled loops.

::

    left  uint64[n, words] ──┐
                             ├── within(…, max_distance)   -> (left, right, distance) of every pair that near
    right uint64[m, words] ──┘   of_pairs(…, rows, rows)   -> distance of each listed pair

Bit p of a filter is bit ``p % 64`` of word ``p // 64``. Distances are Hamming distances, whole numbers of bits, so
a threshold is exact. All pairs are compared by popcount; nothing is hashed away, hence no pair is missed. Rows are
worked on in tiles by threads, and results are sorted, the same for any number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Distances = npt.NDArray[np.uint16]

__all__ = ["of_pairs", "within"]

_ROWS_PER_TILE = 256
_LANES = 32
_HITS = 1 << 18


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
    right : ndarray of uint64, shape (m, words), C order, or None
        None compares ``left`` with itself, each unordered pair once and no row with itself.
    max_distance : int
        In bits, inclusive.
    n_threads : int, optional
        All cores by default; the result does not depend on it.
    advance : callable
        Called with the number of left rows just done.

    Returns
    -------
    left_rows, right_rows : ndarray of int64, shape (hits,)
        Sorted by left row, then right row.
    distances : ndarray of uint16, shape (hits,)

    Notes
    -----
    Time is n*m*words word operations; memory grows with ``right`` (a transposed copy) and the hits.
    """
    from pprl.similarity import _kernels

    other = left if right is None else right
    _check(left, other)
    n_left, n_right = len(left), len(other)
    padded = np.zeros((other.shape[1], -(-max(n_right, 1) // _LANES) * _LANES), dtype=np.uint64)
    padded[:, :n_right] = other.T
    after = 0 if right is None else -1

    def tile(first: int) -> npt.NDArray[np.int64]:
        last = min(first + _ROWS_PER_TILE, n_left)
        found = []
        row = first
        while row < last:
            hits = np.empty((max(_HITS, n_right), 3), dtype=np.int64)
            row, n_hits = _kernels.search(left, row, last, padded, n_right, max_distance, after, hits, 0)
            found.append(hits[:n_hits].copy())
        advance(last - first)
        return np.concatenate(found) if len(found) > 1 else found[0]

    tiles = _in_threads(tile, range(0, n_left, _ROWS_PER_TILE), n_threads)
    hits = np.concatenate(tiles) if tiles else np.empty((0, 3), dtype=np.int64)
    return hits[:, 0].copy(), hits[:, 1].copy(), hits[:, 2].astype(np.uint16)


def of_pairs(left: Words, right: Words, left_rows: Rows, right_rows: Rows, *, n_threads: int | None = None) -> Distances:
    """Measure listed pairs.

    Parameters
    ----------
    left, right : ndarray of uint64, shape (n, words) and (m, words)
    left_rows, right_rows : ndarray of int64, shape (pairs,)
        Row numbers.
    n_threads : int, optional

    Returns
    -------
    ndarray of uint16, shape (pairs,)
    """
    from pprl.similarity import _kernels

    _check(left, right)
    out = np.empty(len(left_rows), dtype=np.uint16)
    step = 1 << 20

    def part(first: int) -> None:
        some = slice(first, first + step)
        _kernels.pair_distances(left, right, left_rows[some], right_rows[some], out[some])

    _in_threads(part, range(0, len(out), step), n_threads)
    return out


def _check(left: Words, right: Words) -> None:
    for name, words in (("left", left), ("right", right)):
        if words.dtype != np.uint64 or words.ndim != 2 or not words.flags.c_contiguous:
            raise ValueError(
                f"{name} must be a C-ordered uint64 array of two dimensions, is {words.dtype} {words.shape}"
            )
    if left.shape[1] != right.shape[1] or not left.shape[1]:
        raise ValueError(f"filters differ in length: {left.shape[1]} and {right.shape[1]} words")


def _in_threads(work: Callable[[int], Any], parts: range, n_threads: int | None) -> list[Any]:
    if len(parts) < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(n_threads or os.cpu_count()) as pool:
        return list(pool.map(work, parts))
