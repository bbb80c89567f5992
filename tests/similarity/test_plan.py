"""Plans change no result; these tests hold that they are the fast ones."""

from __future__ import annotations

import numpy as np
import pytest

from pprl.similarity import _plan
from pprl.similarity._limits import at_least_dice, constant


def sides(fill: float, spread: float, n_words: int = 16) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    each = np.clip(random.normal(fill, spread, (2, 1100, 1)), 0.05, 0.95)
    left, right = np.packbits(random.random((2, 1100, 64 * n_words)) < each, axis=2).view(np.uint64)
    return left, right


def test_a_limit_just_below_the_distance_of_strangers_is_asked_once_in_the_given_order():
    assert _plan.plan(*sides(0.5, 0), constant(459)) == _plan.Plan(16, ordered=False)


@pytest.mark.parametrize(("limit", "steps"), [(10, {1}), (123, range(4, 7)), (300, range(9, 13))])
def test_the_farther_strangers_are_the_sooner_a_block_is_asked(limit, steps):
    assert _plan.plan(*sides(0.5, 0), constant(limit)).step in steps


def test_the_order_of_bits_is_taken_where_it_rules_pairs_out_or_limits_depend_on_it():
    assert _plan.plan(*sides(0.4, 0.2), constant(50)).ordered
    assert not _plan.plan(*sides(0.4, 0.001), constant(300)).ordered
    assert _plan.plan(*sides(0.3, 0.05), at_least_dice(0.8, 16)).ordered


def test_where_no_pair_is_possible_there_is_a_plan_all_the_same():
    empty, full = np.zeros((1100, 2), np.uint64), np.full((1100, 2), 2**64 - 1, np.uint64)
    assert _plan.plan(empty, full, constant(1)).ordered


def test_few_pairs_are_not_worth_a_plan():
    left, right = sides(0.3, 0.1)
    assert _plan.plan(left[:900], right, at_least_dice(0.8, 16)) == _plan.Plan(16, ordered=False)


def test_the_longest_filters_are_planned_with_little_memory():
    left, right = (np.zeros((1100, 1023), np.uint64) for _ in range(2))
    assert 1 <= _plan.plan(left, right, constant(5)).step <= 1023
    assert _plan.sampled_distances(left[None], right[None]).distances.size <= (1 << 20) / 1023


def test_samples_are_of_rows_at_different_places():
    words = np.arange(2048, dtype=np.uint64)[None, :, None]
    sample = _plan.sampled_distances(words, words)
    assert sample.distances.shape == (1, 128, 128)
    assert not set(sample.left) & set(sample.right)
    assert (sample.distances > 0).all()
