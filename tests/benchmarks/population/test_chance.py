"""Random numbers that do not depend on who asks when, and shuffles that lose nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.population.chance import Dice, Permutation, below, curve, hashed, pick


def test_stream_has_known_numbers():
    """Holds over versions of numpy: a change here changes every population."""
    assert Dice(0, 0, purpose="people", n=2)("surname").tolist() == [
        0.025776172504486494,
        0.41467424791501917,
    ]
    assert Dice(7, 3, purpose="site/a", n=2)("care").tolist() == [0.5981914763315213, 0.6942393058729336]
    order = Permutation(10, seed=0, purpose="x")(np.arange(10))
    assert order.tolist() == [8, 3, 0, 5, 7, 2, 1, 4, 6, 9]


def test_streams_differ_by_seed_block_purpose_and_name():
    streams = [
        Dice(seed, block, purpose=purpose, n=50)(name)
        for seed in (0, 1)
        for block in (0, 1)
        for purpose in ("people", "site/a")
        for name in ("sex", "age")
    ]
    assert len({tuple(stream.tolist()) for stream in streams}) == len(streams)
    for stream in streams:
        assert (stream >= 0).all()
        assert (stream < 1).all()


def test_longer_stream_begins_with_the_shorter():
    dice = Dice(5, 3, purpose="people", n=1000)
    assert dice("age", 10).tolist() == dice("age")[:10].tolist()


def test_numbers_are_even():
    numbers = Dice(9, 0, purpose="people", n=100_000)("x")
    assert np.bincount((numbers * 10).astype(int), minlength=10) == pytest.approx(
        np.full(10, 10_000), rel=0.05
    )


@given(n=st.integers(1, 3000), seed=st.integers(0, 2**64 - 1))
def test_permutation_is_one_to_one(n, seed):
    order = Permutation(n, seed=seed, purpose="test")(np.arange(n))
    assert sorted(order.tolist()) == list(range(n))


@given(n=st.integers(1, 10**9), data=st.data())
def test_permutation_does_not_depend_on_what_is_asked_with(n, data):
    values = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20))
    order = Permutation(n, seed=3, purpose="test")
    assert order(np.array(values)).tolist() == [order(np.array([value]))[0] for value in values]


def test_permutation_shuffles():
    order = Permutation(10_000, seed=0, purpose="test")(np.arange(10_000))
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05
    assert order.tolist() != Permutation(10_000, seed=0, purpose="other")(np.arange(10_000)).tolist()


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1), st.integers(1, 10**6))
def test_below_stays_below(uniform, n):
    numbers = below(np.array(uniform), n)
    assert (numbers >= 0).all()
    assert (numbers < n).all()


def test_pick_and_curve():
    assert pick(np.array([0.0, 0.29, 0.3, 0.99, 1.0]), (0.3, 0.7)).tolist() == [0, 0, 1, 1, 1]
    assert curve([(0, 10), (1, 20)], np.array([0.0, 0.5])).tolist() == [10.0, 15.0]


def test_hashes_are_even_and_salted():
    values = np.arange(100_000)
    assert hashed(values, 1).mean() == pytest.approx(0.5, abs=0.005)
    assert abs(np.corrcoef(hashed(values, 1), hashed(values, 2))[0, 1]) < 0.02
