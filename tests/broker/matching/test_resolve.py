"""Choosing links: one to one where they must be, the best there are where rows have rivals."""

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


def greedily(pairs, posterior, ratio, threshold, exclusive):
    """The links by going through the pairs, the most probable first."""
    taken, links = (set(), set()), []
    for place in sorted(range(len(pairs)), key=lambda k: (-posterior[k], -ratio[k], k)):
        ends = int(pairs.left[place]), int(pairs.right[place])
        if posterior[place] < threshold or any(
            once and end in rows for once, end, rows in zip(exclusive, ends, taken, strict=True)
        ):
            continue
        for end, rows in zip(ends, taken, strict=True):
            rows.add(end)
        links.append(place)
    return sorted(links)


def best_sum(pairs, posterior, threshold):
    """The largest sum of posteriors less the threshold over one-to-one links, left row by left row."""
    sums = {frozenset(): 0.0}
    for row in range(6):
        more = dict(sums)
        for place in np.flatnonzero((pairs.left == row) & (posterior >= threshold)).tolist():
            for rows, total in sums.items():
                if pairs.right[place] not in rows:
                    taken = rows | {int(pairs.right[place])}
                    more[taken] = max(more.get(taken, 0.0), total + posterior[place] - threshold)
        sums = more
    return max(sums.values())


@given(contests(), PROBABILITIES)
def test_one_to_one_links_are_the_best_assignment(contest, threshold):
    pairs, posterior, ratio = contest
    chosen = choose(pairs, posterior, ratio, threshold=threshold, exclusive=(True, True))
    assert chosen.dtype == np.int64
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert (posterior[chosen] >= threshold).all()
    for rows in (pairs.left, pairs.right):
        assert len(set(rows[chosen].tolist())) == len(chosen)
    assert (posterior[chosen] - threshold).sum() == pytest.approx(
        best_sum(pairs, posterior, threshold), abs=1e-6
    )
    # None is left out: of every other pair a row is taken, or it is below the threshold.
    free = ~np.isin(pairs.left, pairs.left[chosen]) & ~np.isin(pairs.right, pairs.right[chosen])
    assert (posterior[free] < threshold).all()


@given(contests(), st.sampled_from([(False, False), (True, False), (False, True)]), PROBABILITIES)
def test_where_a_side_may_have_several_the_most_probable_come_first(contest, exclusive, threshold):
    pairs, posterior, ratio = contest
    chosen = choose(pairs, posterior, ratio, threshold=threshold, exclusive=exclusive)
    assert chosen.dtype == np.int64
    assert chosen.tolist() == greedily(pairs, posterior, ratio, threshold, exclusive)


@given(contests(), PROBABILITIES)
def test_large_blocks_are_gone_through_greedily(contest, threshold):
    pairs, posterior, ratio = contest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "MOST_ASSIGNED", 1)  # the least block of rivals has two rows
        chosen = choose(pairs, posterior, ratio, threshold=threshold, exclusive=(True, True))
    assert chosen.tolist() == greedily(pairs, posterior, ratio, threshold, (True, True))


@given(contests(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(contest, random):
    pairs, posterior, ratio = contest
    # No ties, which go to the earlier pair.
    posterior = posterior + 1e-4 * np.random.default_rng(random.randrange(2**32)).random(len(posterior))
    names = [np.array(random.sample(range(6), 6)) for _ in range(2)]
    left, right = names[0][pairs.left], names[1][pairs.right]
    order = np.lexsort((right, left))
    other = Pairs(left[order], right[order], 36)
    one = choose(pairs, posterior, ratio, threshold=0.2, exclusive=(True, True))
    two = choose(other, posterior[order], ratio[order], threshold=0.2, exclusive=(True, True))
    assert set(order[two].tolist()) == set(one.tolist())


def test_two_good_links_are_better_than_the_best():
    pairs = Pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), 4)
    posterior = np.array([0.45, 0.4, 0.4])
    for threshold, links in ((0.3, [1, 2]), (0.38, [0]), (0.42, [0]), (0.46, [])):
        chosen = choose(pairs, posterior, posterior, threshold=threshold, exclusive=(True, True))
        assert chosen.tolist() == links


def test_ties_go_to_the_heavier_pair_then_to_the_earlier():
    pairs = Pairs(np.array([0, 0, 2]), np.array([0, 1, 2]), 9)
    even = np.full(3, 0.9)

    def links(ratio, exclusive):
        return choose(pairs, even, np.array(ratio), threshold=0.5, exclusive=exclusive).tolist()

    for exclusive in ((True, True), (True, False)):
        assert links([1.0, 1.0, 1.0], exclusive) == [0, 2]
        assert links([1.0, 2.0, 1.0], exclusive) == [1, 2]
        assert links([2.0, 1.0, 3.0], exclusive) == [0, 2]


def test_no_pairs():
    none = np.empty(0)
    pairs = Pairs(none.astype(np.int64), none.astype(np.int64), 9)
    assert choose(pairs, none, none, threshold=0.5, exclusive=(True, True)).tolist() == []
