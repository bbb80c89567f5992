"""Gathering entities: by all pairs of their records, against a naive twin and by what must hold of them."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching import _loops, entities
from broker.matching.entities import Links, gather_entities, weight_of_absent

# Few values, so that there are ties; some decide alone, some are below the threshold.
PROBABILITIES = st.sampled_from([0.001, 0.2, 0.45, 0.5, 0.6, 0.9, 0.99, 0.99999])


@dataclass
class Case:
    """Pairs of records with their probabilities, those that are links, and what the datasets are."""

    edges: list[tuple[int, int, float]]
    is_link: list[bool]
    sizes: list[int]
    free: list[bool]

    def gather(self, threshold: float = 0.5) -> list[int]:
        left, right, probability = zip(*self.edges, strict=True) if self.edges else ((), (), ())
        found = Links(np.array(left, np.int64), np.array(right, np.int64), np.array(probability, np.float64))
        flags = np.array(self.is_link, dtype=np.bool_)
        entity = gather_entities(found, flags, self.sizes, self.free, threshold=threshold)
        assert entity.dtype == np.int64
        return entity.tolist()

    @property
    def site(self) -> list[int]:
        """Of each record its dataset, -1 where that may hold duplicates."""
        return [
            d if free else -1
            for d, (n, free) in enumerate(zip(self.sizes, self.free, strict=True))
            for _ in range(n)
        ]


def from_links(links, sizes, free, *, others=()) -> list[int]:
    return Case([*links, *others], [True] * len(links) + [False] * len(others), sizes, free).gather()


@st.composite
def cases(draw, probabilities=PROBABILITIES):
    sizes = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    n = sum(sizes)
    free = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    dataset = np.repeat(np.arange(len(sizes)), sizes).tolist()
    possible = [
        (a, b) for a in range(n) for b in range(a + 1, n) if dataset[a] != dataset[b] or not free[dataset[a]]
    ]
    pairs = draw(st.lists(st.sampled_from(possible), unique=True, max_size=25)) if possible else []
    edges = [(a, b, draw(probabilities)) for a, b in pairs]
    is_link = [p >= 0.5 and draw(st.integers(0, 4)) > 0 for _, _, p in edges]
    return Case(edges, is_link, sizes, free)


def groups_of(edges, n: int) -> list[int]:
    """Of each record the first of those that pairs lead to."""
    group = list(range(n))
    for a, b in edges:
        one, two = sorted((group[a], group[b]))
        group = [one if g == two else g for g in group]
    return group


def check(case: Case, entity: list[int], threshold: float) -> None:
    """What must hold of any entities."""
    held = Counter((e, d) for e, d in zip(entity, case.site, strict=True) if d >= 0)
    assert max(held.values(), default=1) == 1
    # Numbered in the order of their first record.
    assert list(dict.fromkeys(entity)) == list(range(len(set(entity))))
    # Never beyond what links join; and from each record of one to each other lead pairs that speak for it.
    joined = groups_of(
        [(a, b) for (a, b, _), link in zip(case.edges, case.is_link, strict=True) if link], len(entity)
    )
    for a, b in itertools.combinations(range(len(entity)), 2):
        assert entity[a] != entity[b] or joined[a] == joined[b]
    speak_for = [
        (a, b)
        for (a, b, p), link in zip(case.edges, case.is_link, strict=True)
        if (link or p > threshold) and entity[a] == entity[b]
    ]
    group = groups_of(speak_for, len(entity))
    assert group == [entity.index(e) for e in entity]


@given(cases(), st.sampled_from([0.5, 0.7, 0.95]))
def test_entities_are_joined_by_pairs_that_speak_for_them(case, threshold):
    case.is_link = [link and p >= threshold for (_, _, p), link in zip(case.edges, case.is_link, strict=True)]
    check(case, case.gather(threshold), threshold)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_edges_and_their_ends_does_not_matter(case, random):
    order = random.sample(range(len(case.edges)), len(case.edges))
    turned = [random.random() < 0.5 for _ in order]
    edges = [case.edges[k] for k in order]
    edges = [(b, a, p) if turn else (a, b, p) for (a, b, p), turn in zip(edges, turned, strict=True)]
    assert Case(edges, [case.is_link[k] for k in order], case.sizes, case.free).gather() == case.gather()


@given(cases(), st.integers(1, 6))
def test_large_parts_fall_apart_or_are_joined_by_links(case, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entities, "MOST_RECORDS", most)
        entity = case.gather()
    check(case, entity, 0.5)


@given(cases(probabilities=st.floats(0.99995, 1)))
def test_links_that_no_split_cuts_are_joined_the_most_probable_first(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entities, "MOST_RECORDS", 0)
        entity = case.gather()
    group = list(range(len(entity)))
    links = [edge for edge, link in zip(case.edges, case.is_link, strict=True) if link]
    for a, b, _ in sorted(links, key=lambda link: -link[2]):  # stable: the earlier of two that are even
        ours, theirs = (
            [s for s, g in zip(case.site, group, strict=True) if g == group[x] and s >= 0] for x in (a, b)
        )
        if group[a] != group[b] and not set(ours) & set(theirs):
            group = [group[a] if g == group[b] else g for g in group]
    assert [group.index(g) for g in group] == [entity.index(e) for e in entity]


# The compiled loop


def contracted(sites, gain, absent, repeated) -> list[int]:
    """The first record of each one's group, by sets and sums over all their pairs."""
    groups = [[record] for record in range(len(sites))]

    def together(one, two):
        pairs = [(min(a, b), max(a, b)) for a in one for b in two]
        if any(sites[a] >= 0 and sites[a] == sites[b] for a, b in pairs):
            return -np.inf
        return sum(gain.get(pair, absent) - repeated * (min(len(one), len(two)) - 1) for pair in pairs)

    while True:
        sums = [
            (together(one, two), -i, -j)
            for (i, one), (j, two) in itertools.combinations(enumerate(groups), 2)
        ]
        most, i, j = max(sums, default=(0, 0, 0))  # of even ones the first
        if most <= 0:
            return [next(group[0] for group in groups if record in group) for record in range(len(sites))]
        groups[-i] += groups.pop(-j)


