"""How fast this machine compares filters: measured in an instant, to tell people what a run will take."""

from __future__ import annotations

import time

import numpy as np

from pprl import similarity
from pprl.schema import Schema

_LEFT, _RIGHT = 2_048, 16_384
_LEAST_S = 0.3
_NEAR = 0.43


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

    # As of names: strangers tell against each other in every field.
    weights = np.full((n_filters, 64 * n_words + 1), -2, dtype=np.float32)
    for nearness, weight in ((0.4, 2), (0.3, 4), (0.0, 6)):
        weights[:, : int(nearness * 64 * n_words) + 1] = weight

    def search(n_left: int) -> None:
        if schema.filter.layout == "record":
            near = int(_NEAR * 64 * n_words)  # a smaller distance would be ruled out sooner
            similarity.within(left[0, :n_left], right[0], max_distance=near)
            return
        similarity.within_weighted(
            np.ascontiguousarray(left[:, :n_left]),
            right,
            left_present=np.ones((n_filters, n_left), dtype=np.bool_),
            right_present=np.ones((n_filters, _RIGHT), dtype=np.bool_),
            weights=weights,
            min_weight=n_filters,
        )

    search(64)  # compiles
    began, n_done = time.perf_counter(), 0
    while time.perf_counter() - began < _LEAST_S:
        search(_LEFT)
        n_done += 1
    return n_done * _LEFT * _RIGHT / (time.perf_counter() - began)
