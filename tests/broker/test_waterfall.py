"""Steps of a waterfall, and how numbers are said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.waterfall import Scale, odds, probability, signed, steps, threshold_bits

BITS = st.floats(-60, 60)


@given(st.lists(BITS, max_size=6), BITS, st.floats(-60, 0), st.floats(0, 1))
def test_steps_hang_together(weights, intercept, competition, others):
    pair = {
        "prior": -10.5,
        "intercept": intercept,
        "parts": [{"part": f"p{k}", "seen": "equal", "weight": w} for k, w in enumerate(weights)],
        "within": False,
        "others": others,
        "competition": competition,
        "probability": 0.25,
    }
    found = steps(pair)
    assert [step.kind for step in found] == ["given"] * 2 + ["part"] * len(weights) + [
        "total",
        "rivals",
        "total",
    ]
    level = 0.0
    for step in found:
        assert step.start == (0 if step.kind == "total" else level)
        assert step.kind != "total" or step.end == level
        level = step.end
    assert found[-3].end == pytest.approx(-10.5 + intercept + sum(weights))
    assert found[-1].end == pytest.approx(found[-3].end + competition)
    assert found[-1].says == "probability 0.250"
    scale = Scale.around([0.0, *(step.end for step in found)])
    assert all(0 <= scale(place) <= 1 for step in found for place in (step.start, step.end))


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        *(
            (0.0, "odds 1.0 to 1"),
            (1.0, "odds 2.0 to 1"),
            (-1.0, "odds 1 to 2.0"),
            (-10.71, "odds 1 to 1,675"),
        ),
        *(
            (10.0, "odds 1,024 to 1"),
            (19.9, "odds 978,356 to 1"),
            (46.2, "odds 2^46 to 1"),
            (-25, "odds 1 to 2^25"),
        ),
    ],
)
def test_odds(bits, said):
    assert odds(bits) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((0.0, "under 0.000001"), (0.000012, "0.000012"), (0.0123456, "0.012"), (0.5, "0.500")),
        *((0.9989, "0.999"), (0.9991234, "0.999123"), (0.999999, "0.999999")),
    ],
)
def test_probability(value, said):
    assert probability(value) == said


def test_a_weight_has_its_sign_unless_it_is_nothing():
    assert [signed(bits) for bits in (1.234, -0.1, 0.001, -0.001, 0.0)] == [
        "+1.23",
        "-0.10",
        "0.00",
        "0.00",
        "0.00",
    ]


def test_the_scale():
    scale = Scale.around([5.0, -5.0], margin=0.1)
    assert (scale.low, scale.high) == (-6, 6)
    assert [scale(bits) for bits in (-6, 0, 6)] == [0, 0.5, 1]
    assert Scale.around([3.0])(3.0) == 0.5
    assert threshold_bits(0.5) == 0
    assert threshold_bits(0.8) == pytest.approx(2)


@pytest.mark.parametrize(
    ("others", "said"), [(0.0, "take next to nothing"), (0.1234, "take 12.3 % of the probability")]
)
def test_what_others_take(others, said):
    pair = {
        "prior": -3.0,
        "intercept": 0.0,
        "parts": [],
        "within": False,
        "others": others,
        "competition": -0.1,
        "probability": 0.1,
    }
    assert steps(pair)[-2].says == said


@pytest.mark.parametrize(
    ("change", "said"),
    [(0.001, "say nothing"), (2.0, "speak for one person"), (-2.0, "speak against one person")],
)
def test_what_links_of_either_say_within_a_dataset(change, said):
    pair = {"prior": -3.0, "intercept": 0.0, "parts": [], "within": True, "others": 0.0}
    step = steps({**pair, "competition": change, "probability": 0.1})[-2]
    assert (step.name, step.says, step.kind) == ("links of either", said, "rivals")
    assert step.weight == pytest.approx(change)