@st.composite
def components(draw):
    out = []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 7))
        sites = draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
        possible = list(itertools.combinations(range(n), 2))
        pairs = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
        out.append((sites, {pair: draw(st.integers(-8, 8)) for pair in pairs}))
    return out


@given(components(), st.booleans(), st.sampled_from([0, 1, 3]))
def test_contract_against_its_twin(parts, turned, repeated):
    """Whole numbers, so that sums are exact and ties are ties."""
    starts = np.cumsum([0] + [len(sites) for sites, _ in parts])
    edge_starts = np.cumsum([0] + [len(gain) for _, gain in parts])
    pairs = [pair for _, gain in parts for pair in gain]
    one, two = (np.array([pair[side ^ turned] for pair in pairs], np.int64) for side in (0, 1))
    gain = np.array([value for _, gains in parts for value in gains.values()], np.float64)
    sites = np.array([site for sites, _ in parts for site in sites], np.int64)
    label = np.empty(len(sites), np.int64)
    _loops.contract(starts, sites, edge_starts, one, two, gain, -6.0, float(repeated), label)
    expected = [
        int(start) + first
        for start, (some, gains) in zip(starts, parts, strict=False)
        for first in contracted(some, gains, -6, repeated)
    ]
    assert label.tolist() == expected


# By hand


def test_a_doubtful_link_gives_way_to_pairs_that_speak_against_it():
    # Records 0 and 1 of dataset A, 2 of B, 3 of C: B's record would join both of A.
    links = [(0, 2, 0.7), (1, 3, 0.9), (2, 3, 0.8)]
    # Of 1 and 2 nothing speaks for one person: what that takes outweighs the link of 2 and 3.
    assert from_links(links, [2, 1, 1], [True] * 3) == [0, 1, 0, 1]
    assert from_links(links, [2, 1, 1], [True] * 3, others=[(1, 2, 0.45)]) == [0, 1, 1, 1]
    others = [(1, 2, 0.45), (0, 3, 0.45), (0, 1, 0.4)]
    assert from_links(links, [2, 1, 1], [True] * 3, others=others) == [0, 1, 1, 1]
    assert from_links(links, [2, 1, 1], [False, True, True], others=others) == [0, 0, 0, 0]


