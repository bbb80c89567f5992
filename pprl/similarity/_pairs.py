"""Distances of listed pairs."""

from __future__ import annotations

import numpy as np

from pprl.similarity._tiles import Distances, Rows, Words, check, frozen, in_order

_PAIRS_PER_PART = 1 << 18


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

    check(left, right, n_dimensions=2)
    if left_rows.shape != right_rows.shape:
        raise ValueError(f"row numbers differ in shape: {left_rows.shape} and {right_rows.shape}")
    for name, rows, words in (("left_rows", left_rows, left), ("right_rows", right_rows, right)):
        if rows.dtype != np.int64 or rows.ndim != 1:
            raise ValueError(f"{name} must be int64 of one dimension, is {rows.dtype} of shape {rows.shape}")
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(words):
            raise ValueError(f"{name} must be from 0 to {len(words) - 1}, are {rows.min()} to {rows.max()}")
    out = np.empty(len(left_rows), dtype=np.uint16)
    one, two, i, j = (frozen(np.ascontiguousarray(a)) for a in (left, right, left_rows, right_rows))

    def part(first: int) -> None:
        some = slice(first, first + _PAIRS_PER_PART)
        _kernels.pair_distances(one, two, i[some], j[some], out[some])

    parts = range(0, len(out), _PAIRS_PER_PART)
    for _ in in_order(part, parts, n_threads if len(parts) > 1 else 1):
        pass
    return out
