"""Near pairs by bit sampling: rows that agree in a few random bits of their filters meet in a bucket.

Locality-sensitive hashing for the Hamming distance (Indyk and Motwani 1998): a table samples ``b`` bits, and two
filters that differ in a share ``d`` of all bits fall into one bucket with probability ``(1 - d)**b``; with ``T``
tables they meet somewhere with ``1 - (1 - (1 - d)**b)**T``. Strangers differ in half the bits, so ``b`` a little above
``log2(rows)`` leaves few of them. At 10 million rows and 64 tables nearly all pairs with d <= .1 meet, four in ten at
.2 and one in thirty at .3: next to match keys buckets find little, without them they find the clean matches.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import MAX_BLOCK_PAIRS, Rows, Words, in_order, join
from broker.matching.dataset import Dataset
from pprl import similarity
from pprl.compiled import compiled

N_TABLES = 64
_SPARE_BITS = 3  # an eighth of a stranger a row and table


def n_sampled_bits(n_rows: int) -> int:
    """Bits a table samples where the smaller side has so many rows."""
    return math.ceil(math.log2(max(n_rows, 2))) + _SPARE_BITS


def pairs_sharing_a_bucket(left: Dataset, right: Dataset | None, *, n_tables: int, max_distance: int) -> Rows:
    """Codes ``left_row * n_right + right_row`` of near pairs that meet in a bucket.

    Parameters
    ----------
    left, right : Dataset
        With one filter a record; ``right`` None: within ``left``.
    n_tables : int
        The first so many of a fixed series of samples.
    max_distance : int
        In bits; pairs farther apart are left out.

    Returns
    -------
    ndarray of int64
        Ascending, none twice.
    """
    other = left if right is None else right
    here, there = left.filters["record"], other.filters["record"]
    n_bits = min(n_sampled_bits(min(len(left), len(other))), 64 * here.shape[1])
    random = np.random.default_rng(0)
    codes = np.empty(0, dtype=np.int64)
    for _ in range(n_tables):
        places = random.choice(64 * here.shape[1], n_bits, replace=False)
        tokens = [_tokens(words, places) for words in ((here,) if right is None else (here, there))]
        found, _, _ = join(
            (tokens[0],),
            (tokens[-1],),
            n_left=len(left),
            itself=right is None,
            max_block_pairs=MAX_BLOCK_PAIRS,
        )
        rows, columns = np.divmod(found, max(len(other), 1))
        near = similarity.of_pairs(here, there, rows, columns) <= max_distance
        codes = in_order(np.concatenate([codes, found[near]]))
    return codes


def _tokens(words: Words, places: npt.NDArray[np.int64]) -> Words:
    out = np.empty(len(words), dtype=np.uint64)
    _sample(words, places, out)
    return out


@compiled
def _sample(words: Any, places: Any, out: Any) -> None:
    """A token of the sampled bits of each row, mixed well; 0 for a row without any bit."""
    for row in range(words.shape[0]):
        token = np.uint64(0)
        empty = True
        for word in range(words.shape[1]):
            if words[row, word] != 0:
                empty = False
                break
        for place in places:
            bit = (words[row, place // 64] >> np.uint64(place % 64)) & np.uint64(1)
            token = (token * np.uint64(2) + bit) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
            token ^= token >> np.uint64(29)
        out[row] = np.uint64(0) if empty else max(token, np.uint64(1))
