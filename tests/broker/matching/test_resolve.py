"""Choosing links and gathering entities."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.candidates import Pairs
from broker.matching.resolve import Links, choose, gather_entities

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


def test_ties_go_to_the_heavier_pair_then_to_the_earlier():
    pairs = Pairs(np.array([0, 0, 1]), np.array([0, 1, 1]), 4)
    even = np.full(3, 0.9)

    def links(ratio):
        return choose(pairs, even, np.array(ratio), threshold=0.5, exclusive=(True, True)).tolist()

    assert links([1.0, 1.0, 1.0]) == [0, 2]
    assert links([1.0, 2.0, 1.0]) == [1]
    assert links([1.0, 2.0, 3.0]) == [0, 2]


def test_no_pairs():
    none = np.empty(0)
    pairs = Pairs(none.astype(np.int64), none.astype(np.int64), 9)
    assert choose(pairs, none, none, threshold=0.5, exclusive=(True, True)).tolist() == []


# Entities


def a_linkage(links, sizes, duplicate_free):
    left, right, probability = zip(*links, strict=True) if links else ((), (), ())
    found = Links(np.array(left, np.int64), np.array(right, np.int64), np.array(probability, np.float64))
    entity, kept = gather_entities(found, sizes, duplicate_free)
    return entity.tolist(), kept.tolist()


@st.composite
def linkages(draw):
    sizes = draw(st.lists(st.integers(0, 4), min_size=2, max_size=4))
    n = sum(sizes)
    free = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    dataset = np.repeat(np.arange(len(sizes)), sizes).tolist()
    possible = [
        (a, b) for a in range(n) for b in range(a + 1, n) if dataset[a] != dataset[b] or not free[dataset[a]]
    ]
    pairs = draw(st.lists(st.sampled_from(possible), unique=True, max_size=20)) if possible else []
    return [(a, b, draw(PROBABILITIES)) for a, b in pairs], sizes, free


@given(linkages())
def test_entities_are_what_kept_links_join_and_hold_no_duplicate_that_cannot_be(linkage):
    links, sizes, free = linkage
    entity, kept = a_linkage(links, sizes, free)
    dataset = np.repeat(np.arange(len(sizes)), sizes).tolist()
    held = Counter((e, d) for e, d in zip(entity, dataset, strict=True) if free[d])
    assert max(held.values(), default=1) == 1
    # Numbered in the order of their first record.
    assert list(dict.fromkeys(entity)) == list(range(len(set(entity))))
    # Two records are of one entity where and only where kept links lead from one to the other.
    group = list(range(len(entity)))
    for (a, b, _), keep in zip(links, kept, strict=True):
        assert keep == (entity[a] == entity[b])
        if keep:
            group = [group[a] if g == group[b] else g for g in group]
    assert [group.index(g) for g in group] == [entity.index(e) for e in entity]


@given(linkages())
def test_a_dropped_link_would_have_brought_two_records_of_one_dataset_together(linkage):
    links, sizes, free = linkage
    entity, kept = a_linkage(links, sizes, free)
    dataset = np.repeat(np.arange(len(sizes)), sizes).tolist()
    for (a, b, _), keep in zip(links, kept, strict=True):
        if not keep:
            ours, theirs = ({dataset[r] for r, e in enumerate(entity) if e == entity[x]} for x in (a, b))
            assert any(free[d] for d in ours & theirs)


def test_the_weaker_link_gives_way():
    # Records 0 and 1 of dataset A, 2 of B, 3 of C: B's record would join both of A.
    links = [(0, 2, 0.7), (1, 3, 0.9), (2, 3, 0.8)]
    assert a_linkage(links, [2, 1, 1], [True] * 3) == ([0, 1, 1, 1], [False, True, True])
    assert a_linkage(links, [2, 1, 1], [False, True, True]) == ([0, 0, 0, 0], [True] * 3)


def test_a_link_within_an_entity_is_kept_however_weak():
    links = [(0, 1, 0.9), (1, 2, 0.9), (0, 2, 0.5)]
    assert a_linkage(links, [1, 1, 1], [True] * 3) == ([0, 0, 0], [True] * 3)


def test_duplicates_join_where_the_dataset_may_hold_them():
    assert a_linkage([(0, 1, 0.9), (1, 2, 0.8)], [2, 1], [False, True]) == ([0, 0, 0], [True, True])


@pytest.mark.parametrize("sizes", [[0, 0], [2, 1]])
def test_without_links_every_record_is_an_entity(sizes):
    assert a_linkage([], sizes, [True, True]) == (list(range(sum(sizes))), [])
