"""All pairs within a distance against their naive twin: on every shape, tile size, plan and number of threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pprl.similarity import _plan, within

from . import naive
from .cases import N_ROWS, N_WORDS, SIZES, as_pairs, filters, sizes


@settings(max_examples=60)
@given(
    n_left=N_ROWS,
    n_right=st.none() | N_ROWS,
    n_words=N_WORDS,
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
@example(n_left=0, n_right=0, n_words=1, share=0.5, seed=0)
@example(n_left=0, n_right=None, n_words=1, share=0.5, seed=0)
@example(n_left=5, n_right=0, n_words=1, share=1.0, seed=0)
@example(n_left=1, n_right=None, n_words=20, share=1.0, seed=0)
@example(n_left=65, n_right=None, n_words=16, share=1.0, seed=0)
def test_within_equals_its_twin(n_left, n_right, n_words, share, seed):
    left = filters(seed, n_left, n_words)
    right = None if n_right is None else filters(seed + 100, n_right, n_words)
    limit = round(share * 64 * n_words)
    found = within(left, right, max_distance=limit)
    assert [column.dtype for column in found] == [np.int64, np.int64, np.uint16]
    assert as_pairs(found) == naive.within(left, right, limit)


@settings(max_examples=80)
@given(
    itself=st.booleans(),
    n_words=st.sampled_from([1, 3, 16]),
    seed=st.integers(0, 99),
    how=SIZES,
    n_threads=st.sampled_from([1, 2, 3, None]),
    share=st.sampled_from([0.1, 0.2, 0.4, 0.5, 1.0]),
)
def test_threads_tiles_plans_and_full_buffers_change_nothing(itself, n_words, seed, how, n_threads, share):
    left = filters(seed, 67, n_words)
    right = None if itself else filters(seed + 100, 45, n_words)
    limit = round(share * 64 * n_words)
    done: list[int] = []
    lock = threading.Lock()

    def advance(n_rows: int) -> None:
        with lock:
            done.append(n_rows)

    with sizes(**how):
        found = within(left, right, max_distance=limit, n_threads=n_threads, advance=advance)
    assert as_pairs(found) == naive.within(left, right, limit)
    assert sum(done) == 67


@settings(max_examples=30)
@given(
    n_left=st.integers(1, 6),
    n_right=st.integers(1, 40),
    n_words=N_WORDS,
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_a_pair_exactly_at_the_limit_is_a_hit_and_one_bit_further_is_not(
    n_left, n_right, n_words, seed, data
):
    left, right = filters(seed, n_left, n_words), filters(seed + 100, n_right, n_words)
    i, j = data.draw(st.integers(0, n_left - 1)), data.draw(st.integers(0, n_right - 1))
    bits = naive.distance(left[i], right[j])
    assert (i, j, bits) in as_pairs(within(left, right, max_distance=bits))
    if bits:
        assert (i, j, bits) not in as_pairs(within(left, right, max_distance=bits - 1))


@settings(max_examples=20)
@given(n_left=N_ROWS, n_right=N_ROWS, n_words=N_WORDS, seed=st.integers(0, 99))
def test_the_sides_may_change_places(n_left, n_right, n_words, seed):
    left, right = filters(seed, n_left, n_words), filters(seed + 100, n_right, n_words)
    there = as_pairs(within(left, right, max_distance=30 * n_words))
    back = as_pairs(within(right, left, max_distance=30 * n_words))
    assert there == sorted((i, j, bits) for j, i, bits in back)


@pytest.mark.parametrize("step", [1, 5, 16, 100, 1023])
def test_each_single_bit_of_long_filters_counts_wherever_a_block_is_asked(step):
    left = np.zeros((1, 1023), dtype=np.uint64)
    right = np.zeros((1023, 1023), dtype=np.uint64)
    right[np.arange(1023), np.arange(1023)] = np.uint64(1) << np.arange(1023, dtype=np.uint64) % np.uint64(64)
    with sizes(tile_rows=64, n_hits=1 << 16, min_work=1, plan=_plan.Plan(step, ordered=False)):
        assert len(within(left, right, max_distance=0)[0]) == 0
        assert as_pairs(within(left, right, max_distance=1)) == [(0, j, 1) for j in range(1023)]


def test_all_bits_set_and_none():
    left, right = np.zeros((2, 3), dtype=np.uint64), np.full((33, 3), 2**64 - 1, dtype=np.uint64)
    assert len(within(left, right, max_distance=191)[0]) == 0
    assert as_pairs(within(left, right, max_distance=192)) == [(i, j, 192) for i in (0, 1) for j in range(33)]
    assert as_pairs(within(left, None, max_distance=0)) == [(0, 1, 0)]


def test_the_longest_filters_fill_sixteen_bits():
    left, right = np.zeros((1, 1023), dtype=np.uint64), np.full((1, 1023), 2**64 - 1, dtype=np.uint64)
    assert as_pairs(within(left, right, max_distance=65472)) == [(0, 0, 65472)]
    assert as_pairs(within(left, right, max_distance=10**6)) == [(0, 0, 65472)]
    assert len(within(left, right, max_distance=65471)[0]) == 0
    long = np.zeros((1, 1024), dtype=np.uint64)
    with pytest.raises(ValueError, match="1 to 1023 words, are of 1024 and 1024"):
        within(long, long, max_distance=0)


def test_a_hit_in_the_last_place_of_large_sides():
    """Rows beyond what 15 and 16 bits count, found by a plan really made."""
    left, right = filters(1, 40_000, 1), filters(2, 70_000, 1)
    left[-1] = right[-1] = 0x5555_5555_0000_FFFF
    i, j, bits = within(left[-70:], right, max_distance=3)
    assert (i[-1], j[-1], bits[-1]) == (69, 69_999, 0)
    i, j, bits = within(left, right[-70:], max_distance=3)
    assert (i[-1], j[-1], bits[-1]) == (39_999, 69, 0)
    near = np.bitwise_count(left ^ right[-70:, 0])
    assert (i * 70 + j).tolist() == np.flatnonzero(near <= 3).tolist()
    assert bits.tolist() == near[near <= 3].tolist()


def test_what_is_read_only_can_be_compared_and_stays_as_it_is():
    words = filters(0, 40, 2)
    before = words.copy()
    words.flags.writeable = False
    assert len(within(words, words, max_distance=0)[0]) >= 40
    assert (words == before).all()
