"""The nearest rows against their twin: ties, limits, fewer rows than asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pprl.similarity import nearest, within

from . import naive
from .cases import N_ROWS, SIZES, as_pairs, filters, sizes


@settings(max_examples=80)
@given(
    n_left=N_ROWS,
    n_right=st.none() | N_ROWS,
    n_words=st.sampled_from([1, 2, 16]),
    k=st.sampled_from([1, 2, 3, 10, 100]),
    max_distance=st.none() | st.integers(0, 80),
    seed=st.integers(0, 99),
    n_threads=st.sampled_from([1, 2, 3, None]),
    how=SIZES,
)
@example(n_left=3, n_right=0, n_words=1, k=2, max_distance=None, seed=0, n_threads=1, how=None)
@example(n_left=1, n_right=None, n_words=1, k=2, max_distance=None, seed=0, n_threads=1, how=None)
def test_nearest_equals_its_twin(n_left, n_right, n_words, k, max_distance, seed, n_threads, how):
    left = filters(seed, n_left, n_words)
    right = None if n_right is None else filters(seed + 100, n_right, n_words)
    done: list[int] = []
    kept = dict(how or {"tile_rows": 9, "n_hits": 64, "min_work": 1, "plan": None})
    with sizes(**kept):
        found = nearest(left, right, k=k, max_distance=max_distance, n_threads=n_threads, advance=done.append)
    assert [column.dtype for column in found] == [np.int64, np.int64, np.uint16]
    assert as_pairs(found) == naive.nearest(left, right, k, max_distance)
    assert sum(done) == n_left


@settings(max_examples=20)
@given(seed=st.integers(0, 99), k=st.integers(1, 40))
def test_among_equals_the_first_rows_are_nearer(seed, k):
    """Four filters only, so that nearly all distances are shared by many."""
    random = np.random.default_rng(seed)
    values = filters(seed, 4, 2)
    left, right = values[random.integers(0, 4, 20)], values[random.integers(0, 4, 90)]
    assert as_pairs(nearest(left, right, k=k)) == naive.nearest(left, right, k, None)


def test_as_many_as_there_are_is_all_pairs():
    left, right = filters(1, 30, 2), filters(2, 40, 2)
    every = as_pairs(nearest(left, right, k=40))
    assert sorted(every) == as_pairs(within(left, right, max_distance=128))
    assert every == as_pairs(nearest(left, right, k=10**9))


def test_the_farthest_there_can_be_is_still_nearest():
    left, right = np.zeros((1, 1023), dtype=np.uint64), np.full((3, 1023), 2**64 - 1, dtype=np.uint64)
    assert as_pairs(nearest(left, right, k=2)) == [(0, 0, 65472), (0, 1, 65472)]
    assert len(nearest(left, right, k=2, max_distance=65471)[0]) == 0


@pytest.mark.parametrize(
    ("changed", "arrived"),
    [
        ({"k": 0}, "k is 0; there is at least 1 nearest row"),
        ({"max_distance": -1}, "max_distance is -1"),
        ({"right": np.zeros((1, 3), np.uint64)}, "are of 2 and 3"),
    ],
)
def test_what_is_out_of_range_is_refused(changed, arrived):
    arguments = {"left": np.zeros((1, 2), np.uint64), "right": None, "k": 1, **changed}
    with pytest.raises(ValueError, match=arrived):
        nearest(arguments.pop("left"), arguments.pop("right"), **arguments)
