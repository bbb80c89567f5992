"""Choosing links."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching import resolve
from broker.matching.candidates import Pairs
from broker.matching.resolve import choose

# Few values, so that there are ties.
PROBABILITIES = st.sampled_from([0.2, 0.5, 0.5000001, 0.7, 0.9, 0.99])


@st.composite
def contests(draw):
    codes = sorted(draw(st.sets(st.integers(0, 35), max_size=25)))
    numbers = [draw(st.lists(PROBABILITIES, min_size=len(codes), max_size=len(codes))) for _ in range(2)]
    pairs = Pairs(np.array(codes, np.int64) // 6, np.array(codes, np.int64) % 6, 36)
    return pairs, *(np.array(values, dtype=np.float64) for values in numbers)


@given(contests(), st.booleans(), st.booleans(), PROBABILITIES)
def test_links_are_one_to_one_where_they_must_be_and_none_is_left_out(
    contest, left_once, right_once, threshold
):
    pairs, posterior, ratio = contest
    chosen = choose(pairs, posterior, ratio, threshold=threshold, exclusive=(left_once, right_once))
    assert chosen.dtype == np.int64
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert (posterior[chosen] >= threshold).all()
    for rows, once in ((pairs.left, left_once), (pairs.right, right_once)):
        if once:
            assert len(set(rows[chosen].tolist())) == len(chosen)
    if left_once and right_once:
        assert sum(posterior[chosen] - threshold) == pytest.approx(best_sum(pairs, posterior, threshold))
        return
    # Every other pair is below the threshold, or a better link took one of its rows.
    for other in set(range(len(pairs))) - set(chosen.tolist()):
        better = [
            link
            for link in chosen
            if (left_once and pairs.left[link] == pairs.left[other])
            or (right_once and pairs.right[link] == pairs.right[other])
            if (posterior[link], ratio[link], -link) > (posterior[other], ratio[other], -other)
        ]
        assert better or posterior[other] < threshold


def best_sum(pairs, posterior, threshold):
    """The largest sum of posterior less threshold of pairs that share no row, by trying."""
    some = [k for k in range(len(pairs)) if posterior[k] > threshold]

    def best(left, rows):
        if not left:
            return 0.0
        k, *rest = left
        without = best(rest, rows)
        ends = {("l", pairs.left[k]), ("r", pairs.right[k])}
        if ends & rows:
            return without
        return max(without, posterior[k] - threshold + best(rest, rows | ends))

    return best(some, frozenset())


def test_a_large_block_is_gone_through_greedily(monkeypatch):
    monkeypatch.setattr(resolve, "MOST_ASSIGNED", 1)
    pairs = Pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), 4)
    posterior = np.array([0.4, 0.35, 0.35])

    def links():
        return choose(pairs, posterior, np.zeros(3), threshold=0.1, exclusive=(True, True)).tolist()

    assert links() == [0]
    monkeypatch.undo()
    assert links() == [1, 2]


def test_ties_go_to_the_heavier_pair_then_to_the_earlier():
    pairs = Pairs(np.array([0, 0, 0]), np.array([0, 1, 2]), 3)

    def links(ratio, exclusive):
        even = np.full(3, 0.9)
        return choose(pairs, even, np.array(ratio), threshold=0.5, exclusive=exclusive).tolist()

    for exclusive in ((True, True), (True, False)):
        assert links([1.0, 1.0, 1.0], exclusive) == [0]
        assert links([1.0, 2.0, 1.0], exclusive) == [1]
        assert links([1.0, 2.0, 3.0], exclusive) == [2]
    assert links([1.0, 2.0, 3.0], (False, True)) == [0, 1, 2]


def test_no_pairs():
    none = np.empty(0)
    pairs = Pairs(none.astype(np.int64), none.astype(np.int64), 9)
    assert choose(pairs, none, none, threshold=0.5, exclusive=(True, True)).tolist() == []
