"""The similarity kernels one pair at a time, in plain Python whole numbers; only the weights are numpy's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def number(words) -> int:
    """A filter as one number of 64 bits a word."""
    return sum(int(word) << (64 * place) for place, word in enumerate(words))


def distance(one, two) -> int:
    return (number(one) ^ number(two)).bit_count()


def all_pairs(n_left: int, n_right: int | None) -> Iterator[tuple[int, int]]:
    for i in range(n_left):
        for j in range(n_right) if n_right is not None else range(i + 1, n_left):
            yield i, j


def within(left, right, max_distance: int) -> list[tuple[int, int, int]]:
    other = left if right is None else right
    pairs = all_pairs(len(left), None if right is None else len(right))
    measured = [(i, j, distance(left[i], other[j])) for i, j in pairs]
    return [hit for hit in measured if hit[2] <= max_distance]


def within_weighted(left, right, left_present, right_present, weights, min_weight) -> list[tuple[int, int]]:
    other = left if right is None else right
    hits = []
    for i, j in all_pairs(left.shape[1], None if right is None else right.shape[1]):
        total = np.float32(0)
        for f in range(len(left)):
            if left_present[f, i] and right_present[f, j]:
                total += weights[f, distance(left[f, i], other[f, j])]
        if float(total) >= min_weight:
            hits.append((i, j))
    return hits
