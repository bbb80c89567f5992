"""Slips of the keyboard, the scanner and the ear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.population.slips import digits_slipped, respelt, typed
from benchmarks.population.words import words

NAMES = st.text("abcdefgimnoprstuyzABCDEMNOñéü' -", min_size=1, max_size=20)
UNIT = st.floats(0, 1, exclude_max=True)


def distance(a: str, b: str) -> int:
    """Damerau's distance: insertions, omissions, changes, exchanges of neighbours."""
    rows = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if not i or not j:
                rows[i][j] = i + j
                continue
            rows[i][j] = min(
                rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@given(st.lists(st.tuples(NAMES, UNIT, UNIT, UNIT, UNIT), min_size=1, max_size=20))
def test_a_slip_is_one_edit(cases):
    before = np.array([case[0] for case in cases])
    after = typed(before, np.array([case[1:] for case in cases]).T)
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        expected = 1 if sum(c not in " -'" for c in old) >= 2 else 0
        assert distance(old, new) == expected


def test_every_kind_of_slip_occurs_about_as_often_as_it_should():
    random = np.random.default_rng(0)
    before = np.full(40_000, "Hamilton")
    after = typed(before, random.random((4, 40_000))).tolist()
    lengths = np.array([len(value) for value in after])
    assert (lengths == 7).mean() == pytest.approx(0.28, abs=0.01)
    assert (lengths == 9).mean() == pytest.approx(0.22, abs=0.01)
    swapped = np.mean([len(v) == 8 and sorted(v) == sorted("Hamilton") for v in after])
    assert swapped == pytest.approx(0.20, abs=0.01)
    assert np.mean([value[0] != "H" for value in after]) < 0.06


def test_neighbours_are_neighbours_and_keep_their_case():
    uniform = np.random.default_rng(1).random((4, 5000))
    uniform[0] = 0.1  # a neighbouring key
    uniform[2] = 0.0  # the first letter too
    after = typed(np.full(5000, "Gg5"), uniform)
    assert {value[0] for value in after.tolist()} == set("GFHTYBV")
    assert {value[1] for value in after.tolist()} == set("gfhtybv")
    assert {value[2] for value in after.tolist()} == set("546")


@given(st.lists(st.tuples(st.text("0123456789 -abc", min_size=1, max_size=12), UNIT, UNIT, UNIT), min_size=1))
def test_digits_change_in_place(cases):
    before = np.array([case[0] for case in cases])
    after = digits_slipped(before, np.array([case[1:] for case in cases]).T)
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        assert (new != old) == any(c.isdigit() for c in old)
        assert len(new) == len(old)
        assert [c.isdigit() for c in new] == [c.isdigit() for c in old]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("ocr", "Arno", "Amo"),
        ("ocr", "Sole", "5ole"),
        ("phonetic", "Philip", "Filip"),
        ("phonetic", "Catz", "Katz"),
    ],
)
def test_known_respellings_occur(kind, name, expected):
    uniform = (np.arange(500) + 0.5) / 500
    found = set(respelt(np.full(500, name), kind, uniform).tolist())
    assert expected in found
    assert name not in found


@given(st.lists(st.tuples(NAMES, UNIT), min_size=1), st.sampled_from(["ocr", "phonetic"]))
def test_respelling_follows_one_rule(cases, kind):
    before = np.array([case[0] for case in cases])
    after = respelt(before, kind, np.array([case[1] for case in cases]))
    longest = max(len(part) for rule in words()[kind]["rules"] for part in rule)
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        assert abs(len(old) - len(new)) <= longest
        assert new


def test_nothing_is_nothing():
    empty = np.array([], dtype="<U5")
    assert len(typed(empty, np.zeros((4, 0)))) == 0
    assert len(digits_slipped(empty, np.zeros((3, 0)))) == 0
    assert len(respelt(empty, "ocr", np.zeros(0))) == 0
