"""Who is at which site: exact numbers, and no look at anybody else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.population.noise import PRESETS, Noise
from benchmarks.population.sites import Attendance, Site, several_sites
from pprl.errors import PprlError


def all_records(attendance: Attendance, n_people: int) -> list[np.ndarray]:
    return attendance.records(np.arange(n_people))


@given(
    n_people=st.integers(1, 2000),
    sites=st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 1)), min_size=2, max_size=4),
    overlap=st.floats(0, 1),
    seed=st.integers(0, 2**64 - 1),
)
def test_numbers_are_exact(n_people, sites, overlap, seed):
    made = [Site(name=f"s{i}", share=share, duplicates=more) for i, (share, more) in enumerate(sites)]
    attendance = Attendance(n_people, made, overlap=overlap, seed=seed)
    held = all_records(attendance, n_people)
    here = np.stack([numbers[:, 0] >= 0 for numbers in held], axis=1)
    assert here.any(axis=1).all()
    assert abs((here.sum(axis=1) > 1).sum() - overlap * n_people) <= len(sites) ** 2
    assert attendance.n_shared == (here.sum(axis=1) > 1).sum()
    for site, numbers in enumerate(held):
        existing = numbers[numbers >= 0]
        assert sorted(existing.tolist()) == list(range(attendance.n_records[site]))
        n_members = int(here[:, site].sum())
        assert n_members == attendance.n_members[site]
        assert len(existing) - n_members == round(made[site].duplicates * n_members)
        # a second record needs a first, a third a second
        assert (numbers[:, 1] < 0)[numbers[:, 0] < 0].all()
        assert (numbers[:, 2] < 0)[numbers[:, 1] < 0].all()


def test_two_sites_share_a_third():
    attendance = Attendance(9_000, several_sites(2, Noise()), overlap=1 / 3, seed=0)
    assert attendance.n_shared == 3_000
    assert attendance.n_members.tolist() == [6_000, 6_000]


def test_shares_weigh_sites():
    sites = [Site(name="big", share=3), Site(name="small")]
    attendance = Attendance(10_000, sites, overlap=0.2, seed=0)
    assert attendance.n_members.tolist() == [8_000, 4_000]


def test_three_sites_share_in_every_way():
    held = all_records(Attendance(10_000, several_sites(3, Noise()), overlap=0.4, seed=1), 10_000)
    here = np.stack([numbers[:, 0] >= 0 for numbers in held], axis=1)
    counts = {
        pattern: int((here == pattern).all(axis=1).sum()) for pattern in itertools.product((0, 1), repeat=3)
    }
    assert counts.pop((0, 0, 0)) == 0
    assert all(counts.values())
    assert sum(n for pattern, n in counts.items() if sum(pattern) > 1) == 4_000
    assert counts[1, 1, 1] == pytest.approx(0.4 * counts[1, 1, 0], abs=2)


def test_some_people_have_three_records():
    site = Site(name="a", duplicates=0.2)
    held = all_records(Attendance(10_000, [site], overlap=0, seed=0), 10_000)[0]
    assert (held >= 0).sum(axis=0).tolist() == [10_000, 1_800, 200]


def test_asking_for_some_gives_the_same_as_asking_for_all():
    attendance = Attendance(5_000, several_sites(2, Noise(), duplicates=0.3), overlap=0.5, seed=7)
    everybody = all_records(attendance, 5_000)
    some = np.array([4_999, 0, 17, 2_500])
    for whole, part in zip(everybody, attendance.records(some), strict=True):
        assert part.tolist() == whole[some].tolist()


def test_ids_are_opaque_and_of_one_length():
    attendance = Attendance(3_000, several_sites(2, Noise()), overlap=0.5, seed=0)
    ids = attendance.record_ids(0, np.array([0, 1, 2_249]))
    assert ids.tolist() == ["a-0001", "a-0002", "a-2250"]
    held = all_records(attendance, 3_000)
    both = (held[0][:, 0] >= 0) & (held[1][:, 0] >= 0)
    for other in (np.arange(3_000)[both], held[1][both, 0]):
        assert abs(np.corrcoef(held[0][both, 0], other)[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Site(name="A b"), "small letters, digits and hyphens"),
        (lambda: Site(name="truth"), "name of another file"),
        (lambda: Site(name="a", share=0), "must be above 0"),
        (lambda: Site(name="a", duplicates=1.5), "goes from 0 to 1"),
        (lambda: Site(name="a", lacks=("dob",)), "no column 'dob'"),
        (lambda: several_sites(9, Noise()), "1 to 8"),
        (lambda: Attendance(10, [], overlap=0, seed=0), "1 to 8"),
        (lambda: Attendance(10, [Site(name="a"), Site(name="a")], overlap=0, seed=0), "same name"),
        (lambda: Attendance(10, several_sites(2, Noise()), overlap=1.1, seed=0), "overlap is 1.1"),
        (lambda: Noise(typing=2), "noise typing is 2"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(PprlError, match=message):
        make()


def test_presets_get_worse():
    clean, default, hard = (PRESETS[name] for name in ("clean", "default", "hard"))
    assert clean == Noise()
    for name in Noise.__slots__:
        if not name.startswith("uneven"):
            assert 0 < getattr(default, name) <= getattr(hard, name) or name == "national_id_of_relative"
