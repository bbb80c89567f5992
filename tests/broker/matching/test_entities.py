"""Gathering entities: by all pairs of the groups to be joined."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching import entities
from broker.matching.entities import Links, gather_entities

# Few values, so that there are ties.
PROBABILITIES = st.sampled_from([0.01, 0.2, 0.5, 0.5000001, 0.7, 0.9, 0.99])


def gathered(edges, sizes, duplicate_free, threshold=0.5):
    left, right, probability = zip(*edges, strict=True) if edges else ((), (), ())
    found = Links(np.array(left, np.int64), np.array(right, np.int64), np.array(probability, np.float64))
    is_link = found.probability >= threshold
    return gather_entities(found, is_link, sizes, duplicate_free, threshold=threshold).tolist()


@st.composite
def linkages(draw):
    sizes = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    n = sum(sizes)
    free = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    dataset = np.repeat(np.arange(len(sizes)), sizes).tolist()
    possible = [
        (a, b) for a in range(n) for b in range(a + 1, n) if dataset[a] != dataset[b] or not free[dataset[a]]
    ]
    pairs = draw(st.lists(st.sampled_from(possible), unique=True, max_size=20)) if possible else []
    return [(a, b, draw(PROBABILITIES)) for a, b in pairs], sizes, free


def by_hand(edges, sizes, free, threshold=0.5):
    """Greedy contraction over all records at once, on dictionaries."""
    dataset = np.repeat(np.arange(len(sizes)), sizes).tolist()
    groups = {record: [record] for record in range(sum(sizes))}
    gain = {}
    for a, b, p in edges:
        odds = np.clip(np.log(p / (1 - p)) - np.log(threshold / (1 - threshold)), -8, 8)
        gain[a, b] = max(odds, 1e-9) if p >= threshold else odds

    def value(one, two):
        total = 0.0
        for i in groups[one]:
            for j in groups[two]:
                if dataset[i] == dataset[j] and free[dataset[i]]:
                    return -np.inf
                total += gain.get((min(i, j), max(i, j)), -6.0)
        return total

    while True:
        options = [(value(one, two), -one, -two) for one, two in combinations(sorted(groups), 2)]
        best = max(options, default=(0.0, 0, 0))
        if best[0] <= 0:
            break
        one, two = -best[1], -best[2]
        groups[one] += groups.pop(two)
    first = {record: group for group, records in groups.items() for record in records}
    numbers = {group: number for number, group in enumerate(sorted(groups))}
    return [numbers[first[record]] for record in range(sum(sizes))]


@given(linkages())
def test_against_its_twin(linkage):
    edges, sizes, free = linkage
    # Sums of equal gains tie, and then the order of additions decides: not so with gains all different.
    edges = [(a, b, p + 1e-5 * number if p < 0.99 else p) for number, (a, b, p) in enumerate(edges)]
    assert gathered(edges, sizes, free) == by_hand(edges, sizes, free)


@given(linkages())
def test_entities_are_joined_by_links_and_hold_no_duplicate_that_cannot_be(linkage):
    edges, sizes, free = linkage
    entity = gathered(edges, sizes, free)
    dataset = np.repeat(np.arange(len(sizes)), sizes).tolist()
    held = Counter((e, d) for e, d in zip(entity, dataset, strict=True) if free[d])
    assert max(held.values(), default=1) == 1
    # Numbered in the order of their first record.
    assert list(dict.fromkeys(entity)) == list(range(len(set(entity))))
    # Links within entities lead from any of its records to any other.
    group = list(range(len(entity)))
    for a, b, probability in edges:
        if probability >= 0.5 and entity[a] == entity[b]:
            group = [group[a] if g == group[b] else g for g in group]
    assert [group.index(g) for g in group] == [entity.index(e) for e in entity]


@given(linkages(), st.randoms())
def test_the_order_of_the_edges_does_not_matter(linkage, random):
    edges, sizes, free = linkage
    edges = [(a, b, p + 1e-5 * number if p < 0.99 else p) for number, (a, b, p) in enumerate(edges)]
    shuffled = [(b, a, p) if random.random() < 0.5 else (a, b, p) for a, b, p in edges]
    random.shuffle(shuffled)
    assert gathered(shuffled, sizes, free) == gathered(edges, sizes, free)


def test_the_weaker_link_gives_way():
    # Records 0 and 1 of dataset A, 2 of B, 3 of C: B's record would join both of A.
    edges = [(0, 2, 0.7), (1, 3, 0.99), (2, 3, 0.98), (1, 2, 0.4)]
    assert gathered(edges, [2, 1, 1], [True] * 3) == [0, 1, 1, 1]


def test_pairs_that_speak_against_an_entity_outweigh_a_doubtful_link():
    # Two families of two records each, one doubtful link between them.
    apart = [(0, 1, 0.999), (2, 3, 0.999), (1, 2, 0.8)]
    assert gathered(apart, [4], [False]) == [0, 0, 1, 1]
    told = [*apart, (0, 2, 0.2), (0, 3, 0.2), (1, 3, 0.6)]
    assert gathered(told, [4], [False]) == [0, 0, 1, 1]
    convinced = [*apart, (0, 2, 0.9), (0, 3, 0.9), (1, 3, 0.9)]
    assert gathered(convinced, [4], [False]) == [0, 0, 0, 0]


def test_a_link_within_an_entity_is_kept_however_weak():
    edges = [(0, 1, 0.9), (1, 2, 0.9), (0, 2, 0.5)]
    assert gathered(edges, [1, 1, 1], [True] * 3) == [0, 0, 0]


def test_duplicates_join_where_the_dataset_may_hold_them():
    edges = [(0, 1, 0.9), (1, 2, 0.8), (0, 2, 0.5)]
    assert gathered(edges, [2, 1], [False, True]) == [0, 0, 0]
    assert gathered(edges[1:], [2, 1], [True, True]) == [0, 1, 1]


def test_the_threshold_is_where_a_pair_says_nothing():
    edges = [(0, 1, 0.7)]
    assert gathered(edges, [2], [False], threshold=0.7) == [0, 0]
    assert gathered(edges, [2], [False], threshold=0.8) == [0, 1]


@pytest.mark.parametrize("sizes", [[0, 0], [2, 1], [1]])
def test_without_links_every_record_is_an_entity(sizes):
    assert gathered([], sizes, [True] * len(sizes)) == list(range(sum(sizes)))


def test_a_part_that_is_too_large_falls_apart_at_its_doubtful_links(monkeypatch):
    monkeypatch.setattr(entities, "MOST_RECORDS", 3)
    trio = [(0, 1, 0.999), (1, 2, 0.999), (0, 2, 0.999), (3, 4, 0.999), (4, 5, 0.999), (3, 5, 0.999)]
    assert gathered([*trio, (2, 3, 0.6)], [6], [False]) == [0, 0, 0, 1, 1, 1]


def test_one_that_does_not_is_joined_link_by_link_and_keeps_the_rules(monkeypatch):
    monkeypatch.setattr(entities, "MOST_RECORDS", 3)
    chain = [(k, k + 1, 0.99999) for k in range(5)]
    assert gathered(chain, [6], [False]) == [0] * 6
    # Six datasets of one record, and one record more of the first.
    both_ends = [*chain, (5, 6, 0.99999)]
    entity = gathered(both_ends, [1] * 6 + [1], [True] * 7)
    assert entity == [0] * 7
    entity = gathered(
        [(0, 2, 0.99999), (2, 3, 0.99999), (3, 4, 0.99999), (1, 4, 0.9999)], [2, 1, 1, 1], [True] * 4
    )
    assert entity[0] != entity[1]
