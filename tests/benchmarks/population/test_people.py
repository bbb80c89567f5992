"""The people themselves: households, names, places, histories."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.population import BLOCK_PEOPLE, Population
from benchmarks.population.households import CHILD, ELDER, HEAD, NEVER, PARTNER, TODAY
from benchmarks.population.places import NATIONAL_SHARES, Places, national_id_text, phone_text, street_names
from benchmarks.population.tables import FEMALE, GROUPS, HISPANIC, MALE

POPULATION = Population(4 * BLOCK_PEOPLE, seed=2, names="small")
BLOCKS = [POPULATION.people(block) for block in range(4)]


def every(field: str) -> np.ndarray:
    return np.concatenate([getattr(block, field) for block in BLOCKS])


def test_marginals():
    age = (TODAY - every("birth")) / 365.25
    assert age.min() >= 0
    assert age.max() < 105
    share, _ = np.histogram(age, bins=[0, 18, 45, 65, 110])
    assert share / len(age) == pytest.approx([0.25, 0.37, 0.23, 0.15], abs=0.04)
    assert np.bincount(every("sex")) / len(age) == pytest.approx([0.51, 0.49], abs=0.02)
    assert np.bincount(every("group")) / len(age) == pytest.approx(NATIONAL_SHARES, abs=0.05)
    n_households = sum(int(block.household[-1]) + 1 for block in BLOCKS)
    assert len(age) / n_households == pytest.approx(2.4, abs=0.1)


def test_no_birthday_piles_up():
    _, counts = np.unique(every("birth"), return_counts=True)
    assert counts.max() < 25


def test_households_share_what_households_share():
    for block in BLOCKS:
        head = block.head
        for name in ("place", "street", "number", "unit"):
            part = getattr(block.home, name)
            assert (part == part[head]).all()
        assert (block.household[head] == block.household).all()
        child = block.role == CHILD
        assert (block.birth[child] - block.birth[head[child]] > 16.9 * 365).all()
        elder = block.role == ELDER
        assert (block.birth[head[elder]] - block.birth[elder] > 10 * 365).mean() > 0.95
        same_name = block.surnames.now[child] == block.surnames.now[head[child]]
        assert 0.5 < same_name.mean() < 0.9
        young = child & (TODAY - block.birth < 12 * 365)
        assert (block.phone[young] == block.phone[head[young]]).all()


def test_twins_share_their_birthday():
    n_twins = 0
    for block in BLOCKS:
        child = np.flatnonzero(block.role == CHILD)
        pairs = np.stack([block.household[child], block.birth[child]], axis=1)
        _, counts = np.unique(pairs, axis=0, return_counts=True)
        n_twins += int(counts[counts > 1].sum())
    assert 0.002 < n_twins / (4 * BLOCK_PEOPLE) < 0.02


def test_juniors_are_called_like_their_fathers():
    found = 0
    for block in BLOCKS:
        junior = np.flatnonzero((block.suffix == "Jr") & (block.role == CHILD))
        for row in junior.tolist():
            family = np.flatnonzero((block.household == block.household[row]) & (block.sex == MALE))
            older = [other for other in family.tolist() if block.birth[other] < block.birth[row]]
            alike = [o for o in older if block.given[o] == block.given[row]]
            alike = [o for o in alike if block.surnames.now[o] == block.surnames.now[row]]
            found += bool(alike)
    assert found > 20
    assert (every("suffix") == "Sr").sum() > 10


def test_marriages_change_names_of_women_only():
    for block in BLOCKS:
        changed = block.surnames.changed > NEVER
        assert (block.sex[changed] == FEMALE).all()
        assert (block.surnames.changed[changed] <= TODAY).all()
        assert (block.surnames.changed[changed] - block.birth[changed] > 17.9 * 365).all()
        assert (block.surnames.now[~changed] == block.surnames.before[~changed]).all()
        wife = changed & np.isin(block.role, (HEAD, PARTNER)) & (block.household > 0)
        assert (block.surnames.now[wife] != block.surnames.before[wife]).mean() > 0.9
    wives = [b.surnames.changed > NEVER for b in BLOCKS]
    age = [(TODAY - b.birth) / 365.25 for b in BLOCKS]
    women = np.concatenate(
        [w[(a > 50) & (b.sex == FEMALE)] for w, a, b in zip(wives, age, BLOCKS, strict=True)]
    )
    assert 0.45 < women.mean() < 0.8


def test_surnames_of_two_parts():
    now = np.concatenate([block.surnames.now for block in BLOCKS])
    assert 0.005 < (np.strings.find(now, "-") > 0).mean() < 0.03
    two = (np.strings.find(now, " ") > 0) & (every("group") == HISPANIC)
    assert 0.2 < two.sum() / (every("group") == HISPANIC).sum() < 0.5
    assert any(ord(letter) > 127 for name in now.tolist() for letter in name)


def test_moves_are_as_frequent_as_they_should_be():
    last_year = np.maximum(every("moved"), every("joined")) > TODAY - 365
    assert last_year.mean() == pytest.approx(0.13, abs=0.025)


def test_numbers_belong_to_nobody():
    ids = every("national_id")
    assert len(np.unique(ids)) == len(ids)
    for text in national_id_text(ids).tolist():
        area, group, serial = (int(part) for part in text.split("-"))
        assert 900 <= area <= 999
        assert 1 <= group <= 49
        assert 1 <= serial <= 9999
    codes = {text[:3] for text in phone_text(every("phone")).tolist()}
    assert codes <= {f"37{n}" for n in range(10)} | {f"96{n}" for n in range(10)}


def test_places_are_apart_by_group():
    places = Places(500_000, seed=0)
    assert len(set(places.postcodes.tolist())) == places.n
    assert all(len(code) == 5 and code.isdigit() for code in places.postcodes.tolist())
    drawn = places.draw((np.arange(200_000) + 0.5) / 200_000)
    group = places.groups(drawn, np.random.default_rng(0).random(len(drawn)))
    share = np.bincount(group, minlength=len(GROUPS)) / len(group)
    assert share == pytest.approx(NATIONAL_SHARES, abs=0.005)
    black = np.bincount(drawn, weights=group == 1) / np.maximum(np.bincount(drawn), 1)
    assert np.quantile(black, 0.9) > 3 * np.quantile(black, 0.5)


def test_streets_come_long_and_short():
    long, short = street_names()
    assert len(long) == len(short)
    assert "North Oak Street" in long
    assert "N Oak St" in short
    assert "22nd Avenue" in long


def test_larger_population_has_the_same_households():
    """Names and ages of a block do not depend on how many blocks follow; places do."""
    smaller = Population(BLOCK_PEOPLE, seed=2, names="small").people(0)
    assert smaller.birth.tolist() == BLOCKS[0].birth.tolist()
    assert smaller.sex.tolist() == BLOCKS[0].sex.tolist()
