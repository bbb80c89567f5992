"""The Jensen-Shannon distance against scipy's, and its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import jensenshannon

from pprl.distance import jensen_shannon_distance

WEIGHTS = st.floats(0, 1e6, allow_subnormal=False)

REPEATABLE = settings(deadline=None, derandomize=True)


@st.composite
def distributions(draw: st.DrawFn, count: int = 2) -> list[np.ndarray]:
    k = draw(st.integers(1, 8))
    drawn = [draw(hnp.arrays(np.float64, k, elements=WEIGHTS)) for _ in range(count)]
    assume(all(one.max() > 1e-3 for one in drawn))
    return drawn


@REPEATABLE
@given(distributions(), st.sampled_from([2.0, math.e, 10.0]))
def test_equals_scipy(pair: list[np.ndarray], base: float) -> None:
    p, q = pair
    # scipy's sum cancels where p and q are close, and is then off by the root of the rounding error, or NaN.
    with np.errstate(invalid="ignore"):
        theirs = jensenshannon(p, q, base=base)
    assert float(jensen_shannon_distance(p, q, base=base)) == pytest.approx(
        0.0 if math.isnan(theirs) else theirs, abs=3e-8
    )


@REPEATABLE
@given(distributions(3))
def test_is_a_metric_bounded_by_one(three: list[np.ndarray]) -> None:
    p, q, r = three
    pq = float(jensen_shannon_distance(p, q))
    assert 0.0 <= pq <= 1.0 + 1e-12
    assert pq == float(jensen_shannon_distance(q, p))
    assert float(jensen_shannon_distance(p, p)) == 0.0
    assert pq <= float(jensen_shannon_distance(p, r)) + float(jensen_shannon_distance(r, q)) + 1e-9


@REPEATABLE
@given(distributions(), st.floats(1e-200, 1e200))
def test_scale_does_not_matter(pair: list[np.ndarray], factor: float) -> None:
    p, q = pair
    assert float(jensen_shannon_distance(p * factor, q)) == pytest.approx(
        float(jensen_shannon_distance(p, q)), abs=1e-9
    )


@REPEATABLE
@given(distributions())
def test_pooling_categories_never_adds_distance(pair: list[np.ndarray]) -> None:
    p, q = pair
    assume(p.size > 1)
    pooled_p, pooled_q = np.append(p[2:], p[:2].sum()), np.append(q[2:], q[:2].sum())
    assert jensen_shannon_distance(pooled_p, pooled_q) <= jensen_shannon_distance(p, q) + 1e-9


def test_rows_are_compared_each_by_itself() -> None:
    p = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
    q = np.array([3.0, 2.0, 1.0])
    both = jensen_shannon_distance(p, q)
    assert both.shape == (2,)
    assert both.tolist() == [float(jensen_shannon_distance(row, q)) for row in p]


def test_close_distributions_keep_their_digits() -> None:
    # For p = 1/2 +- e/2 against 1/2 the divergence is e^2 / (8 ln 2) to second order.
    e = 1e-9
    distance = float(jensen_shannon_distance([0.5 + e / 2, 0.5 - e / 2], [0.5, 0.5]))
    assert distance == pytest.approx(e / math.sqrt(8 * math.log(2)), rel=1e-6)


def test_disjoint_distributions_are_at_the_bound_of_their_base() -> None:
    assert float(jensen_shannon_distance([1, 0], [0, 1])) == pytest.approx(1.0)
    assert float(jensen_shannon_distance([1, 0], [0, 1], base=math.e)) == pytest.approx(
        math.sqrt(math.log(2))
    )


@pytest.mark.parametrize(
    ("p", "q", "base", "words"),
    [
        ([1, 2], [1, 2, 3], 2, "p has 2 categories and q 3"),
        ([1, -1], [1, 1], 2, "p has a weight that is negative"),
        ([1, 1], [1, math.nan], 2, "q has a weight that is negative or not a finite"),
        ([0, 0], [1, 1], 2, "p has no weight above 0"),
        ([], [], 2, "p has no categories"),
        ([1, 1], [1, 1], 1, "base is 1"),
        ([1, 1], [1, 1], math.inf, "base is inf"),
    ],
)
def test_refuses_what_is_no_distribution(p: list[float], q: list[float], base: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        jensen_shannon_distance(p, q, base=base)