def test_a_pair_not_looked_at_says_the_less_the_more_matches_are_not():
    links = Links(np.array([0, 1]), np.array([1, 2]), np.array([0.999, 0.99]))  # 0 and 2 were not looked at
    both = np.ones(2, dtype=np.bool_)
    joined = [
        gather_entities(
            links, both, [3], [False], threshold=0.5, absent=weight_of_absent(n_absent, 1000)
        ).tolist()
        for n_absent in (1, 50)
    ]
    assert joined == [[0, 0, 1], [0, 0, 0]]
    assert weight_of_absent(50, 1000) == pytest.approx(np.log(0.05), abs=0.02)
    assert weight_of_absent(0, 0) == pytest.approx(np.log(0.5), abs=0.5)
    assert weight_of_absent(0, 1e9) == -8


def test_a_link_within_an_entity_is_kept_however_weak():
    links = [(0, 1, 0.9), (1, 2, 0.9), (0, 2, 0.5)]
    assert from_links(links, [1, 1, 1], [True] * 3) == [0, 0, 0]


def test_an_error_that_would_have_come_twice_does_not_join():
    """Records 0 and 2 are alike, 1 and 3 are; and all of one's to all of the other's like twins."""
    alike = [(0, 2, 0.999), (1, 3, 0.999)]
    like_twins = [(a, b, 0.8) for a, b in ((0, 1), (0, 3), (1, 2), (2, 3))]
    assert from_links(alike + like_twins, [2, 2], [False, False]) == [0, 1, 0, 1]
    assert from_links([alike[0], *like_twins[:1], like_twins[2]], [2, 1], [False, False]) == [0, 0, 0]
    surely = [(a, b, 0.99) for a, b, _ in like_twins]
    assert from_links(alike + surely, [2, 2], [False, False]) == [0, 0, 0, 0]


def test_a_link_just_at_the_threshold_joins():
    assert from_links([(0, 1, 0.5)], [1, 1], [True, True]) == [0, 0]
    assert Case([(0, 1, 0.3)], [True], [1, 1], [True, True]).gather(0.3) == [0, 0]


def test_pairs_that_are_no_links_do_not_join_alone():
    assert Case([(0, 1, 0.9)], [False], [1, 1], [True, True]).gather() == [0, 1]


def test_duplicates_join_where_the_dataset_may_hold_them():
    links, others = [(0, 1, 0.9), (1, 2, 0.8)], [(0, 2, 0.3)]
    assert from_links(links, [2, 1], [False, True], others=others) == [0, 0, 0]
    assert from_links([(0, 2, 0.9), (1, 2, 0.9)], [2, 1], [False, True], others=[(0, 1, 0.4)]) == [0, 0, 0]
    assert from_links([(0, 2, 0.95), (1, 2, 0.9)], [2, 1], [True, True]) == [0, 1, 0]


@pytest.mark.parametrize("sizes", [[0, 0], [2, 1]])
def test_without_links_every_record_is_an_entity(sizes):
    assert from_links([], sizes, [True, True]) == list(range(sum(sizes)))


def test_more_records_than_are_looked_at_pair_by_pair():
    n = 2 * entities.MOST_RECORDS + 50
    chain = [(k, k + 1, 0.999995) for k in range(n - 1)]
    assert set(from_links(chain, [n], [False])) == {0}
    # A doubtful link between two of them is cut.
    doubtful = [(a, b, 0.8 if a == n // 2 else p) for a, b, p in chain]
    assert from_links(doubtful, [n], [False]) == [int(k > n // 2) for k in range(n)]
    # What falls below the limit by that is looked at pair by pair again, with all its edges.
    small = [(0, 1, 0.95), (1, 2, 0.8), *((a, b, p) for a, b, p in chain if a >= 2)]
    against = [(0, 2, 0.01)]
    assert from_links(small, [n], [False], others=against)[:3] == [0, 0, 1]
    # Alternately of two datasets that hold nobody twice.
    both = [(k, n + k, 0.999995) for k in range(n)] + [(k, n + k + 1, 0.999994) for k in range(n - 1)]
    entity = from_links(both, [n, n], [True, True])
    assert entity == [*range(n), *range(n)]
