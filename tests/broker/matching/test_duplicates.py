"""Learning beside duplicates: representatives, the pairs among them, and strangers; counted one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.candidates import Pairs
from broker.matching.duplicates import (
    DOUBT,
    SURE,
    among,
    borrowed,
    people_within,
    representatives,
    strangers,
)
from broker.matching.evidence.model import Feature
from broker.matching.weigh import Between, Fit

N_PATTERNS = 4
FEATURES = np.eye(N_PATTERNS, 3, dtype=np.float32)


@st.composite
def compared(draw, itself=True):
    """Candidates of a dataset with itself, or of two; their patterns and what each stands for."""
    n = draw(st.integers(2, 8))
    m = n if itself else draw(st.integers(1, 8))
    possible = [(i, j) for i in range(n) for j in range(m) if not itself or i < j]
    pairs = sorted(draw(st.sets(st.sampled_from(possible))))
    of_pair = draw(st.lists(st.integers(0, N_PATTERNS - 1), min_size=len(pairs), max_size=len(pairs)))
    weight = draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=len(pairs), max_size=len(pairs)))
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return Between(
        FEATURES,
        np.array(of_pair, np.int32),
        Pairs(left, right, len(possible)),
        np.array(weight, np.float64),
        (n, m),
        (False, False),
    )


def flags(draw, n):
    return np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))


def listed(between: Between) -> list[tuple[int, int, int, float]]:
    columns = between.pairs.left, between.pairs.right, between.of_pair, between.weight
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(st.lists(st.integers(0, 5), max_size=12))
def test_the_first_record_of_each_person_stands_for_it(people):
    expected = [person not in people[:row] for row, person in enumerate(people)]
    assert representatives(np.array(people, np.int64)).tolist() == expected


@given(compared(itself=False), st.data())
def test_pairs_among_representatives(between, data):
    left, right = (flags(data.draw, n) for n in between.shape)
    found = among(between, left, right)
    rows, columns = (np.flatnonzero(kept).tolist() for kept in (left, right))
    expected = [
        (rows.index(i), columns.index(j), pattern, weight)
        for i, j, pattern, weight in listed(between)
        if i in rows and j in columns
    ]
    assert listed(found) == expected
    assert found.shape == (len(rows), len(columns))
    assert found.pairs.n_possible == len(rows) * len(columns)
    assert found.exclusive == (True, True)
    assert found.features is between.features


@given(st.lists(compared(), min_size=1, max_size=3), st.integers(0, 1000), st.data())
def test_strangers_are_the_pairs_of_representatives(within, n_possible, data):
    looked_at, kept, posteriors = [], [], []
    n_pairs, weight, n_looked_at = {}, {}, 0
    for number, between in enumerate(within):
        n = between.shape[0]
        n_left = data.draw(st.integers(1, n))
        some = flags(data.draw, n) if data.draw(st.booleans()) else None
        # As an engine has it: pairs beyond the first rows are not among the candidates.
        inside = between.pairs.left < n_left
        between = Between(
            FEATURES,
            between.of_pair[inside],
            between.pairs.some(inside),
            between.weight[inside],
            between.shape,
            between.exclusive,
        )
        looked_at.append((between, n_left))
        kept.append(some)
        size = len(between.pairs)
        drawn = data.draw(
            st.none() | st.lists(st.sampled_from([0.0, 0.4, 1.0]), min_size=size, max_size=size)
        )
        posteriors.append(None if drawn is None else np.array(drawn, np.float64))
        there = [row for row in range(n) if some is None or some[row]]
        n_looked_at += sum(i < n_left for i, _ in combinations(there, 2))
        for (i, j, pattern, each), p in zip(listed(between), drawn or [0.0] * size, strict=True):
            if i in there and j in there:
                n_pairs[number, pattern] = n_pairs.get((number, pattern), 0) + 1
                weight[number, pattern] = weight.get((number, pattern), 0.0) + each * (1 - DOUBT * p)
    found = strangers(looked_at, kept, posteriors, n_possible=n_possible, n_features=3)
    order = sorted(n_pairs)
    assert found.features.tolist() == [FEATURES[pattern].tolist() for _, pattern in order]
    assert found.n_pairs.tolist() == [n_pairs[one] for one in order]
    scale = n_possible / max(n_looked_at, 1)
    np.testing.assert_allclose(found.weight, [scale * weight[one] for one in order])


def test_no_datasets_no_strangers():
    found = strangers([], [], [], n_possible=1, n_features=5)
    assert found.features.shape == (0, 5)
    assert (len(found.n_pairs), len(found.weight)) == (0, 0)


def a_fit(weights, n_matches, intercept) -> Fit:
    return Fit(np.array(weights), intercept, n_matches, 1.0, np.zeros(0), 1, True, False)


def test_weights_are_borrowed_by_name_each_comparison_by_its_matches():
    given_name, surname, city = (Feature(part, "equal", 1.0) for part in ("given_name", "surname", "city"))
    fits = [
        ((surname, given_name), a_fit([4.0, 6.0], 30.0, -1.0)),
        ((given_name, city), a_fit([2.0, 3.0], 10.0, 3.0)),
    ]
    weights, intercept = borrowed((given_name, surname, city), fits)
    # What a comparison has not weighed is weighed by default.
    assert weights.tolist() == pytest.approx([6 * 0.75 + 2 * 0.25, 4 * 0.75 + 0.25, 0.75 + 3 * 0.25])
    assert intercept == pytest.approx(-0.75 + 3 * 0.25)


def test_people_are_those_that_are_surely_one():
    pairs = Pairs(np.array([0, 1, 3, 3]), np.array([1, 2, 4, 5]), 21)
    within = Between(FEATURES, np.zeros(4, np.int32), pairs, np.ones(4), (7, 7), (False, False))
    sure = (1 + SURE) / 2
    people = people_within(within, np.array([0.999, SURE - 0.01, sure, sure])).tolist()
    assert people[0] == people[1]
    assert people[1] != people[2]
    assert len({*people[:1], people[2], people[3], people[6]}) == 4
    # 4 and 5 are each surely 3, and not at all each other: one of them is.
    assert (people[3] == people[4]) != (people[3] == people[5])
    assert people_within(within, np.zeros(4)).tolist() == list(range(7))
