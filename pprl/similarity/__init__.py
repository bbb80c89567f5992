"""Distances between packed Bloom filters: one door over compiled loops.

::

    left  uint64[n, words] ──┐   within(…, max_distance)        -> left rows, right rows, distances
                             ├── within_weighted(…, min_weight) -> left rows, right rows
    right uint64[m, words] ──┘   of_pairs(…, rows, rows)        -> distances of listed pairs

Bit p of a filter is bit ``p % 64`` of word ``p // 64``. Distances are Hamming distances, whole numbers of
bits, so a threshold is exact. All pairs are compared by popcount; nothing is hashed away, hence no pair is
missed. Tiles of rows are shared out among threads; results are sorted, the same for any number of threads.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Distances = npt.NDArray[np.uint16]

__all__ = ["of_pairs", "within", "within_weighted"]

_ROWS_PER_TILE = 256
_LANES = 32
_HITS = 1 << 18
_PAIRS_PER_TILE = 1 << 20
_MAX_WORDS = 1023  # a distance is at most 65,535, what 16 bits hold


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
    Time is n*m*words word operations; memory grows with ``right`` (a transposed copy) and the hits.
    """
    from pprl.similarity import _kernels

    limit = operator.index(max_distance)
    if limit < 0:
        raise ValueError(f"max_distance is {limit}; a distance is at least 0 bits")
    other = left if right is None else right
    _check(left, other, n_dimensions=2)
    columns = _transposed(other[None])[0]

    def some(row: int, last: int, hits: Rows) -> tuple[int, int]:
        return _kernels.search(left, row, last, columns, len(other), limit, right is None, hits)

    hits = _search(some, len(left), len(other), n_threads, advance)
    return hits[:, 0].copy(), hits[:, 1].copy(), hits[:, 2].astype(np.uint16)


def within_weighted(
    left: Words,
    right: Words | None,
    *,
    left_present: npt.NDArray[np.bool_],
    right_present: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float32],
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
        Where an array's shape, type or order is wrong, or a weight is not finite.
    """
    from pprl.similarity import _kernels

    other = left if right is None else right
    _check(left, other, n_dimensions=3)
    n_filters, _, n_words = left.shape
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
    columns = _transposed(other)
    left_there = np.ascontiguousarray(left_present.T, dtype=np.float32)
    right_there = np.zeros((n_filters, columns.shape[2]), dtype=np.float32)
    right_there[:, : other.shape[1]] = right_present
    sides = left_there, right_there

    def some(row: int, last: int, hits: Rows) -> tuple[int, int]:
        return _kernels.search_weighted(
            left, row, last, columns, other.shape[1], *sides, weights, min_weight, right is None, hits
        )

    hits = _search(some, left.shape[1], other.shape[1], n_threads, advance)
    return hits[:, 0].copy(), hits[:, 1].copy()


def of_pairs(
    left: Words, right: Words, left_rows: Rows, right_rows: Rows, *, n_threads: int | None = None
) -> Distances:
    """Measure listed pairs.

    Parameters
    ----------
    left : ndarray of uint64, shape (n, words), C order
        One filter a row.
    right : ndarray of uint64, shape (m, words), C order
        One filter a row.
    left_rows, right_rows : ndarray of int64, shape (pairs,)
        Row numbers, from 0.
    n_threads : int, optional
        All cores by default; the result does not depend on it.

    Returns
    -------
    ndarray of uint16, shape (pairs,)

    Raises
    ------
    ValueError
        Where an array's shape, type or order is wrong, or there is no such row.
    """
    from pprl.similarity import _kernels

    _check(left, right, n_dimensions=2)
    if left_rows.shape != right_rows.shape:
        raise ValueError(f"row numbers differ in shape: {left_rows.shape} and {right_rows.shape}")
    for name, rows, words in (("left_rows", left_rows, left), ("right_rows", right_rows, right)):
        if rows.dtype != np.int64 or rows.ndim != 1:
            raise ValueError(f"{name} must be int64 of one dimension, is {rows.dtype} of shape {rows.shape}")
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(words):
            raise ValueError(f"{name} must be from 0 to {len(words) - 1}, are {rows.min()} to {rows.max()}")
    out = np.empty(len(left_rows), dtype=np.uint16)

    def part(first: int) -> None:
        some = slice(first, first + _PAIRS_PER_TILE)
        _kernels.pair_distances(left, right, left_rows[some], right_rows[some], out[some])

    _in_threads(part, range(0, len(out), _PAIRS_PER_TILE), n_threads)
    return out


def _transposed(filters: Words) -> Words:
    """Word-major copies, shape (filters, words, m), filled up with zero columns to whole groups of lanes."""
    n_filters, n_rows, n_words = filters.shape
    out = np.zeros((n_filters, n_words, -(-max(n_rows, 1) // _LANES) * _LANES), dtype=np.uint64)
    out[:, :, :n_rows] = filters.transpose(0, 2, 1)
    return out


def _search(
    some: Callable[[int, int, Rows], tuple[int, int]],
    n_left: int,
    n_right: int,
    n_threads: int | None,
    advance: Callable[[int], None],
) -> Rows:
    """Search tiles of left rows; ``some(row, last, hits)`` gives the next row and how many hits it wrote."""

    def tile(first: int) -> Rows:
        last = min(first + _ROWS_PER_TILE, n_left)
        found, row = [], first
        while row < last:
            hits = np.empty((max(_HITS, n_right), 3), dtype=np.int64)
            row, n_hits = some(row, last, hits)
            found.append(hits[:n_hits].copy())
        advance(last - first)
        return np.concatenate(found)

    tiles = _in_threads(tile, range(0, n_left, _ROWS_PER_TILE), n_threads)
    return np.concatenate(tiles) if tiles else np.empty((0, 3), dtype=np.int64)


def _check(left: Words, right: Words, *, n_dimensions: int) -> None:
    for name, words in (("left", left), ("right", right)):
        if words.dtype != np.uint64 or words.ndim != n_dimensions or not words.flags.c_contiguous:
            order = "" if words.flags.c_contiguous else ", not in C order"
            raise ValueError(
                f"{name} must be a C-ordered uint64 array of {n_dimensions} dimensions, "
                f"is {words.dtype} of shape {words.shape}{order}"
            )
    if left.shape[-1] != right.shape[-1] or not 0 < left.shape[-1] <= _MAX_WORDS:
        raise ValueError(
            f"filters must be of one length, 1 to {_MAX_WORDS} words, "
            f"are of {left.shape[-1]} and {right.shape[-1]}"
        )
    if n_dimensions == 3 and left.shape[0] != right.shape[0]:
        raise ValueError(f"records differ in their filters: {left.shape[0]} and {right.shape[0]}")


def _in_threads(work: Callable[[int], Any], parts: range, n_threads: int | None) -> list[Any]:
    if len(parts) < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(n_threads or os.cpu_count()) as pool:
        return list(pool.map(work, parts))
