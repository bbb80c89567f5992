"""Reference rows: what may be added, and what may not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pprl.cohort import Population, load_reference
from pprl.cohort.population import Period
from pprl.errors import CohortError

HEADER = "attribute,category,count,period_start,period_end,kind,source,geography\n"


def population(tmp_path: Path, text: str, period: str = ":", geography: str | None = None) -> Population:
    path = tmp_path / "ref.csv"
    path.write_text(HEADER + text)
    start, end = (dt.date.fromisoformat(day) if day else None for day in period.split(":"))
    days: Period = (start, end)
    return load_reference(path).population("sex", period=days, geography=geography)


MONTHS = """sex,F,10,2020-03-01,2020-03-31,increment,s,
sex,M,20,2020-03-01,2020-03-31,increment,s,
sex,F,30,2020-04-01,2020-04-30,increment,s,
sex,M,40,2020-04-01,2020-04-30,increment,s,
sex,Unknown,5,2020-04-01,2020-04-30,increment,s,
"""


def test_increments_are_added(tmp_path: Path) -> None:
    one = population(tmp_path, MONTHS)
    assert (one.categories, one.weights.tolist(), one.gap) == (("F", "M"), [40, 60], 5)
    assert (one.start, one.end) == (dt.date(2020, 3, 1), dt.date(2020, 4, 30))


def test_a_period_keeps_its_increments_only(tmp_path: Path) -> None:
    assert population(tmp_path, MONTHS, "2020-04-01:").weights.tolist() == [30, 40]
    assert population(tmp_path, MONTHS, ":2020-03-31").weights.tolist() == [10, 20]


def test_an_increment_partly_in_the_period_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"row 2: counts 2020-03-01 to 2020-03-31, of which only a part"):
        population(tmp_path, MONTHS, "2020-03-10:")


def test_cumulative_counts_are_never_added(tmp_path: Path) -> None:
    text = MONTHS.replace("increment", "cumulative").replace("2020-04-01", "2020-03-01")
    assert population(tmp_path, text).weights.tolist() == [30, 40]
    text = text.replace("sex,Unknown", "race,Unknown")
    assert population(tmp_path, text, ":2020-04-10").weights.tolist() == [10, 20]


def test_a_category_missing_at_the_last_date_is_refused(tmp_path: Path) -> None:
    text = (
        "sex,F,10,,2020-03-31,cumulative,s,\nsex,M,9,,2020-03-31,cumulative,s,\n"
        "sex,F,20,,2020-04-30,cumulative,s,\n"
    )
    with pytest.raises(CohortError, match="row 3: 'sex' has no cumulative count of 'M' at 2020-04-30"):
        population(tmp_path, text)


def test_percentages_of_several_periods_are_refused(tmp_path: Path) -> None:
    text = (
        "sex,F,40,2020-01-01,2020-01-31,percent,s,\nsex,M,60,2020-01-01,2020-01-31,percent,s,\n"
        "sex,F,50,2020-02-01,2020-02-29,percent,s,\nsex,M,50,2020-02-01,2020-02-29,percent,s,\n"
    )
    with pytest.raises(CohortError, match="percentages of several periods"):
        population(tmp_path, text)
    assert population(tmp_path, text, "2020-02-01:2020-02-29").weights.tolist() == [50, 50]


def test_suppressed_people_are_a_gap_that_is_remembered(tmp_path: Path) -> None:
    one = population(
        tmp_path, "sex,F,40,,,increment,s,\nsex,Missing,5,,,increment,s,\nsex,Suppressed,7,,,increment,s,\n"
    )
    assert (one.gap, one.suppressed) == (12, 7)


def test_several_places_need_a_choice(tmp_path: Path) -> None:
    text = "sex,F,40,,,increment,s,Ohio\nsex,M,40,,,increment,s,Ohio\nsex,F,9,,,increment,s,Iowa\n"
    with pytest.raises(CohortError, match=r"'sex' has 2 geographies \('Ohio', 'Iowa'\)"):
        population(tmp_path, text)
    assert population(tmp_path, text, geography="iowa").weights.tolist() == [9]
    with pytest.raises(CohortError, match="no rows of geography 'Utah'"):
        population(tmp_path, text, geography="Utah")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sex,F,1,,,sum,s,\n", r"row 2, column 'kind': 'sum' is not a kind"),
        ("sex,F,-1,,,increment,s,\n", "row 2, column 'count': '-1' is not a count"),
        ('sex,F,"1,200",,,increment,s,\n', "column 'count': '1,200' is not a count"),
        ("sex,F,nan,,,increment,s,\n", "is not a count"),
        ("sex,F,1,03/2020,,increment,s,\n", "column 'period_start': '03/2020' is not a date"),
        ("sex,F,1,2020-02-01,2020-01-01,increment,s,\n", "is before period_start"),
        ("sex,F,1,,,cumulative,s,\n", "a cumulative count needs the day"),
        ("sex,F,1,,,increment,s,\nsex,f,1,,,increment,s,\n", "row 3: repeats row 2"),
        (",F,1,,,increment,s,\n", "name the attribute"),
        ("", "has no rows"),
        ("race,F,1,,,increment,s,\n", "has no attribute 'sex'; it has race"),
        ("sex,F,1,,,increment,s,\nsex,M,1,,2020-01-01,cumulative,s,\n", "mixes rows of kind"),
        ("sex,F,30,,,percent,s,\nsex,M,30,,,percent,s,\n", "add up to 60, not 100"),
        ("sex,Unknown,30,,,increment,s,\n", "counts nobody"),
        (
            "sex,F,1,2020-01-01,2020-02-15,increment,s,\nsex,F,1,2020-02-01,2020-02-29,increment,s,\n",
            "row 3: counts a period again that row 2 counts",
        ),
        ("sex,F,1,,,increment,s,\nsex,F,1,2020-02-01,2020-02-29,increment,s,\n", "counts a period again"),
    ],
)
def test_a_wrong_reference_names_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CohortError, match=words):
        population(tmp_path, text)


def test_an_empty_period_says_what_is_covered(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no rows of that period; it covers 2020-03-01 to 2020-04-30"):
        population(tmp_path, MONTHS, "2021-01-01:")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"no\.csv: cannot be read \(No such file"):
        load_reference(tmp_path / "no.csv")
