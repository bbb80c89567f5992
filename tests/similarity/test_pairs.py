"""Distances of listed pairs against their twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.similarity import _pairs, of_pairs

from . import naive
from .cases import N_WORDS, filters


@settings(max_examples=40)
@given(
    n_left=st.integers(1, 40),
    n_right=st.integers(1, 40),
    n_words=N_WORDS,
    n_pairs=st.integers(0, 50),
    seed=st.integers(0, 99),
    pairs_per_tile=st.sampled_from([1, 7, 1 << 20]),
    n_threads=st.sampled_from([1, 2, 3, None]),
)
def test_of_pairs_equals_its_twin(n_left, n_right, n_words, n_pairs, seed, pairs_per_tile, n_threads):
    left, right = filters(seed, n_left, n_words), filters(seed + 100, n_right, n_words)
    random = np.random.default_rng(seed)
    i, j = random.integers(0, n_left, n_pairs), random.integers(0, n_right, n_pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pairs, "_PAIRS_PER_PART", pairs_per_tile)
        found = of_pairs(left, right, i, j, n_threads=n_threads)
    assert found.dtype == np.uint16
    assert found.tolist() == [naive.distance(left[a], right[b]) for a, b in zip(i, j, strict=True)]


@settings(max_examples=20)
@given(n_rows=st.integers(2, 20), n_words=st.integers(1, 5), seed=st.integers(0, 99))
def test_hamming_distance_is_a_metric(n_rows, n_words, seed):
    words = filters(seed, n_rows, n_words)
    every = np.arange(n_rows)
    i, j, k = (np.ravel(axis) for axis in np.meshgrid(every, every, every))
    there = of_pairs(words, words, i, j).astype(int)
    assert (there == of_pairs(words, words, j, i)).all()
    assert ((there == 0) == [(words[a] == words[b]).all() for a, b in zip(i, j, strict=True)]).all()
    assert (there <= of_pairs(words, words, i, k).astype(int) + of_pairs(words, words, k, j)).all()


def test_what_is_read_only_can_be_measured():
    words, rows = filters(0, 40, 2), np.arange(40)
    words.flags.writeable = rows.flags.writeable = False
    assert of_pairs(words, words, rows, rows[::-1][::-1]).tolist() == [0] * 40


def test_rows_may_be_every_other_one_of_a_list():
    words, rows = filters(0, 40, 2), np.arange(40)
    expected = [naive.distance(words[i], words[39 - i]) for i in range(0, 40, 2)]
    assert of_pairs(words, words, rows[::2], rows[::-1][::2]).tolist() == expected


def test_the_longest_filters_fill_sixteen_bits():
    left, right = np.zeros((1, 1023), dtype=np.uint64), np.full((1, 1023), 2**64 - 1, dtype=np.uint64)
    rows = np.zeros(1, dtype=np.int64)
    assert of_pairs(left, right, rows, rows).tolist() == [65472]
