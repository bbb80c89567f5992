"""The cases: what they are made of, and that their schemas and options are those of a project."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.accuracy.cases import CASES, Case, Settings, Site
from benchmarks.accuracy.contest import Work
from benchmarks.accuracy.files import Described, case_of_files
from pprl.errors import PprlError

GENERATED = ("generated", "generated-hard", "three-sites")


@pytest.mark.parametrize("name", GENERATED)
def test_generated_sites_have_as_many_records_as_asked(name, tmp_path):
    case = CASES[name](Settings(folder=tmp_path, seed=3, people=200, names="small"))
    work = Work(case, tmp_path)
    assert [len(ids) for ids in work.records.values()] == pytest.approx([200] * len(case.sites), abs=2)
    assert len(case.sites) == (3 if name == "three-sites" else 2)
    assert all(site.duplicates == (name == "three-sites") for site in case.sites)
    assert ("--with-duplicates" in case.sites[0].options) == (name == "three-sites")
    assert len(work.truth.pairs) > 50
    assert set(work.strata) == {"sex", "birth_decade", "race", "ethnicity"}
    assert set(work.strata["sex"].dropna()) == {"Female", "Male"}


def test_a_seed_is_the_same_people_again(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one, two, other = (
        Work(
            CASES["generated"](Settings(folder=tmp_path / name, seed=seed, people=50, names="small")),
            tmp_path,
        )
        for name, seed in (("one", 0), ("two", 0), ("two", 1))
    )
    assert one.digest == two.digest != other.digest


@pytest.mark.parametrize(
    "head",
    [
        '[linkage]\nproject = "p"',
        '[linkage]\nprofile = "strict"\nproject = "p"',
        '[linkage] # x\nproject="p"',
    ],
)
def test_any_schema_is_given_a_profile(head, tmp_path):
    toml = f'{head}\nepoch = "1"\nfields = ["surname", "birth_date"]\n\n[[field]]\nkind = "text"\nname = "town"\n'
    case = Case(name="x", title="", seed=0, sites=(), truth=tmp_path, toml=toml)
    for profile in ("fields", "tokens"):
        assert tomllib.loads(case.toml_of(profile))["linkage"]["profile"] == profile
    assert case.schema.field_names == ("surname", "birth_date", "town")


def test_options_tell_how_a_file_is_read(tmp_path):
    site = Site(
        name="a", path=tmp_path, id_column="MRN", columns={"surname": "LAST"}, date_order="mdy", preset="n3c"
    )
    assert site.options == [
        *(
            "--dataset",
            "a",
            "--id",
            "MRN",
            "--date-order",
            "mdy",
            "--columns",
            "surname=LAST",
            "--preset",
            "n3c",
        )
    ]


@pytest.fixture
def two_files(tmp_path):
    (tmp_path / "a.csv").write_text("MRN,LAST,DOB,race\n1,O'Hara,02/03/1980,White\n2,Li,,Asian\n")
    (tmp_path / "b.csv").write_text("MRN,surname,birth_date\n1,ohara,1980-02-03\n2,Lee,1990-01-01\n")
    (tmp_path / "truth.csv").write_text("left_id,right_id\n1,1\n")
    (tmp_path / "linkage.toml").write_text(
        '[linkage]\nproject = "own"\nepoch = "1"\nfields = ["surname", "birth_date"]\n'
    )
    a = Described(
        path=tmp_path / "a.csv", id_column="MRN", columns=("surname=LAST", "birth_date=DOB"), date_order="mdy"
    )
    return [a, Described(path=tmp_path / "b.csv", id_column="MRN", duplicates=True)]


def test_own_files_make_a_case(two_files, tmp_path):
    case = case_of_files(two_files, tmp_path / "truth.csv", tmp_path / "linkage.toml", labels=["race"])
    work = Work(case, tmp_path)
    assert [site.duplicates for site in case.sites] == [False, True]
    assert pd.read_csv(work.cleaned["a"], dtype=str)["surname"].tolist() == ["ohara", "li"]
    assert work.truth.pairs.to_numpy().tolist() == [["a/1", "b/1"]]
    assert work.strata.loc["a/1"].to_dict() == {"birth_decade": "1980s", "race": "White"}
    assert work.strata["race"].isna().tolist() == [False, False, True, True]


def test_own_files_without_a_class_make_a_case(two_files, tmp_path):
    (tmp_path / "linkage.toml").write_text('[linkage]\nproject = "own"\nepoch = "1"\nfields = ["surname"]\n')
    files = [replace(two_files[0], columns=("surname=LAST",)), two_files[1]]
    case = case_of_files(files, tmp_path / "truth.csv", tmp_path / "linkage.toml")
    assert Work(case, tmp_path).strata.shape == (4, 0)


def test_own_files_have_to_be_described_rightly(two_files, tmp_path):
    with pytest.raises(PprlError, match=r"gone\.toml: cannot be read"):
        case_of_files(two_files, tmp_path / "truth.csv", tmp_path / "gone.toml")
    wrong = [Described(path=tmp_path / "a.csv", id_column="MRN", columns=("surname",))]
    with pytest.raises(PprlError, match="surname: write field=COLUMN"):
        case_of_files(wrong, tmp_path / "truth.csv", tmp_path / "linkage.toml")
