"""The whole of matching on an invented town, against the truth."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import permutations

import numpy as np
import pytest

from broker.matching.pipeline import Linkage, link
from pprl.errors import LinkageError

from ..population import FIELDS, Town
from ..tokens import a_dataset, a_schema

STAGES = ("candidates", "compare", "strangers", "weigh", "resolve", "explain", "estimate")
# Least precision and recall; what is found lies a little above.
FLOORS = {"standard": (0.95, 0.95), "strict": (0.95, 0.92), "fields": (0.97, 0.97), "tokens": (0.95, 0.94)}


def links_by_name(linkage: Linkage) -> dict[frozenset[tuple[str, int]], float]:
    """Pairs of (dataset, row) with their probabilities."""
    where = [(d.name, row) for d in linkage.datasets for row in range(len(d))]
    links = linkage.links
    return {
        frozenset((where[left], where[right])): probability
        for left, right, probability in zip(
            links.left.tolist(), links.right.tolist(), links.probability.tolist(), strict=True
        )
    }


def true_links(
    town: Town, names: str = "ab", *, itself: tuple[int, ...] = ()
) -> set[frozenset[tuple[str, int]]]:
    pairs = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))] + [(d, d) for d in itself]
    return {
        frozenset(((names[a], row), (names[b], other))) for a, b in pairs for row, other in town.matches(a, b)
    }


def quality(linkage: Linkage, truth: set[frozenset[tuple[str, int]]]) -> tuple[float, float]:
    found = set(links_by_name(linkage))
    return len(found & truth) / len(found), len(found & truth) / len(truth)


@pytest.mark.parametrize("profile", FLOORS)
def test_precision_and_recall_without_a_label(linked, town, profile):
    precision, recall = quality(linked(profile), true_links(town))
    assert precision >= FLOORS[profile][0]
    assert recall >= FLOORS[profile][1]


@pytest.mark.parametrize("profile", ["standard", "fields"])
@pytest.mark.parametrize("seed", [1, 2])
def test_other_towns(profile, seed):
    town = Town(seed, n_people=600, holds=((0, 0.5), (0.2, 1)))
    schema = a_schema(profile)
    linkage = link([a_dataset(schema, rows, name) for rows, name in zip(town.records, "ab", strict=True)])
    precision, recall = quality(linkage, true_links(town))
    assert precision >= 0.93
    assert recall >= 0.93
    assert linkage.comparisons[0].doubts == ()


@pytest.mark.parametrize("profile", ["standard", "fields"])
def test_the_same_seed_gives_the_same_run(datasets, linked, profile):
    one, two = linked(profile), link(datasets(profile))
    assert np.array_equal(one.links.left, two.links.left)
    assert np.array_equal(one.links.right, two.links.right)
    assert np.array_equal(one.links.probability, two.links.probability)
    assert np.array_equal(one.entity, two.entity)
    assert one.comparisons[0].estimates == two.comparisons[0].estimates


@pytest.mark.parametrize("profile", FLOORS)
def test_the_order_of_the_datasets_does_not_matter(datasets, linked, profile):
    one, two = (links_by_name(found) for found in (linked(profile), link(datasets(profile)[::-1])))
    assert set(one) == set(two)
    for pair, probability in one.items():
        assert probability == pytest.approx(two[pair], abs=0.06)


def test_what_a_comparison_tells_of_itself(datasets, linked):
    linkage = linked("standard")
    (comparison,) = linkage.comparisons
    left, right = datasets("standard")
    assert (comparison.left, comparison.right) == (0, 1)
    assert comparison.n_possible == len(left) * len(right)
    assert max(comparison.by_filter, comparison.by_key) <= comparison.n_candidates
    assert comparison.n_candidates <= comparison.by_filter + comparison.by_key
    assert len(comparison.features) == len(comparison.fit.weights)
    assert (comparison.probability >= linkage.threshold).all()
    assert comparison.histogram.between.sum() == comparison.n_candidates
    # Where a pair without rivals has the threshold's probability.
    at_threshold = np.exp(comparison.histogram.threshold)
    assert at_threshold / (comparison.fit.odds + at_threshold) == pytest.approx(linkage.threshold)
    assert list(comparison.seconds) == list(STAGES)
    assert linkage.n_dropped == 0
    assert len(linkage.links) == len(comparison.links)
    assert len(linkage.entity) == len(left) + len(right)
    assert len(set(linkage.entity.tolist())) == len(linkage.entity) - len(linkage.links)


def test_progress_is_shown(datasets):
    said, done = [], {}

    @contextmanager
    def progress(label, total, *, unit=""):
        said.append(label.removeprefix("a x b: "))
        yield lambda n: done.update({label: (done.get(label, (0, 0))[0] + n, total)})

    link(datasets("standard"), progress=progress)
    search = ["joining match keys", "comparing filters"]
    strangers = [*search, "comparing strangers"]
    assert said == [*search, "comparing candidates", *strangers, *strangers, "weighing", "entities"]
    assert done == {"a x b: comparing filters": (560 + 560 + 520, 520)} or all(
        n % total == 0 for n, total in done.values()
    )


def test_a_higher_threshold_keeps_the_surer_links(datasets, linked):
    all_links = links_by_name(linked("standard"))
    strict = link(datasets("standard"), threshold=0.95)
    kept = links_by_name(strict)
    assert set(kept) == {pair for pair, probability in all_links.items() if probability >= 0.95}
    assert strict.comparisons[0].estimates[0].threshold == 0.95
    assert [e.threshold for e in strict.comparisons[0].estimates] == [0.95, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]
    odd = link(datasets("standard"), threshold=0.123).comparisons[0]
    assert [e.threshold for e in odd.estimates][:3] == [0.123, 0.5, 0.6]


# Three datasets, datasets with duplicates


@pytest.fixture(scope="module")
def three() -> Town:
    return Town(3, holds=((0, 0.6), (0.2, 0.8), (0.4, 1)), n_twice=(0, 0, 0))


@pytest.mark.parametrize("profile", ["standard", "tokens"])
def test_three_datasets_become_entities(three, profile):
    schema = a_schema(profile)
    sites = [a_dataset(schema, rows, name) for rows, name in zip(three.records, "abc", strict=True)]
    linkage = link(sites)
    assert [(c.left, c.right) for c in linkage.comparisons] == [(0, 1), (0, 2), (1, 2)]
    precision, recall = quality(linkage, true_links(three, "abc"))
    assert precision >= 0.95
    assert recall >= 0.94
    dataset = np.repeat(np.arange(3), [len(site) for site in sites])
    assert len(set(zip(linkage.entity.tolist(), dataset.tolist(), strict=True))) == len(dataset)
    sizes = np.bincount(np.bincount(linkage.entity))
    who = np.concatenate(three.who)
    truth = np.bincount(np.unique(who, return_counts=True)[1])
    np.testing.assert_allclose(sizes[1:], truth[1:], rtol=0.15)


def test_any_order_of_three_datasets_gives_the_same_entities(three):
    schema = a_schema("tokens")
    sites = [a_dataset(schema, rows, name) for rows, name in zip(three.records, "abc", strict=True)]
    outcomes = [links_by_name(link(order)) for order in permutations(sites)]
    for other in outcomes[1:]:
        assert set(other) == set(outcomes[0])


@pytest.mark.parametrize("profile", ["standard", "fields"])
def test_duplicates_of_a_dataset_are_found_and_joined(profile):
    town = Town(4, n_people=500, holds=((0, 0.8), (0.4, 1)), n_twice=(80, 0))
    schema = a_schema(profile)
    sites = [
        a_dataset(schema, town.records[0], "a", duplicate_free=False),
        a_dataset(schema, town.records[1], "b"),
    ]
    linkage = link(sites)
    assert [(c.left, c.right) for c in linkage.comparisons] == [(0, 1), (0, 0)]
    precision, recall = quality(linkage, true_links(town, itself=(0,)))
    assert precision >= 0.93
    assert recall >= 0.93
    within = linkage.comparisons[1]
    assert within.n_possible == 480 * 479 // 2
    assert (within.links.left < within.links.right).all()
    assert len(within.links) == pytest.approx(80, abs=16)
    # A record of b may have all of a's records of a person.
    assert max(np.bincount(linkage.comparisons[0].links.right)) >= 2
    assert max(np.bincount(linkage.comparisons[0].links.left)) == 1


def test_one_dataset_alone_is_searched_for_duplicates():
    town = Town(5, n_people=400, holds=((0, 1),), n_twice=(60,))
    schema = a_schema("standard")
    linkage = link([a_dataset(schema, town.records[0], "a", duplicate_free=False)])
    assert [(c.left, c.right) for c in linkage.comparisons] == [(0, 0)]
    precision, recall = quality(linkage, true_links(town, "a", itself=(0,)))
    assert precision >= 0.8
    assert recall >= 0.85
    assert any("matches are expected" in doubt for doubt in linkage.comparisons[0].doubts)  # 60 are few


# The small and the empty


def small(profile, *sizes, duplicate_free=True):
    town, schema = (
        Town(6, n_people=20, holds=((0, 1),) * len(sizes), n_twice=(0,) * len(sizes)),
        a_schema(profile),
    )
    return [
        a_dataset(schema, rows[:size], name, duplicate_free=duplicate_free)
        for rows, size, name in zip(town.records, sizes, "abc", strict=False)
    ]


@pytest.mark.parametrize("profile", FLOORS)
@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (1, 20)])
def test_a_handful_of_records(profile, sizes):
    linkage = link(small(profile, *sizes))
    assert len(linkage.links) <= min(sizes)
    assert len(linkage.entity) == sum(sizes)
    assert any("matches are expected" in doubt for doubt in linkage.comparisons[0].doubts)
    for interval in (
        linkage.comparisons[0].estimates[0].precision,
        linkage.comparisons[0].estimates[0].recall,
    ):
        assert 0 <= interval.low <= interval.high <= 1


@pytest.mark.parametrize("profile", FLOORS)
def test_records_without_any_value_match_nobody(profile):
    schema = a_schema(profile)
    nothing = [dict.fromkeys(FIELDS)] * 30
    linkage = link([a_dataset(schema, nothing, name) for name in "ab"])
    assert len(linkage.links) == 0
    assert len(set(linkage.entity.tolist())) == 60


@pytest.mark.parametrize("profile", ["standard", "strict", "fields", "tokens"])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("empty", [True, False])
def test_a_dataset_alone_in_which_nobody_is_like_another(profile, n, empty):
    """There may be no candidate at all."""
    schema = a_schema(profile)
    people = [
        ("ann", "lee", "19700102", "1 north road", "leeds", "11111"),
        ("zbigniew", "kowalczyk", "19351130", "77 quay", "york", "99999"),
        ("xu", "obrien", "20040717", "3505 elm court", "bath", "55055"),
    ]
    fields = ("given_name", "surname", "birth_date", "street", "city", "postcode")
    rows = [{} if empty else dict(zip(fields, person, strict=True)) for person in people[:n]]
    found = link([a_dataset(schema, rows, "a", duplicate_free=False)])
    assert len(found.links) == 0
    assert found.entity.tolist() == list(range(n))
    assert found.comparisons[0].doubts


@pytest.mark.parametrize("profile", ["standard", "strict", "fields", "tokens"])
def test_records_that_hold_hardly_a_value_are_not_one_person(profile):
    """Their filters are near whoever they are."""
    town, schema = Town(5, n_people=150, holds=((0, 1),), n_twice=(0,)), a_schema(profile)
    hardly = [{}, {"sex": "f"}, {"sex": "m", "city": "leeds"}, {"given_name": "mary", "sex": "f"}]
    rows = [*town.records[0], *(row for row in hardly for _ in range(10))]
    linkage = link([a_dataset(schema, rows, "a", duplicate_free=False)])
    assert linkage.links.left.max(initial=0) < len(town.records[0])


def test_an_empty_dataset_is_passed_over():
    linkage = link(small("standard", 20, 0, 20))
    assert [(c.left, c.right) for c in linkage.comparisons] == [(0, 2)]
    assert len(linkage.entity) == 40
    assert len(linkage.links) > 10


@pytest.mark.parametrize("sizes", [(), (20,), (0, 20), (0, 0)])
def test_nothing_to_link(sizes):
    with pytest.raises(LinkageError, match="there is nothing to link: give two datasets"):
        link(small("tokens", *sizes))
    with pytest.raises(LinkageError, match="there is nothing to link"):
        link(small("tokens", 1, duplicate_free=False))
