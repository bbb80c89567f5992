"""Chance that can be asked for anywhere: the same answer for the same question, in any order and process.

Numbers come from numpy's Philox, a counter-based generator (Salmon et al., *Parallel random numbers: as easy
as 1, 2, 3*, SC 2011). Its key is the seed and the name of what is drawn, its counter starts at the block of
people. Only raw words are used, which numpy keeps the same over its versions, and made into numbers here.
`Permutation` shuffles numbers without holding them: a small Feistel network that walks its cycle until it is
back in range (Black and Rogaway, *Ciphers with arbitrary finite domains*, CT-RSA 2002). Nothing in here is
meant to keep a secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Text = npt.NDArray[np.str_]

_TO_UNIT = 2.0**-53
_N_ROUNDS = 4


class Dice:
    """Random numbers of one block of people and one purpose.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.
    block : int
        Number of the block.
    purpose : str
        What is drawn; streams of different purposes have nothing in common.
    n : int
        How many numbers a stream gives.
    """

    def __init__(self, seed: int, block: int, *, purpose: str, n: int) -> None:
        self._seed, self._block, self._purpose, self.n = seed, block, purpose, n

    def __call__(self, name: str, n: int | None = None) -> Floats:
        """Return the ``n`` numbers in [0, 1) of a stream, always the same ones."""
        key = np.array([self._seed, _number(f"{self._purpose}/{name}")], dtype=np.uint64)
        counter = np.array([0, 0, 0, self._block], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=counter).random_raw(self.n if n is None else n)
        return (raw >> np.uint64(11)).astype(np.float64) * _TO_UNIT

    def chosen(self, name: str, probability: Floats | float) -> Bools:
        """Return where something of this probability happens."""
        if isinstance(probability, float) and probability <= 0.0:
            return np.zeros(self.n, dtype=np.bool_)
        return self(name) < probability


class Permutation:
    """A shuffle of 0 ... n-1 that gives any place without holding the others.

    Parameters
    ----------
    n : int
        How many numbers are shuffled.
    seed : int
        From 0 to 2**64 - 1.
    purpose : str
        Shuffles of different purposes have nothing in common.
    """

    def __init__(self, n: int, *, seed: int, purpose: str) -> None:
        self.n = n
        bits = max(2, (max(n, 2) - 1).bit_length())
        self._left, self._right = bits // 2, bits - bits // 2
        self._keys = [np.uint64(_number(f"{seed}/{purpose}/{number}")) for number in range(_N_ROUNDS)]

    def __call__(self, values: Ints) -> Ints:
        """Return where each of these numbers, 0 <= value < n, goes."""
        walked = self._once(values.astype(np.uint64))
        outside = np.flatnonzero(walked >= self.n)
        while len(outside):
            walked[outside] = self._once(walked[outside])
            outside = outside[walked[outside] >= self.n]
        return walked.astype(np.int64)

    def _once(self, values: Words) -> Words:
        n_right = np.uint64(self._right)
        left_mask = np.uint64((1 << self._left) - 1)
        right_mask = np.uint64((1 << self._right) - 1)
        left, right = values >> n_right, values & right_mask
        for number, key in enumerate(self._keys):
            # the halves take turns, as they may differ in length
            if number % 2 == 0:
                left = (left ^ mix(right ^ key)) & left_mask
            else:
                right = (right ^ mix(left ^ key)) & right_mask
        return (left << n_right) | right


def mix(words: Words) -> Words:
    """Scramble 64-bit words (the finaliser of splitmix64, Steele et al., OOPSLA 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def hashed(values: Ints, salt: int) -> Floats:
    """Return a number in [0, 1) for each value, the same for the same value and salt."""
    words = mix(mix(values.astype(np.uint64)) ^ np.uint64(salt))
    return (words >> np.uint64(11)).astype(np.float64) * _TO_UNIT


def curve(points: Sequence[tuple[float, float]], at: Floats) -> Floats:
    """Return a piecewise straight line through (x, y) points; over uniform numbers, a quantile function."""
    return np.interp(at, [x for x, _ in points], [y for _, y in points])


def pick(uniform: Floats, shares: Sequence[float]) -> Ints:
    """Return which of some shares (that add to 1) each number falls into."""
    edges = np.cumsum(np.asarray(shares, dtype=np.float64))
    return np.minimum(np.searchsorted(edges, uniform, side="right"), len(shares) - 1).astype(np.int64)


def below(uniform: Floats, n: int | Ints) -> Ints:
    """Return whole numbers from 0 to n - 1."""
    return np.minimum((uniform * n).astype(np.int64), np.asarray(n, dtype=np.int64) - 1)


@lru_cache(maxsize=4096)
def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
