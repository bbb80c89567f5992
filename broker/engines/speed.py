"""How fast this machine compares filters: measured in an instant, to tell people what a run will take."""

from __future__ import annotations

import time

import numpy as np

from pprl import similarity
from pprl.schema import Schema

_LEFT, _RIGHT = 2_048, 16_384
_LEAST_S = 0.3


def comparisons_per_s(schema: Schema) -> float:
    """Pairs of records whose filters this machine compares in a second, on all its cores.

    Parameters
    ----------
    schema : Schema
        Says how many filters a record has, and how long.

    Returns
    -------
    float
        Infinite where there are no filters.
    """
    if not schema.filter_names:
        return float("inf")
    random, n_filters, n_words = (
        np.random.default_rng(0),
        len(schema.filter_names),
        schema.filter.n_bits // 64,
    )
    left, right = (
        random.integers(0, 1 << 63, (n_filters, n, n_words), dtype=np.uint64) for n in (_LEFT, _RIGHT)
    )

    def search(n_left: int) -> None:
        if schema.filter.layout == "record":
            similarity.within(left[0, :n_left], right[0], max_distance=0)
            return
        similarity.within_weighted(
            np.ascontiguousarray(left[:, :n_left]),
            right,
            left_present=np.ones((n_filters, n_left), dtype=np.bool_),
            right_present=np.ones((n_filters, _RIGHT), dtype=np.bool_),
            weights=np.zeros((n_filters, 64 * n_words + 1), dtype=np.float32),
            min_weight=1.0,
        )

    search(64)  # compiles
    began, n_done = time.perf_counter(), 0
    while time.perf_counter() - began < _LEAST_S:
        search(_LEFT)
        n_done += 1
    return n_done * _LEFT * _RIGHT / (time.perf_counter() - began)
