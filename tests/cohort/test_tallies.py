"""Counting people, and reading counts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pprl.cohort import load_cohort
from pprl.errors import CohortError

PEOPLE = "id,sex,race,Ethnicity\n1,F,Black,NH\n2,M,White,NH\n3,F,,H\n4,F,White,H\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def counts(cohort: object, attribute: str) -> dict[str, int | None]:
    return {label: one.count for label, one in cohort.tallies[attribute].labels.items()}


def test_people_are_counted_in_named_columns_only(tmp_path: Path) -> None:
    cohort = load_cohort(write(tmp_path / "p.csv", PEOPLE), attributes=["sex"], optional=["race", "age"])
    assert list(cohort.tallies) == ["sex", "race"]
    assert counts(cohort, "sex") == {"F": 3, "M": 1}
    assert counts(cohort, "race") == {"Black": 1, "White": 2, "": 1}
    assert cohort.n == 4


def test_joint_attributes_and_renamed_columns(tmp_path: Path) -> None:
    cohort = load_cohort(
        write(tmp_path / "p.csv", PEOPLE), attributes=["gender*ethnicity"], columns={"gender": "sex"}
    )
    assert counts(cohort, "gender*ethnicity") == {"F*NH": 1, "M*NH": 1, "F*H": 2}


def test_parquet_gives_the_same(tmp_path: Path) -> None:
    table = pa.table({"sex": ["F", None, "F"], "icu": [True, False, None], "code": [1, 1, 2]})
    pq.write_table(table, tmp_path / "p.parquet", row_group_size=2)
    cohort = load_cohort(tmp_path / "p.parquet", attributes=["sex", "icu", "code"])
    assert counts(cohort, "sex") == {"F": 2, "": 1}
    assert counts(cohort, "icu") == {"True": 1, "False": 1, "": 1}
    assert counts(cohort, "code") == {"1": 2, "2": 1}
    assert cohort.tallies["code"].labels["2"].row == 3


def test_a_parquet_count_table(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"attribute": ["sex"], "category": ["F"], "count": [3.0]}), tmp_path / "c.parquet"
    )
    assert counts(load_cohort(tmp_path / "c.parquet"), "sex") == {"F": 3}


def test_only_listed_people_are_kept(tmp_path: Path) -> None:
    people = write(tmp_path / "p.csv", PEOPLE)
    listed = write(tmp_path / "ids.csv", "guid,local\na,2\nb,4\nc,99\n")
    cohort = load_cohort(people, attributes=["sex"], id_column="id", only=listed, only_column="local")
    assert counts(cohort, "sex") == {"M": 1, "F": 1}
    assert (cohort.n, cohort.n_ids_not_found) == (2, 1)
    with pytest.raises(CohortError, match="has nobody whose id is in the list"):
        load_cohort(people, attributes=["sex"], id_column="id", only=listed)
    with pytest.raises(CohortError, match="needs the cohort's column of ids"):
        load_cohort(people, attributes=["sex"], only=listed)


def test_one_row_per_person(tmp_path: Path) -> None:
    people = write(tmp_path / "p.csv", PEOPLE + "2,M,White,NH\n")
    with pytest.raises(CohortError, match=r"p\.csv, row 6, column 'id': stands a second time"):
        load_cohort(people, attributes=["sex"], id_column="id")
    with pytest.raises(CohortError, match="row 2, column 'id': is empty"):
        load_cohort(write(tmp_path / "q.csv", "id,sex\n,F\n"), attributes=["sex"], id_column="id")


def test_an_identifier_is_no_category(tmp_path: Path) -> None:
    people = write(tmp_path / "p.csv", "sex\n" + "".join(f"secret{i}\n" for i in range(5001)))
    with pytest.raises(CohortError, match="more than 5,000 different values") as caught:
        load_cohort(people, attributes=["sex"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,sex\n1\n", r"row 2: has 1 values where the header has 2"),
        ("id,race\n1,White\n", "has no column 'sex'; say which one it is"),
        ("sex,sex\nF,F\n", "column 'sex': stands twice in the header"),
        ("sex\n", "has no people"),
        ("", "is empty"),
        ('sex\n"F\n', "is not CSV"),
        ("attribute,category,count,x\n", "has a column 'x' beside"),
        ("attribute,category,count\n", "has no counts"),
        ("attribute,category,count\nrace,A,1\n", "has no attribute 'sex'; it has race"),
        ("attribute,category,count\nsex,F,12a\n", "row 2, column 'count': '12a' is not a count"),
        ('attribute,category,count\nsex,F,"1,200"\n', "without thousands separator"),
        (
            "attribute,category,count\nsex,F,1\nsex,f,1\n",
            "row 3, column 'category': 'f' of 'sex' stands in row 2",
        ),
        ("attribute,category,count\nsex,F,1\ntotal,,2\n", "add up to 1, but the total is 2"),
        ("attribute,category,count\nsex,F,0\n", "are all 0"),
        ("attribute,category,count\n,F,1\n", "name the attribute"),
        ("attribute,category,count\nsex,F,1\nsex,Total,<20\n", "a total must be a number"),
        (
            "attribute,category,count\nsex,F,<20\nsex,M,30\n",
            "row 2.*its total is not known; add a row sex,Total,N or",
        ),
        ("attribute,category,count\nsex,F,<20\nsex,M,30\ntotal,,29\n", "would be -1 together"),
        (
            "attribute,category,count\nsex,F,<20\nsex,M,30\ntotal,,50\n",
            "would be 20 together .* outside 0 to 19",
        ),
    ],
)
def test_a_wrong_cohort_names_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CohortError, match=words):
        load_cohort(write(tmp_path / "c.csv", text), attributes=["sex"])


def test_one_suppressed_count_follows_by_subtraction(tmp_path: Path) -> None:
    text = "attribute,category,count\nsex,F,<20\nsex,M,30\nsex,Total,42\n"
    cohort = load_cohort(write(tmp_path / "c.csv", text))
    assert counts(cohort, "sex") == {"F": 12, "M": 30}


@pytest.mark.parametrize(
    ("text", "limit"), [("<20", 19), ("< 11", 10), ("<=10", 10), ("≤10", 10), ("1-10", 10), ("*", None)]
)
def test_ways_to_write_a_suppressed_count(tmp_path: Path, text: str, limit: int | None) -> None:
    rows = f"attribute,category,count\nsex,A,{text}\nsex,B,{text}\nsex,C,9\nsex,Total,20\n"
    tally = load_cohort(write(tmp_path / "c.csv", rows)).tallies["sex"]
    assert tally.labels["A"].count is None
    assert tally.labels["A"].limit == limit
    assert tally.hidden_total == 11


def test_attributes_choose_from_a_count_table(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "attribute,category,count\nsex,F,1\nrace,A,1\nage,1,1\n")
    assert list(load_cohort(path, attributes=["race"]).tallies) == ["race"]
    assert list(load_cohort(path, attributes=["race"], optional=["sex"]).tallies) == ["sex", "race", "age"]


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes("sex,name\nF,M\u00fcller\n".encode("latin-1"))
    with pytest.raises(CohortError, match="is not UTF-8"):
        load_cohort(tmp_path / "p.csv", attributes=["sex"])


def test_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_text("sex\nF\n")
    with pytest.raises(CohortError, match="is not a Parquet file"):
        load_cohort(tmp_path / "p.parquet", attributes=["sex"])
