"""References in other people's formats."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import openpyxl
import pytest

from pprl.cohort import load_reference
from pprl.errors import CohortError

LINE_LIST = (
    "case_month,res_state,state_fips_code,res_county,county_fips_code,age_group,sex,race,ethnicity,"
    "case_positive_specimen_interval,case_onset_interval,process,exposure_yn,current_status,symptom_status,"
    "hosp_yn,icu_yn,death_yn,underlying_conditions_yn\n"
)


def case(month: str, age: str, sex: str, race: str, ethnicity: str) -> str:
    return (
        f"{month},OH,39,NA,NA,{age},{sex},{race},{ethnicity},,0,Missing,Yes,Probable Case,Missing,No,No,No,\n"
    )


def test_a_line_list_is_counted_by_month_and_keeps_its_three_gaps_apart(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(
        LINE_LIST
        + case("2020-03", "18 to 49 years", "Female", "White", "Non-Hispanic/Latino") * 3
        + case("2020-03", "65+ years", "Male", "NA", "NA")
        + case("2020-04", "65+ years", "Male", "Black", "Unknown")
        + case("2020-04", "65+ years", "Missing", "Missing", "Hispanic/Latino")
    )
    reference = load_reference(path)
    assert reference.attributes == ("sex", "race", "ethnicity", "age_group", "race*ethnicity")
    race = reference.population("race")
    assert dict(zip(race.categories, race.weights, strict=True)) == {
        "White": 3,
        "Black or African American": 1,
    }
    assert (race.gap, race.suppressed) == (2, 1)
    march = reference.population("race", period=(dt.date(2020, 3, 1), dt.date(2020, 3, 31)))
    assert march.categories == ("White",)
    assert (march.end, march.gap) == (dt.date(2020, 3, 31), 1)
    joint = reference.population("race*ethnicity")
    assert joint.categories == ("White*Not Hispanic or Latino",)
    assert (joint.gap, joint.suppressed) == (3, 1)


def test_a_line_list_in_several_blocks_counts_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pprl.cohort.importers.line_list._BLOCK_BYTES", 2048)
    path = tmp_path / "cases.csv"
    path.write_text(LINE_LIST + case("2020-03", "65+ years", "Male", "White", "Unknown") * 500)
    assert load_reference(path).population("sex").weights.tolist() == [500]


def test_a_broken_line_list_does_not_show_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(LINE_LIST + "2020-03,secret\n")
    with pytest.raises(
        CohortError, match="is not CSV with the columns of a case surveillance line list"
    ) as caught:
        load_reference(path)
    assert "secret" not in str(caught.value)
    path.write_text(LINE_LIST)
    with pytest.raises(CohortError, match="has no cases"):
        load_reference(path)
    path.write_text(LINE_LIST + case("March", "65+ years", "Male", "White", "Unknown"))
    with pytest.raises(CohortError, match="column 'case_month': has a value that is not a month"):
        load_reference(path)


def census(tmp_path: Path, *rows: tuple[str, list[str]]) -> Path:
    cells = [f"B03002_{i:03d}E" for i in range(1, 22)]
    path = tmp_path / "acs.json"
    path.write_text(
        json.dumps([["NAME", *cells, "state"], *([name, *counts, "39"] for name, counts in rows)])
    )
    return path


def numbered(factor: int = 1) -> list[str]:
    """Cell 003 counts 3, cell 013 counts 13, and so on."""
    return [str(i * factor) for i in range(1, 22)]


def test_the_census_table_of_race_by_hispanic_origin(tmp_path: Path) -> None:
    reference = load_reference(census(tmp_path, ("Ohio", numbered())))
    race = reference.population("race")
    assert dict(zip(race.categories, race.weights, strict=True)) == {
        "White": 3 + 13,
        "Black or African American": 4 + 14,
        "American Indian or Alaska Native": 5 + 15,
        "Asian": 6 + 16,
        "Native Hawaiian or Other Pacific Islander": 7 + 17,
        "Other": 8 + 18,
        "Multiple": 9 + 19,
    }
    ethnicity = reference.population("ethnicity")
    assert ethnicity.weights.tolist() == [sum(range(3, 10)), sum(range(13, 20))]
    joint = reference.population("race*ethnicity")
    assert joint.weights[joint.categories.index("Asian*Hispanic or Latino")] == 16
    assert race.geography == "Ohio"


def test_the_census_table_of_sex_by_age(tmp_path: Path) -> None:
    cells = [f"B01001_{i:03d}E" for i in range(1, 50)]
    (tmp_path / "acs.json").write_text(json.dumps([cells, [str(i) for i in range(1, 50)]]))
    reference = load_reference(tmp_path / "acs.json")
    assert reference.population("sex").weights.tolist() == [sum(range(3, 26)), sum(range(27, 50))]
    age = reference.population("age")
    assert (age.categories[0], age.weights[0]) == ("0-4", 3 + 27)
    assert (age.categories[-1], age.weights[-1]) == ("85+", 25 + 49)


def test_several_census_places_need_a_choice(tmp_path: Path) -> None:
    reference = load_reference(census(tmp_path, ("Ohio", numbered()), ("Iowa", numbered(10))))
    with pytest.raises(CohortError, match="2 geographies"):
        reference.population("race")
    assert reference.population("race", geography="Iowa").weights[0] == 160


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ('{"a": 1}', "is not a Census API answer"),
        ('[["NAME"], ["a", "b"]]', "is not a Census API answer"),
        ('[["NAME"], ["a"]]', "has no cells of the tables B03002 or B01001"),
        ('[["B03002_003E"], ["1"]]', r"has no column 'B03002_004E'; ask for the whole table"),
    ],
)
def test_a_wrong_census_answer_is_told(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "acs.json").write_text(content)
    with pytest.raises(CohortError, match=words):
        load_reference(tmp_path / "acs.json")


def test_a_census_estimate_that_is_not_given(tmp_path: Path) -> None:
    counts = numbered()
    counts[2] = "-666666666"
    with pytest.raises(CohortError, match="row 2, column 'B03002_003E': is not a count"):
        load_reference(census(tmp_path, ("Ohio", counts)))


def workbook(tmp_path: Path, *rows: list[object]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "sex"
    for row in rows:
        sheet.append(row)
    path = tmp_path / "ref.xlsx"
    book.save(path)
    return path


def test_a_workbook_is_cumulative(tmp_path: Path) -> None:
    path = workbook(
        tmp_path,
        ["date", "Female", "Male", "Unknown"],
        [dt.date(2020, 3, 1), 10, 20, 1],
        ["2020-04-01", 30, 45, 2],
    )
    one = load_reference(path).population("sex")
    assert (one.weights.tolist(), one.gap, one.kind.value) == ([30, 45], 2, "cumulative")
    assert (one.start, one.end) == (dt.date(2020, 3, 1), dt.date(2020, 4, 1))
    earlier = load_reference(path).population("sex", period=(None, dt.date(2020, 3, 15)))
    assert earlier.weights.tolist() == [10, 20]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["day", "F"], ["2020-01-01", 1]], r"sheet 'sex', row 1: has no column 'date'"),
        ([["date", "F"], ["soon", 1]], "row 2, column 'date': is not a date"),
        ([["date", "F"], ["2020-01-01", "many"]], "row 2, column 'F': is not a count"),
        ([["date", "F"]], "has no sheet with a column 'date' and counts"),
    ],
)
def test_a_wrong_workbook_names_its_place(tmp_path: Path, rows: list[list[object]], words: str) -> None:
    with pytest.raises(CohortError, match=words):
        load_reference(workbook(tmp_path, *rows))


def test_a_file_that_is_no_workbook(tmp_path: Path) -> None:
    (tmp_path / "ref.xlsx").write_text("date,F\n")
    with pytest.raises(CohortError, match="is not an XLSX workbook"):
        load_reference(tmp_path / "ref.xlsx")
    with pytest.raises(CohortError, match="cannot be read"):
        load_reference(tmp_path / "none.xlsx")
