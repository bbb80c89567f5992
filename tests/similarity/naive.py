"""The similarity kernels one pair at a time, in plain Python whole numbers; only the weights are numpy's."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

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


def measured(left, right) -> list[tuple[int, int, int]]:
    other = left if right is None else right
    one, two = [number(row) for row in left], [number(row) for row in other]
    pairs = all_pairs(len(left), None if right is None else len(right))
    return [(i, j, (one[i] ^ two[j]).bit_count()) for i, j in pairs]


def within(left, right, max_distance: int) -> list[tuple[int, int, int]]:
    return [hit for hit in measured(left, right) if hit[2] <= max_distance]


def within_dice(left, right, min_dice: Fraction) -> list[tuple[int, int, int]]:
    one = [number(row) for row in left]
    two = one if right is None else [number(row) for row in right]
    hits = []
    for i, j, apart in measured(left, right):
        bits, common = one[i].bit_count() + two[j].bit_count(), (one[i] & two[j]).bit_count()
        if bits and Fraction(2 * common, bits) >= min_dice:
            hits.append((i, j, apart))
    return hits


def nearest(left, right, k: int, max_distance: int | None) -> list[tuple[int, int, int]]:
    other = left if right is None else right
    hits = []
    for i, row in enumerate(left):
        near = sorted((distance(row, to), j) for j, to in enumerate(other) if right is not None or i != j)
        hits += [(i, j, apart) for apart, j in near[:k] if max_distance is None or apart <= max_distance]
    return hits


def within_weighted(left, right, left_present, right_present, weights, min_weight) -> list[tuple[int, int]]:
    one = [[number(row) for row in rows] for rows in left]
    two = one if right is None else [[number(row) for row in rows] for rows in right]
    hits = []
    for i, j in all_pairs(left.shape[1], None if right is None else right.shape[1]):
        total = np.float32(0)
        for f in range(len(left)):
            if left_present[f, i] and right_present[f, j]:
                total += weights[f, (one[f][i] ^ two[f][j]).bit_count()]
        if float(total) >= min_weight:
            hits.append((i, j))
    return hits
