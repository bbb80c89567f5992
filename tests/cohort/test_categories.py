"""Category maps: nothing is matched by guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from pprl.cohort import CategoryMap, load_category_map, load_cohort, load_reference, represent
from pprl.cohort.categories import NOT_REPORTED, SUPPRESSED, resolve
from pprl.errors import CohortError

HEADER = "attribute,category,count,period_start,period_end,kind,source\n"


def reference(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "ref.csv"
    path.write_text(HEADER + "".join(f"{row},,,increment,test\n" for row in rows))
    return path


def cohort(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text("attribute,category,count\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_a_synonym_without_a_map_is_an_error_naming_the_label(tmp_path: Path) -> None:
    people = load_cohort(cohort(tmp_path, "race,White,50", "race,Black,50"))
    population = load_reference(reference(tmp_path, "race,White,70", "race,Black or African American,30"))
    with pytest.raises(
        CohortError, match=r"cohort\.csv, row 3, column 'category': 'Black' is not a category of 'race'"
    ):
        represent(people, population)
    with pytest.raises(CohortError, match="or by the map builtin:omb"):
        represent(people, population)
    one = represent(people, population, maps=[load_category_map("builtin:omb")]).comparisons[0]
    assert one.table.counts == (50, 50, 0)


def test_a_reference_with_one_more_category_counts_it_as_zero(tmp_path: Path) -> None:
    people = load_cohort(cohort(tmp_path, "group,A,50", "group,B,50"))
    population = load_reference(reference(tmp_path, "group,A,25", "group,B,25", "group,C,50"))
    one = represent(people, population).comparisons[0]
    assert one.table.counts == (50, 50, 0, 0)
    assert f"{one.adjusted:.3f}" == "0.558"


def test_a_category_the_reference_lacks_is_an_error_even_for_one_person(tmp_path: Path) -> None:
    people = load_cohort(cohort(tmp_path, "group,A,50", "group,C,1"))
    with pytest.raises(CohortError, match="'C' is not a category of 'group'"):
        represent(people, load_reference(reference(tmp_path, "group,A,50", "group,B,50")))


def test_two_names_of_one_category_in_a_reference_are_refused(tmp_path: Path) -> None:
    people = load_cohort(cohort(tmp_path, "race,Black,50"))
    population = load_reference(reference(tmp_path, "race,Black,5", "race,Black or African American,30"))
    with pytest.raises(CohortError, match="two names of one category"):
        represent(people, population)


def test_case_and_blanks_do_not_matter(tmp_path: Path) -> None:
    people = load_cohort(cohort(tmp_path, "race, black  OR african American ,50", "race,WHITE,50"))
    population = load_reference(reference(tmp_path, "race,Black or African American,1", "race,White,1"))
    assert represent(people, population).comparisons[0].adjusted == 0.0


@pytest.mark.parametrize(
    "label", ["", " ", "Missing", "unknown", "NOT REPORTED", "NA", "n/a", "Declined", "Not  known"]
)
def test_words_for_not_reported_are_pooled(label: str) -> None:
    assert resolve("anything", label, []) == NOT_REPORTED


def test_suppressed_is_a_gap_of_its_own() -> None:
    assert resolve("race", "Suppressed", []) == SUPPRESSED
    assert resolve("race*ethnicity", "White*Suppressed", []) == SUPPRESSED
    assert resolve("race*ethnicity", "Unknown*Hispanic", []) == NOT_REPORTED


def test_maps_follow_one_another_and_the_users_comes_first() -> None:
    mine = CategoryMap("mine", {("race", "B"): "Black", ("race", "NA"): "AIAN", ("*", "declined"): "Other"})
    maps = [mine, load_category_map("builtin:omb"), load_category_map("builtin:cdc")]
    assert resolve("race", "B", maps) == "Black or African American"
    assert resolve("race", "NA", maps) == "American Indian or Alaska Native"
    assert resolve("race", "Declined", maps) == "Multiple/Other"
    assert (
        resolve("race*ethnicity", "B*Not Hispanic", maps)
        == "Black or African American*Not Hispanic or Latino"
    )


def test_a_map_beside_the_reference_is_used(tmp_path: Path) -> None:
    path = reference(tmp_path, "race,White,70", "race,Black or African American,30")
    (tmp_path / "ref.map.csv").write_text("attribute,label,category\nrace,Black,Black or African American\n")
    people = load_cohort(cohort(tmp_path, "race,White,50", "race,Black,50"))
    assert represent(people, load_reference(path)).comparisons[0].table.counts == (50, 50, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attribute,label\nrace,B\n", "has no column 'category'"),
        ("attribute,label,category,note\n", "has a column 'note'"),
        ("attribute,label,category\n,B,Black\n", "row 2, column 'attribute': is empty"),
        ("attribute,label,category\nrace,B,\n", "row 2, column 'category': is empty"),
        (
            "attribute,label,category\nrace,B,Black\nrace,b,White\n",
            "row 3, column 'label': 'b' of 'race' is mapped twice",
        ),
        ("attribute,label,category\nrace,B\n", "row 2: has 2 values where the header has 3"),
        ("", "is empty"),
    ],
)
def test_a_wrong_map_names_its_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(CohortError, match=words):
        load_category_map(tmp_path / "m.csv")


def test_unknown_builtin_map_lists_the_known() -> None:
    with pytest.raises(
        CohortError, match="builtin:nope is not built in; there are builtin:cdc, builtin:gaps, builtin:omb"
    ):
        load_category_map("builtin:nope")


def test_many_unmapped_labels_are_counted_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("race\n" + "".join(f"secret{i}\n" for i in range(60)))
    population = load_reference(reference(tmp_path, "race,White,70"))
    with pytest.raises(CohortError, match="60 values are not categories of 'race'") as caught:
        represent(load_cohort(path, attributes=["race"]), population)
    assert "secret" not in str(caught.value)
