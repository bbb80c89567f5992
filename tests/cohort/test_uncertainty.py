"""Bounds against a general minimiser and against chance; intervals that repeat."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from pprl.cohort import Verdict, load_cohort, load_reference, represent
from pprl.cohort.table import CohortTable, HiddenCount
from pprl.cohort.uncertainty import missing_bounds, perfect_distances, resampled_distances
from pprl.distance import jensen_shannon_distance

COUNTS = st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any)


def least_by_search(counts: np.ndarray, gap: float, reference: np.ndarray, reference_gap: float) -> float:
    k = counts.size

    def divergence(x: np.ndarray) -> float:
        p, q = counts + np.abs(x[:k]), reference + np.abs(x[k:])
        return float(jensen_shannon_distance(p, q)) ** 2

    sums = [
        {"type": "eq", "fun": lambda x: x[:k].sum() - gap},
        {"type": "eq", "fun": lambda x: x[k:].sum() - reference_gap},
    ]
    start = np.concatenate([np.full(k, gap / k), np.full(k, reference_gap / k)])
    found = minimize(
        divergence,
        start,
        bounds=[(0, None)] * (2 * k),
        constraints=sums,
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return math.sqrt(max(found.fun, 0.0))


@pytest.mark.parametrize(
    ("counts", "gap", "reference", "reference_gap"),
    [
        ([539, 680], 4, [45.3, 45.2], 9.6),
        ([3, 26, 1620, 3, 338, 0], 134, [0.61, 2.1, 8.9, 0.075, 46.1, 0.9], 41.4),
        ([132, 1968], 24, [11.6, 42.3], 46.0),
        ([90, 5, 5], 10, [5, 90, 5], 20),
    ],
)
def test_the_least_distance_is_the_minimum(
    counts: list[float], gap: float, reference: list[float], reference_gap: float
) -> None:
    c, r = np.array(counts, float), np.array(reference, float)
    low, _ = missing_bounds(c, gap, r, reference_gap, base=2.0)
    c, gap = c / (c.sum() + gap), gap / (c.sum() + gap)
    r, reference_gap = r / (r.sum() + reference_gap), reference_gap / (r.sum() + reference_gap)
    assert low == pytest.approx(least_by_search(c, gap, r, reference_gap), abs=2e-5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(COUNTS, st.integers(0, 40), COUNTS, st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_no_allocation_leaves_the_bounds(
    counts: list[int], gap: int, reference: list[int], reference_gap: int, seed: int
) -> None:
    c, r = np.array(counts, float), np.array(reference, float)
    low, high = missing_bounds(c, gap, r, reference_gap, base=2.0)
    rng = np.random.default_rng(seed)
    p = c + gap * rng.dirichlet(np.full(3, 0.4), size=200)
    q = r + reference_gap * rng.dirichlet(np.full(3, 0.4), size=200)
    tried = jensen_shannon_distance(p, q)
    assert low - 1e-7 <= tried.min()
    assert tried.max() <= high + 1e-7
    adjusted = float(jensen_shannon_distance(c, r))
    assert low - 1e-7 <= adjusted <= high + 1e-7


@settings(max_examples=60, deadline=None, derandomize=True)
@given(COUNTS, st.integers(0, 40), COUNTS, st.integers(0, 40))
def test_the_greatest_distance_is_that_of_the_furthest_corner(
    counts: list[int], gap: int, reference: list[int], reference_gap: int
) -> None:
    c, r, corners = np.array(counts, float), np.array(reference, float), np.eye(3)
    tried = jensen_shannon_distance((c + gap * corners)[:, None], (r + reference_gap * corners)[None, :])
    assert missing_bounds(c, gap, r, reference_gap, base=2.0)[1] == pytest.approx(tried.max(), abs=1e-9)


def test_without_gaps_the_bounds_are_the_distance() -> None:
    c, r = np.array([3.0, 7.0]), np.array([5.0, 5.0])
    assert missing_bounds(c, 0.0, r, 0.0, base=2.0) == pytest.approx(
        [float(jensen_shannon_distance(c, r))] * 2
    )


def test_perfect_samples_fall_below_their_own_null_95_times_in_100() -> None:
    reference = np.array([5.0, 3.0, 2.0])
    null = np.quantile(
        perfect_distances(500, reference, n_resamples=4000, base=2.0, rng=np.random.default_rng(1)), 0.95
    )
    again = perfect_distances(500, reference, n_resamples=4000, base=2.0, rng=np.random.default_rng(2))
    assert float(np.mean(again <= null)) == pytest.approx(0.95, abs=0.015)


def test_more_people_make_a_narrower_interval() -> None:
    reference = np.array([5.0, 3.0, 2.0])

    def width(n: int) -> float:
        counts = np.array([0.2, 0.3, 0.5]) * n
        drawn = resampled_distances(
            counts, reference, n_resamples=2000, base=2.0, rng=np.random.default_rng(1)
        )
        low, high = np.quantile(drawn, [0.025, 0.975])
        return float(high - low)

    assert width(10_000) < width(1000) / 2 < width(100) / 4


def test_the_seed_decides_and_other_attributes_do_not() -> None:
    cohort, reference = load_cohort("builtin:red-coral"), load_reference("builtin:cdc-2020-03")
    every = {one.attribute: one for one in represent(cohort, reference, seed=7).comparisons}
    alone = represent(cohort, reference, attributes=["race"], seed=7).comparisons[0]
    other = represent(cohort, reference, attributes=["race"], seed=8).comparisons[0]
    assert (alone.interval, alone.null) == (every["race"].interval, every["race"].null)
    assert alone.interval != other.interval
    assert alone.adjusted == other.adjusted


def test_nobody_reported_leaves_the_adjusted_distance_undefined(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("attribute,category,count\nsex,Unknown,30\n")
    one = represent(load_cohort(tmp_path / "c.csv"), load_reference("builtin:cdc-2020-03")).comparisons[0]
    assert one.adjusted is None
    assert one.verdict is Verdict.UNDEFINED
    assert one.raw > 0.5


def test_splitting_respects_limits() -> None:
    hidden = (HiddenCount(0, 2), HiddenCount(1, None), HiddenCount(2, None))
    table = CohortTable("x", ("a", "b", "c"), (0, 10, 0, 0), hidden, 12)
    assert table.split().tolist() == [2, 15, 5, 0]
    assert table.ways().sum(axis=1).tolist() == [22.0] * len(table.ways())
    assert table.ways()[:, 0].max() == 2
    assert CohortTable("x", ("a", "b", "c"), (0, 0, 0, 0), hidden, 10_000).ways() is None
