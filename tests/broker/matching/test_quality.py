"""Estimates without truth, held against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.candidates import Pairs
from broker.matching.pipeline import link
from broker.matching.quality import THRESHOLDS, doubts, estimate, missed_by_candidates
from broker.matching.resolve import choose

from ..population import Town
from ..tokens import a_dataset, a_schema


def measures(links: set[tuple[int, int]], matches: set[tuple[int, int]]) -> tuple[float, float]:
    right = len(links & matches)
    return right / max(len(links), 1), right / len(matches)


@pytest.mark.parametrize("profile", ["standard", "fields"])
def test_estimates_are_near_the_truth(linked, town, profile):
    (comparison,) = linked(profile).comparisons
    pairs = set(zip(comparison.links.left.tolist(), comparison.links.right.tolist(), strict=True))
    precision, recall = measures(pairs, town.matches())
    found = comparison.estimates[0]
    assert found.precision.value == pytest.approx(precision, abs=0.03)
    assert found.recall.value == pytest.approx(recall, abs=0.03)
    expected = comparison.fit.n_matches + comparison.n_missed
    assert expected == pytest.approx(len(town.matches()), rel=0.03)
    assert comparison.doubts == ()


@pytest.mark.parametrize("profile", ["standard", "strict", "fields", "tokens"])
def test_intervals_hold_their_value(linked, profile):
    (comparison,) = linked(profile).comparisons
    assert [e.threshold for e in comparison.estimates] == list(THRESHOLDS)
    for found in comparison.estimates:
        for interval in (found.precision, found.recall, found.f1):
            assert 0 <= interval.low <= interval.value <= interval.high <= 1
        assert found.precision.high - found.precision.low < 0.1
    links = [found.n_links for found in comparison.estimates]
    assert links == sorted(links, reverse=True)
    assert links[0] == len(comparison.links)


@st.composite
def judged(draw):
    n_left = draw(st.integers(1, 12))
    codes = sorted(draw(st.sets(st.integers(0, n_left * 8 - 1), max_size=30)))
    numbers = draw(st.lists(st.floats(0, 1), min_size=len(codes), max_size=len(codes)))
    return (
        Pairs(np.array(codes, np.int64) // 8, np.array(codes, np.int64) % 8, n_left * 8),
        np.array(numbers),
    )


@given(judged(), st.floats(0, 50), st.sampled_from([0.3, 0.5, 0.9]))
def test_estimates_of_anything_are_within_their_intervals(case, n_missed, threshold):
    pairs, posterior = case
    links = choose(pairs, posterior, posterior, threshold=threshold, exclusive=(True, True))
    (found,) = estimate(pairs, posterior, {threshold: links}, n_missed=n_missed, seed=0)
    for interval in (found.precision, found.recall, found.f1):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
    if len(links):
        assert found.precision.value == pytest.approx(posterior[links].mean())
        assert found.recall.value == pytest.approx(posterior[links].sum() / (posterior.sum() + n_missed))
    assert found.n_links == len(links)


def test_intervals_cover_what_is_drawn_from_the_posteriors():
    """Worlds drawn from the posteriors themselves: nine in ten of them and more lie within the interval."""
    random = np.random.default_rng(3)
    rows = np.arange(400)
    pairs = Pairs(rows, rows, 160_000)
    posterior = random.beta(3, 0.4, 400)
    links = np.flatnonzero(posterior >= 0.5)
    (found,) = estimate(pairs, posterior, {0.5: links}, n_missed=0, seed=0)
    hits = []
    for _ in range(300):
        truth = random.random(400) < posterior
        hits.append(
            (
                found.precision.low <= truth[links].mean() <= found.precision.high,
                found.recall.low <= truth[links].sum() / truth.sum() <= found.recall.high,
            )
        )
    assert (np.mean(hits, axis=0) > 0.9).all()
    assert found.precision.high - found.precision.low < 0.08


MANY = np.full(20_000, 5)  # keys shared: so many that none is missed for want of one


def test_matches_that_neither_way_found():
    """10,000 matches, nine in ten found by the filters and seven in ten by the keys: 300 are lost."""
    random = np.random.default_rng(0)
    by_filter, by_key = random.random(10_000) < 0.9, random.random(10_000) < 0.7
    seen = by_filter | by_key
    found = missed_by_candidates(
        np.ones(seen.sum()), by_filter[seen], by_key[seen], seen[seen], MANY[: seen.sum()]
    )
    assert found == pytest.approx((~seen).sum(), rel=0.15)
    # Chapman's estimator by hand: 80 by one way, 60 by the other, 50 by both.
    by_filter, by_key = np.arange(90) < 80, np.arange(90) >= 30
    assert missed_by_candidates(np.ones(90), by_filter, by_key, by_key | True, MANY[:90]) == pytest.approx(
        81 * 61 / 51 - 1 - 90
    )


def test_keys_tell_of_matches_that_share_none():
    """Clean matches share a key with .8, sloppy ones with .15: two in five of these none of six."""
    random = np.random.default_rng(2)
    chance = np.where(np.arange(20_000) < 15_000, 0.8, 0.15)
    n_keys = random.binomial(6, chance)
    seen, nowhere = n_keys > 0, np.zeros(20_000, dtype=bool)
    found = missed_by_candidates(np.ones(seen.sum()), nowhere[seen], seen[seen], nowhere[seen], n_keys[seen])
    assert 0.7 * (~seen).sum() < found < 1.05 * (~seen).sum()
    # By hand: 30 share one key, 9 two.
    n_keys = np.repeat([1, 2, 5], [30, 9, 400])
    ones, no = np.ones(439), np.zeros(439, dtype=bool)
    assert missed_by_candidates(ones, no, ~no, no, n_keys) == pytest.approx(30 * 29 / 20)


def test_one_way_alone_tells_nothing_of_what_it_missed():
    ones = np.ones(20)
    assert missed_by_candidates(ones, ones > 0, ones < 0, ones > 0, MANY[:20]) == 0
    assert missed_by_candidates(ones[:0], ones[:0] > 0, ones[:0] > 0, ones[:0] > 0, MANY[:0]) == 0


def test_a_probe_tells_what_the_keys_miss_among_the_rest():
    """20,000 matches, of which the keys find seven in ten; the filters look at a quarter of the rows only."""
    random = np.random.default_rng(1)
    probed = np.arange(20_000) < 5_000
    by_filter, by_key = (random.random(20_000) < 0.9) & probed, random.random(20_000) < 0.7
    seen = by_filter | by_key
    found = missed_by_candidates(
        np.ones(seen.sum()), by_filter[seen], by_key[seen], probed[seen], MANY[: seen.sum()]
    )
    assert found == pytest.approx((~seen).sum(), rel=0.05)


# Doubts

GOOD = {
    "n_matches": 300.0,
    "shape": (500, 600),
    "converged": True,
    "at_bound": False,
    "n_strangers": 5000,
    "expected_above": 290.0,
    "n_above": 290,
    "n_null_above": 3,
    "null_above": 4.5,
}
ALL_MATCH = {"at_bound": True, "n_matches": 495.0, "expected_above": 480.0, "n_above": 490}
NO_NULL = {"n_strangers": 0, "n_null_above": 0, "null_above": 0.0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"n_matches": 12.0}, ["only about 12 matches"]),
        ({"converged": False}, ["had not settled"]),
        ({"at_bound": True}, ["ended at its bound"]),
        (ALL_MATCH, []),
        (NO_NULL, ["no pairs that cannot match"]),
        (NO_NULL | {"n_above": 0}, ["no pairs that cannot match"]),
        ({"n_above": 190}, ["290 by weight, 186 by excess"]),
        ({"n_above": 400}, ["290 by weight, 396 by excess"]),
        ({"n_above": 220}, []),
        (
            {"n_null_above": 30, "null_above": 45.0},
            [],
        ),  # 45 by their weight, but more than half of those may be chance
        (
            {"n_null_above": 40, "null_above": 60.0},
            ["40 pairs within the datasets said to be duplicate-free"],
        ),
        ({"converged": False, "n_matches": 5.0}, ["only about 5", "had not settled"]),
    ],
)
def test_doubts(changes, words):
    found = doubts(**GOOD | changes)
    assert len(found) == len(words)
    for text, word in zip(found, words, strict=True):
        assert word in text


def run(town: Town, *, duplicate_free=(True, True), profile="standard"):
    schema = a_schema(profile)
    sites = zip(town.records, "ab", duplicate_free, strict=True)
    linkage = link([a_dataset(schema, rows, name, duplicate_free=free) for rows, name, free in sites])
    return linkage.comparisons[0]


def test_sites_that_share_nobody_raise_doubts():
    comparison = run(Town(holds=((0, 0.5), (0.5, 1))))
    assert any("matches are expected" in doubt for doubt in comparison.doubts)
    assert len(comparison.links) <= 5


def test_a_site_that_is_not_as_free_of_duplicates_as_it_says_raises_doubts():
    comparison = run(Town(n_twice=(60, 60)))
    assert any("said to be duplicate-free look like one person twice" in doubt for doubt in comparison.doubts)
    assert run(Town(n_twice=(250, 250))).doubts


def test_two_sites_with_duplicates_that_say_so_raise_none():
    town = Town(n_twice=(60, 60))
    comparison = run(town, duplicate_free=(False, False))
    assert comparison.doubts == ()
    pairs = set(zip(comparison.links.left.tolist(), comparison.links.right.tolist(), strict=True))
    precision, recall = measures(pairs, town.matches())
    assert comparison.estimates[0].precision.value == pytest.approx(precision, abs=0.06)
    assert comparison.estimates[0].recall.value == pytest.approx(recall, abs=0.06)


def test_a_handful_of_records_has_no_strangers_to_learn_from():
    comparison = run(Town(n_people=1, holds=((0, 1), (0, 1))))
    assert any("no pairs that cannot match" in doubt for doubt in comparison.doubts)
