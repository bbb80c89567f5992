"""Quality by stratum: against sums by hand, against the truth of an invented town, and what may be shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.matching import strata
from broker.matching.candidates import Found, Pairs
from broker.matching.dataset import Dataset
from broker.matching.pipeline import link
from broker.matching.strata import by_stratum
from pprl.suppression import SMALL

from ..population import Town
from ..tokens import a_dataset, a_schema

REGIONS = '[[stratum]]\nname = "region"\nkind = "class"\ncategories = ["North", "East", "South", "West"]\n'
SCHEMA = a_schema("standard", ("given_name", "surname", "birth_date"), REGIONS)


def a_side(codes, name: str = "a", schema=SCHEMA) -> Dataset:
    """A dataset of which strata alone matter."""
    n = len(codes)
    none = np.zeros(n, np.uint64)
    return Dataset(
        name=name,
        schema=schema,
        guids=np.zeros((n, 16), np.uint8),
        presence=np.zeros(n, np.uint32),
        filters={},
        exact={},
        keys=tuple((none,) for _ in schema.match_keys),
        duplicate_free=True,
        strata={"region": np.asarray(codes, np.uint8)},
    )


def everything(left, right, posterior, *, links=None, **changes):
    """`by_stratum` of pairs that the filters and two keys found."""
    n = len(posterior)
    yes, no = np.ones(n, bool), np.zeros(n, bool)
    pairs = Pairs(np.asarray(left), np.asarray(right), 10**9)
    flags = {
        name: changes.pop(name, default)
        for name, default in (("from_filter", yes), ("from_key", yes), ("from_bucket", no))
    }
    sides = changes.pop("sides")
    given = {
        "pair_weight": np.ones(n),
        "n_probed": 10**6,
        "n_keys": np.full(n, 2),
        "n_missed": 0.0,
        "seed": 0,
    } | changes
    weight = given.pop("pair_weight")
    links = np.flatnonzero(np.asarray(posterior) >= 0.5) if links is None else links
    return by_stratum(
        [(number, side) for number, side in enumerate(sides)],
        Found(pairs, capped=(), **flags),
        np.asarray(posterior, float),
        weight,
        links,
        **given,
    )


def grouped(stratum):
    return {group.category: group for group in stratum.groups}


def test_sums_by_hand():
    codes = np.repeat([1, 2, 3, 0], [100, 80, 60, 40])
    left = np.arange(280)
    posterior = np.where(np.arange(280) % 2, 0.9, 0.2)
    (north,) = everything(left, left, posterior, sides=[a_side(codes), a_side(np.zeros(280), "b")])[:1]
    found = grouped(north)
    assert [(g.category, g.records, g.linked) for g in north.groups] == [
        ("North", 100, 50), ("East", 80, 40), ("South", 60, 30), ("West", 0, 0), (None, 40, 20),
    ]  # fmt: skip
    for category, n in (("North", 100), ("East", 80), (None, 40)):
        assert found[category].expected == pytest.approx(n * 0.55)
        assert found[category].recall.value == pytest.approx(0.45 / 0.55)
        assert found[category].precision.value == pytest.approx(0.9)
        assert found[category].recall.low < found[category].recall.value < found[category].recall.high
    assert found["West"].recall is None
    assert north.lower == ()


def test_a_dataset_without_a_category_says_nothing():
    left = np.arange(50)
    one, two = everything(
        left, left, np.full(50, 0.9), sides=[a_side(np.ones(50)), a_side(np.zeros(50), "b")]
    )
    assert [len(one.groups), len(two.groups)] == [5, 0]
    assert (two.before, two.after, two.lower) == (None, None, ())
    assert by_stratum([(0, replace(a_side(np.ones(5)), strata={}))], *[None] * 4, n_probed=0, n_keys=None,
                      n_missed=0, seed=0) == ()  # fmt: skip


def test_missed_matches_go_by_those_found_by_one_way():
    codes = np.repeat([1, 2], 300)
    left = np.arange(600)
    n_keys = np.where((codes == 2) & (left % 3 == 0), 0, 2)  # a hundred in the East by the filters alone
    sides = [a_side(codes), a_side(np.zeros(600), "b")]
    one = everything(left, left, np.ones(600), sides=sides, n_keys=n_keys, n_missed=20.0)[0]
    found = grouped(one)
    assert found["East"].expected == pytest.approx(300 + 20 * 100.5 / 101)
    assert found["North"].expected == pytest.approx(300 + 20 * 0.5 / 101)
    assert found["East"].recall.value < 0.95 < found["North"].recall.value
    assert [lower.category for lower in one.lower] == ["East"]
    assert one.lower[0].others.value == pytest.approx(found["North"].recall.value)


def test_by_keys_alone_those_that_share_one_are_nearly_missed():
    codes = np.repeat([1, 2], 300)
    left, no = np.arange(600), np.zeros(600, bool)
    n_keys = np.where((codes == 2) & (left % 3 == 0), 1, 2)
    found = grouped(everything(
        left, left, np.ones(600), sides=[a_side(codes), a_side(np.zeros(600), "b")],
        from_filter=no, n_keys=n_keys, n_missed=20.0, n_probed=0,
    )[0])  # fmt: skip
    assert found["East"].expected == pytest.approx(300 + 20 * 100.5 / 101)


def test_a_probe_stands_for_the_rows_that_were_not_compared():
    """A tenth of the rows was compared by filter: forty matches in the East were found there by it alone."""
    codes = np.tile([1, 2], 1000)
    left = np.arange(2000)
    alone = (left < 200) & (codes == 2) & (left < 80)
    weight = np.where(alone, 10.0, 1.0)
    found = grouped(everything(
        left, left, np.ones(2000), sides=[a_side(codes), a_side(np.zeros(2000), "b")],
        from_filter=left < 200, from_key=~alone, n_keys=np.where(alone, 0, 2), pair_weight=weight,
        n_probed=200, n_missed=400.0,
    )[0])  # fmt: skip
    elsewhere = 9 * 40.0  # pairs that those forty stand for besides
    rest = 400 - elsewhere
    assert found["East"].expected == pytest.approx(1000 + elsewhere + rest * 40.5 / 41)
    assert found["North"].expected == pytest.approx(1000 + rest * 0.5 / 41)
    # Where fewer are missed in all, they stand for so many less.
    few = grouped(everything(
        left, left, np.ones(2000), sides=[a_side(codes), a_side(np.zeros(2000), "b")],
        from_filter=left < 200, from_key=~alone, n_keys=np.where(alone, 0, 2), pair_weight=weight,
        n_probed=200, n_missed=100.0,
    )[0])  # fmt: skip
    assert few["East"].expected == pytest.approx(1100)
    assert few["North"].expected == pytest.approx(1000)


def test_within_one_dataset_a_pair_counts_for_both_records():
    codes = np.repeat([1, 2], 100)
    left, right = np.arange(0, 200, 2), np.arange(1, 200, 2)
    (one,) = everything(left, right, np.full(100, 0.8), sides=[a_side(codes)], n_missed=5.0)
    found = grouped(one)
    assert found["North"].linked == 100
    assert found["North"].expected + found["East"].expected == pytest.approx(2 * (80 + 5))
    assert found["North"].recall.value == pytest.approx(80 / 85)


@st.composite
def outcomes(draw):
    counts = draw(st.lists(st.integers(0, 60), min_size=5, max_size=5))
    return [(count, draw(st.integers(0, count))) for count in counts]


@given(outcomes())
@settings(max_examples=60, deadline=None)
def test_no_small_count_is_shown_nor_can_one_be_subtracted(outcome):
    codes = np.repeat(np.arange(5), [n for n, _ in outcome])
    linked = np.concatenate([np.arange(n) < k for n, k in outcome]).astype(bool)
    left = np.arange(len(codes))
    sides = [a_side(codes), a_side(np.zeros(len(codes)), "b")]
    one = everything(left, left, np.where(linked, 0.99, 0.01), sides=sides)[0]
    groups = [group for group in one.groups if group.category is not None]
    for shown in (
        [group.records for group in groups],
        [group.linked for group in groups],
        [None if g.linked is None or g.records is None else g.records - g.linked for g in groups],
        [None if g.expected is None else g.linked for g in groups],
    ):
        assert shown.count(None) != 1
        assert not [count for count in shown if count is not None and 0 < count < SMALL]
    for group in groups:
        if group.recall is not None:
            assert group.records >= SMALL
    hidden = [code for code, group in enumerate(groups, 1) if group.linked is None]
    if one.after is not None and hidden:
        # The distance is that of a table in which the hidden ones are one.
        pooled = np.where(np.isin(codes, hidden), hidden[0], codes)
        other = everything(left, left, np.where(linked, 0.99, 0.01), sides=[a_side(pooled), sides[1]])[0]
        if all(group.linked is not None for group in other.groups):
            assert other.after.value == pytest.approx(one.after.value)


def test_distances_and_what_chance_gives():
    codes = np.repeat([1, 2], 1000)
    left = np.arange(2000)
    sides = [a_side(codes), a_side(np.zeros(2000), "b")]
    even = everything(left, left, np.where(left % 2, 0.99, 0.0), sides=sides)[0]
    assert even.before.value == pytest.approx(0, abs=1e-6)
    assert 0 <= even.after.chance_low < even.after.chance_high < 0.05
    # All of those in the North have a match, half of them are linked; in the East half and all.
    posterior = np.where(codes == 1, np.where(left % 2, 0.99, 0.49), np.where(left % 2, 0.99, 0.0))
    turned = everything(left, left, posterior, sides=sides)[0]
    assert turned.after.value == pytest.approx(0, abs=1e-6)
    assert turned.before.value > turned.before.chance_high
    assert [lower.category for lower in turned.lower] == ["North"]


def test_chance_covers_nineteen_of_twenty():
    random = np.random.default_rng(5)
    records = np.array([500, 300, 150, 50])
    rows = np.repeat(np.arange(4), records)
    within = []
    for _ in range(200):
        part = np.bincount(rows[random.choice(1000, 300, replace=False)], minlength=4)
        found = strata._distance(records, part, random)
        within.append(found.chance_low <= found.value <= found.chance_high)
    assert 0.9 <= np.mean(within) <= 0.99


def test_everybody_and_nobody_linked():
    left = np.arange(100)
    sides = [a_side(np.repeat([1, 2], 50)), a_side(np.zeros(100), "b")]
    all_of_them = everything(left, left, np.ones(100), sides=sides)[0]
    assert grouped(all_of_them)["North"].recall.value == 1
    assert all_of_them.after.value == 0
    nobody = everything(left, left, np.full(100, 0.01), sides=sides)[0]
    assert grouped(nobody)["North"].linked == 0
    assert nobody.after is None


# The whole pipeline


@pytest.fixture(scope="module")
def town() -> Town:
    """A town whose South is written down by a clerk in a hurry: often without surname, street and city."""
    town = Town(7, n_people=1200, holds=((0, 0.75), (0.25, 1)))
    random = np.random.default_rng(1)
    region = random.choice(["North", "East", "South"], 1200)
    for records, who in zip(town.records, town.who, strict=True):
        for record, person in zip(records, who.tolist(), strict=True):
            record["region"] = str(region[person])
            if region[person] == "South" and random.random() < 0.4:
                record |= {"surname": None, "street": None, "city": None}
    return town


@pytest.fixture(scope="module")
def schema():
    return a_schema("standard", more='[[stratum]]\nkind = "sex"\n' + REGIONS)


def test_recall_by_stratum_is_near_the_truth(town, schema):
    sides = [a_dataset(schema, rows, name) for rows, name in zip(town.records, "ab", strict=True)]
    (comparison,) = link(sides).comparisons
    assert [(one.name, one.dataset) for one in comparison.strata] == [
        ("sex", 0), ("sex", 1), ("region", 0), ("region", 1),
    ]  # fmt: skip
    truth = town.matches()
    found = set(zip(comparison.links.left.tolist(), comparison.links.right.tolist(), strict=True))
    for one in comparison.strata:
        spec = next(s for s in schema.strata if s.name == one.name)
        codes = sides[one.dataset].strata[one.name]
        for code, category in enumerate(spec.categories, 1):
            group = grouped(one)[category]
            assert group.records == (codes == code).sum()
            mine = {pair for pair in truth if codes[pair[one.dataset]] == code}
            if len(mine) > 100:
                assert group.recall.value == pytest.approx(len(mine & found) / len(mine), abs=0.05)
    for one in comparison.strata[2:]:
        recall = {group.category: group.recall.value for group in one.groups if group.recall}
        assert min(recall, key=recall.get) == "South"
        assert {lower.category for lower in one.lower} <= {"South"}
    total = comparison.fit.posterior.sum() + comparison.n_missed
    by_class = [group.expected for group in comparison.strata[0].groups]
    assert sum(by_class) == pytest.approx(total)


def test_strata_decide_no_link(town, schema):
    sides = [a_dataset(schema, rows, name) for rows, name in zip(town.records, "ab", strict=True)]
    without = link([replace(side, strata={}) for side in sides])
    found = link(sides)
    assert np.array_equal(found.links.left, without.links.left)
    assert np.array_equal(found.links.probability, without.links.probability)
    assert without.comparisons[0].strata == ()


def test_the_order_of_datasets_does_not_matter(town, schema):
    """The larger dataset is gone through in rows; strata keep the numbers of their datasets."""
    small, large = (
        a_dataset(schema, rows, name)
        for rows, name in zip((town.records[0][:400], town.records[1]), "ab", strict=True)
    )
    one, two = link([small, large]).comparisons[0], link([large, small]).comparisons[0]
    first = {(s.name, s.dataset): [g.records for g in s.groups] for s in one.strata}
    second = {(s.name, 1 - s.dataset): [g.records for g in s.groups] for s in two.strata}
    assert first == second
    assert sum(g.records for g in one.strata[0].groups) == 400


def test_rows_of_a_dataset_keep_their_strata(town, schema):
    dataset = a_dataset(schema, town.records[0], "a")
    some = dataset.rows(10, 25)
    assert {name: codes.tolist() for name, codes in some.strata.items()} == {
        name: codes[10:25].tolist() for name, codes in dataset.strata.items()
    }
    assert set(dataset.strata["region"].tolist()) == {1, 2, 3}
    assert set(dataset.strata["sex"].tolist()) == {0, 1, 2}
