"""Weighted records against their twin, to the last bit of their sums; what screens them only ever lets too many by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.similarity import _weighted, within_weighted
from pprl.similarity._plan import filter_order

from . import naive
from .cases import N_ROWS, SIZES, as_pairs, filters, sizes


def weighted_case(seed, n_filters, n_left, n_right, n_words):
    random = np.random.default_rng(seed)
    left = filters(seed, n_filters, n_left, n_words)
    left_present = random.random((n_filters, n_left)) < 0.8
    if n_right is None:
        right, right_present = None, left_present
    else:
        right = filters(seed + 100, n_filters, n_right, n_words)
        right_present = random.random((n_filters, n_right)) < 0.8
    weights = random.normal(0, 3, (n_filters, 64 * n_words + 1)).astype(np.float32)
    return left, right, left_present, right_present, weights


@settings(max_examples=60)
@given(
    seed=st.integers(0, 99),
    n_filters=st.integers(1, 4),
    n_left=N_ROWS,
    n_right=st.none() | N_ROWS,
    n_words=st.integers(1, 4),
    min_weight=st.sampled_from([-100.0, -2.0, 0.0, 0.1, 3.0, 100.0]),
)
def test_within_weighted_equals_its_twin(seed, n_filters, n_left, n_right, n_words, min_weight):
    left, right, left_present, right_present, weights = weighted_case(
        seed, n_filters, n_left, n_right, n_words
    )
    found = within_weighted(
        left,
        right,
        left_present=left_present,
        right_present=right_present,
        weights=weights,
        min_weight=min_weight,
    )
    assert [column.dtype for column in found] == [np.int64, np.int64]
    assert as_pairs(found) == naive.within_weighted(
        left, right, left_present, right_present, weights, min_weight
    )


@settings(max_examples=60)
@given(
    itself=st.booleans(),
    seed=st.integers(0, 99),
    how=SIZES,
    n_threads=st.sampled_from([1, 2, 3]),
    steps=st.integers(1, 9),
    share=st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]),
)
def test_threads_tiles_plans_and_full_buffers_change_no_weighted_hit(
    itself, seed, how, n_threads, steps, share
):
    """Tables of a few falling steps, as in use; thresholds that hardly a pair reaches, or all."""
    left, right, left_present, right_present, _ = weighted_case(seed, 4, 67, None if itself else 45, 2)
    random = np.random.default_rng(seed)
    heights = -np.sort(-random.normal(0, 3, (4, steps)).astype(np.float32), axis=1)
    weights = np.ascontiguousarray(heights[:, np.arange(129) * steps // 129])
    other = left if right is None else right
    totals = [
        sum(weights[f, naive.distance(left[f, i], other[f, j])] for f in range(4))
        for i, j in zip(random.integers(0, 67, 50), random.integers(0, 45, 50), strict=True)
    ]
    least = float(np.quantile(totals, share))
    done: list[int] = []
    with sizes(**how):
        found = within_weighted(
            left,
            right,
            left_present=left_present,
            right_present=right_present,
            weights=weights,
            min_weight=least,
            n_threads=n_threads,
            advance=done.append,
        )
    assert as_pairs(found) == naive.within_weighted(left, right, left_present, right_present, weights, least)
    assert sum(done) == 67


@settings(max_examples=60)
@given(
    seed=st.integers(0, 999),
    size=st.sampled_from([1e-44, 1e-30, 1.0, 1e30]),
    n_filters=st.integers(1, 6),
    above=st.booleans(),
)
def test_a_sum_is_compared_as_the_float32_it_is(seed, size, n_filters, above):
    """The threshold is the sum of one pair, or the next number above, whatever the weights' size and signs."""
    random = np.random.default_rng(seed)
    left, right = filters(seed, n_filters, 9, 1), filters(seed + 1, n_filters, 33, 1)
    weights = (random.normal(0, 1, (n_filters, 65)) * size).astype(np.float32)
    there = np.ones((n_filters, 33), dtype=np.bool_)
    i, j = int(random.integers(9)), int(random.integers(33))
    total = np.float32(0)
    for f in range(n_filters):
        total += weights[f, naive.distance(left[f, i], right[f, j])]
    least = float(np.nextafter(total, np.float32(np.inf))) if above else float(total)
    with sizes(tile_rows=5, n_hits=64, min_work=1, plan=None):
        found = within_weighted(
            left,
            right,
            left_present=there[:, :9].copy(),
            right_present=there,
            weights=weights,
            min_weight=least,
        )
    hits = as_pairs(found)
    assert hits == naive.within_weighted(left, right, there[:, :9], there, weights, least)
    assert ((i, j) in hits) != above


@pytest.mark.parametrize("least", [-np.inf, -1e300, -1.0, 0.0, 1.0, 1e300, np.inf])
@pytest.mark.parametrize("height", [0.0, 1e-45, 1.0, 3e38])
def test_thresholds_and_weights_at_the_ends_of_their_range(least, height):
    words = filters(3, 3, 20, 1)
    there = np.ones((3, 20), dtype=np.bool_)
    weights = np.full((3, 65), height, dtype=np.float32)
    weights[:, 20:] = -height
    with np.errstate(over="ignore", invalid="ignore"):
        expected = naive.within_weighted(words, None, there, there, weights, least)
    found = within_weighted(
        words, None, left_present=there, right_present=there, weights=weights, min_weight=least
    )
    assert as_pairs(found) == expected


def test_a_sum_exactly_at_the_least_weight_is_a_hit_and_missing_filters_add_nothing():
    words = np.zeros((2, 1, 1), dtype=np.uint64)
    weights = np.full((2, 65), 1.5, dtype=np.float32)
    there, away = np.ones((2, 1), dtype=np.bool_), np.array([[True], [False]])

    def hits(left_present, right_present, min_weight):
        found = within_weighted(
            words,
            words,
            left_present=left_present,
            right_present=right_present,
            weights=weights,
            min_weight=min_weight,
        )
        return len(found[0])

    assert hits(there, there, 3.0) == 1
    assert hits(there, there, 3.0001) == 0
    assert hits(there, away, 1.5) == hits(away, there, 1.5) == 1
    assert hits(there, away, 1.6) == hits(away, there, 1.6) == 0
    assert hits(~there, there, 0.0) == 1
    assert hits(~there, there, 0.1) == 0


@settings(max_examples=60)
@given(table=st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=200), seed=st.integers(0, 99))
def test_stretches_cover_a_table_and_no_more_are_made_than_it_needs(table, seed):
    heights = np.array(table)
    seen = np.random.default_rng(seed).random(len(table)) + 1e-3
    starts = _weighted._steps(heights, seen)
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert len(starts) <= 1 + _weighted._CUTS
    n_runs = 1 + np.count_nonzero(np.diff(heights))
    if n_runs <= len(starts):
        assert (np.diff(np.flatnonzero(np.diff(heights))) > 0).all()
    if np.all(np.diff(heights) <= 0) and n_runs <= 1 + _weighted._CUTS:
        assert starts == [0, *(np.flatnonzero(np.diff(heights)) + 1).tolist()]


def test_filters_that_rule_out_most_come_first():
    added = np.array([[0.0, 0.0, 0.0], [1.0, -9.0, -9.0], [-9.0, 1.0, 1.0]])
    assert filter_order(added, np.array([1.0, 1.0, 1.0]), 0.0).tolist() == [1, 2, 0]
    assert filter_order(np.zeros((3, 0)), np.ones(3), 0.0).tolist() == [0, 1, 2]
