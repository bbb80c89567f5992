"""Name tables: what is drawn follows them, and they are read from files of the packages' shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.population import tables
from benchmarks.population.tables import FEMALE, GROUPS, HISPANIC, MALE, N_BINS, name_tables
from benchmarks.population.words import plain, surname_forms, without_marks, words
from pprl.errors import PprlError

SMALL = name_tables("small")
UNIFORM = (np.arange(50_000) + 0.5) / 50_000


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_surnames_follow_their_frequencies(group):
    codes = SMALL.draw_surnames(np.full(len(UNIFORM), group), UNIFORM)
    assert (codes < 0).mean() == pytest.approx(0.1 / 1.1, abs=0.001)
    names, counts = np.unique(SMALL.surnames[codes[codes >= 0]], return_counts=True)
    expected = {name: 60 / (rank + 3) for rank, name in enumerate(words()["small"][GROUPS[group]])}
    assert set(names) == set(expected)
    assert counts / counts.sum() == pytest.approx(
        [expected[n] / sum(expected.values()) for n in names], abs=1e-3
    )


def test_rare_surnames_are_many_and_can_be_said():
    codes = SMALL.draw_surnames(np.zeros(len(UNIFORM), dtype=np.int64), UNIFORM)
    rare = codes[codes < 0]
    assert len(np.unique(rare)) > 0.9 * len(rare)
    text = SMALL.surname_text(rare, np.zeros(len(rare), dtype=bool))
    assert all(name.isalpha() and name[0].isupper() and len(name) >= 3 for name in text.tolist())
    again = SMALL.surname_text(rare[::-1], np.zeros(len(rare), dtype=bool))[::-1]
    assert text.tolist() == again.tolist()


@pytest.mark.parametrize("sex", [FEMALE, MALE])
def test_given_names_follow_sex_and_fashion(sex):
    table = set(words()["small"]["male" if sex else "female"])
    drawn = {}
    for year in (1880, 1920, 1960, 2017, 2023):
        full = np.full(len(UNIFORM), year)
        index = SMALL.draw_given(full, np.full(len(UNIFORM), sex), np.full(len(UNIFORM), HISPANIC), UNIFORM)
        assert set(SMALL.given[index].tolist()) <= table
        drawn[year] = index
    assert drawn[1880].tolist() == drawn[1920].tolist()
    assert drawn[2017].tolist() == drawn[2023].tolist()
    assert drawn[1920].tolist() != drawn[1960].tolist()


def test_marked_names_differ_by_their_marks_only():
    for marked, bare in ((SMALL.surnames_marked, SMALL.surnames), (SMALL.given_marked, SMALL.given)):
        assert [plain(name) for name in marked.tolist()] == bare.tolist()
    assert "García" in SMALL.surnames_marked
    assert without_marks(SMALL.given_marked).tolist() == SMALL.given.tolist()
    assert without_marks(SMALL.given_marked[:0]).tolist() == []


def test_files_of_the_packages_are_read():
    shares = {"white": 0.5, "black": 0.2, "api": 0.1, "aian": 0.05, "2prace": 0.05, "hispanic": 0.1}
    surnames = pd.DataFrame(
        [
            {"name": name, **{group: count * share for group, share in shares.items()}}
            for name, count in (("SMITH", 800.0), ("MCDONALD", 50.0), ("DELACRUZ", 40.0), (None, 10.0))
        ]
        + [{"name": "ALL OTHER NAMES", **{group: 100 * share for group, share in shares.items()}}]
    )
    names, counts, other = tables._surname_counts(surnames)
    assert names == ["Smith", "McDonald", "De La Cruz", "Null"]
    assert counts.sum() == pytest.approx(900)
    assert other.sum() == pytest.approx(100)

    births = pd.DataFrame(
        {
            "year": [1900.0, 1921.0, 1922.0, 1923.0, 2017.0],
            "sex": ["F", "F", "M", "M", "M"],
            "name": ["Ida", "Mary", "John", "Jose", "John"],
            "n": [9, 10, 30, 10, 5],
        }
    )
    first_names = pd.DataFrame(
        {
            "firstname": ["JOSE", "JOHN", "ALL OTHER FIRST NAMES"],
            "obs": [1000, 1000, 1000],
            **{f"pct{g}": [2.0, 80.0, 60.0] for g in ("white", "black")},
            **{f"pct{g}": [1.0, 1.0, 1.0] for g in ("api", "aian", "2prace")},
            "pcthispanic": [95.0, 5.0, 10.0],
        }
    )
    given, cells = tables._given_counts(births, first_names)
    assert given == ["John", "Jose", "Mary"]
    assert len(cells) == 2 * N_BINS
    index, weights = cells[MALE]
    assert [given[i] for i in index] == ["John", "Jose"]
    assert weights[1, HISPANIC] > weights[0, HISPANIC]
    assert weights[1, 0] < weights[0, 0] / 20


def test_forms_of_surnames():
    assert tables._surname_form("OBRIEN") == "O'Brien"
    assert tables._surname_form("SMITH") == "Smith"
    assert all(form.replace(" ", "").replace("'", "").upper() == key for key, form in surname_forms().items())


@pytest.mark.parametrize(
    ("name", "halves"), [("Anderson", ("Ande", "rson")), ("Lee", ("L", "ee")), ("O'Brien", ("Obrie", "n"))]
)
def test_halves_join_to_the_name(name, halves):
    head, tail = tables._halves(name)
    assert (head + tail).lower() == name.replace("'", "").lower()


def test_unknown_tables_are_refused():
    with pytest.raises(PprlError, match="no name tables 'big'; there are full and small"):
        name_tables("big")
