"""What would be compared, and what it would cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.candidates import Scope
from broker.matching.plan import (
    MAX_WORD_STEPS,
    PROBE_WORD_STEPS,
    Size,
    describe_plan,
    make_plan,
    word_steps,
)

from ..tokens import a_schema

STANDARD, FIELDS, TOKENS = (a_schema(profile) for profile in ("standard", "fields", "tokens"))


def sizes(*n_records, duplicate_free=True):
    return [Size(name, n, duplicate_free) for name, n in zip("abcdef", n_records, strict=False)]


def test_small_datasets_are_compared_whole():
    (one,) = make_plan(sizes(500, 700), STANDARD).comparisons
    assert (one.rows, one.columns, one.all_pairs) == (1, 0, True)
    assert one.cross == Scope(700, 700)
    assert one.null == ((1, Scope(700, 700)), (0, Scope(500, 500)))
    assert one.n_compared == 500 * 700 + 700 * 699 // 2 + 500 * 499 // 2


def test_22_million_against_60_thousand_are_compared_whole_with_a_sample_of_strangers():
    (one,) = make_plan(sizes(22_100_000, 60_000), STANDARD).comparisons
    assert one.all_pairs
    assert one.cross == Scope(22_100_000, 22_100_000)
    (large, large_scope), (small, small_scope) = one.null
    assert (large, small) == (0, 1)
    assert small_scope.n_left == 60_000
    assert 1_000 < large_scope.n_probed < large_scope.n_left < 10_000
    n_possible = 22_100_000 * 60_000
    assert n_possible < one.n_compared < 1.1 * n_possible
    assert one.seconds(1e9) == pytest.approx(n_possible / 1e9, rel=0.15)


def test_too_many_pairs_are_left_to_the_match_keys_with_a_probe():
    (one,) = make_plan(sizes(22_100_000, 22_100_000), STANDARD).comparisons
    assert not one.all_pairs
    assert "too many" in one.why
    assert one.route == "match keys"
    assert one.cross.n_left == 22_100_000
    assert one.cross.n_probed * 22_100_000 * word_steps(STANDARD) <= PROBE_WORD_STEPS
    assert one.cross.n_probed >= 100
    assert one.n_compared < 4 * PROBE_WORD_STEPS


@pytest.mark.parametrize(
    ("candidates", "all_pairs", "n_probed"),
    [("auto", True, 1_000_000), ("all", True, 1_000_000), ("keys", False, 4000)],
)
def test_what_is_asked_for_is_done(candidates, all_pairs, n_probed):
    (one,) = make_plan(sizes(1_000_000, 1_000_000), STANDARD, candidates=candidates).comparisons
    assert (one.all_pairs, one.cross.n_probed) == (all_pairs, n_probed)


def test_a_filter_a_field_costs_more():
    assert word_steps(STANDARD) == 16
    assert word_steps(FIELDS) > 3 * word_steps(STANDARD)
    n = int((MAX_WORD_STEPS / word_steps(STANDARD)) ** 0.5) - 1
    assert make_plan(sizes(n, n), STANDARD).comparisons[0].all_pairs
    assert not make_plan(sizes(n, n), FIELDS).comparisons[0].all_pairs
    assert not make_plan(sizes(n + 2, n + 2), STANDARD).comparisons[0].all_pairs


def test_without_filters_nothing_is_compared_by_filter():
    plan = make_plan(sizes(5000, 4000), TOKENS, candidates="all")
    (one,) = plan.comparisons
    assert (one.all_pairs, one.n_compared, one.cross) == (False, 0, Scope(5000, 0))
    assert one.n_tokens > 9000
    assert describe_plan(plan, float("inf"))["comparisons_per_s"] is None


def test_every_two_and_those_with_duplicates():
    plan = make_plan([*sizes(10, 20), Size("c", 30, False), Size("empty", 0, True)], STANDARD)
    assert [(c.rows, c.columns) for c in plan.comparisons] == [(1, 0), (2, 0), (2, 1), (2, 2)]
    itself = plan.comparisons[-1]
    # By its own halves; every two learn from both, whether or not they may hold duplicates.
    assert itself.null == ()
    assert [[d for d, _ in c.null] for c in plan.comparisons[:-1]] == [[1, 0], [2, 0], [2, 1]]
    assert itself.cross.n_possible(30, itself=True) == 435
    assert make_plan(sizes(10, 0), STANDARD).comparisons == ()
    assert make_plan([], STANDARD).comparisons == ()


def test_buckets_are_for_schemas_without_match_keys():
    bare = STANDARD.model_copy(update={"match_keys": ()})
    (one,) = make_plan(sizes(10**7, 10**7), bare).comparisons
    assert (one.route, one.cross.n_tables) == ("match keys and buckets", 64)
    (one,) = make_plan(sizes(10**7, 10**7), STANDARD, candidates="lsh").comparisons
    assert (one.all_pairs, one.cross.n_tables) == (False, 64)
    assert make_plan(sizes(1000, 1000), bare).comparisons[0].all_pairs


@given(st.integers(1, 10**8), st.integers(1, 10**8), st.sampled_from(["auto", "all", "keys", "lsh"]))
def test_any_plan_is_within_its_datasets(n, m, candidates):
    plan = make_plan(sizes(n, m), STANDARD, candidates=candidates)
    for one in plan.comparisons:
        assert 1 <= one.cross.n_probed <= one.cross.n_left == max(n, m)
        assert 0 < one.cross.coverage <= 1
        for dataset, scope in one.null:
            assert 1 <= scope.n_probed <= scope.n_left <= (n, m)[dataset]
        assert one.seconds(1e9) > 0
    assert plan.n_bytes > 0


def test_a_plan_in_words_and_figures():
    described = describe_plan(make_plan(sizes(22_100_000, 60_000), STANDARD), 1e9)
    (one,) = described["comparisons"]
    assert (one["left"], one["right"], one["pairs"]) == ("a", "b", 22_100_000 * 60_000)
    assert (one["route"], described["comparisons_per_s"]) == ("all pairs", 10**9)
    assert 1300 < described["seconds"] < 1800
    assert described["seconds"] > one["seconds"]
