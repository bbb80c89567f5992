"""The figures published for two linked cohorts, and the traps in their tables."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pprl.cohort import Comparison, Verdict, load_cohort, load_reference, represent
from pprl.distance import jensen_shannon_distance

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text())
REFERENCES = {row["cohort"]: row["reference"] for row in PUBLISHED["figures"]}


def compare(cohort: str, attribute: str, **options: object) -> Comparison:
    result = represent(
        load_cohort(f"builtin:{cohort}"),
        load_reference(f"builtin:{REFERENCES[cohort]}"),
        attributes=[attribute],
        **options,
    )
    return result.comparisons[0]


@pytest.mark.parametrize("row", PUBLISHED["figures"], ids=lambda row: f"{row['cohort']}-{row['attribute']}")
def test_every_published_figure(row: dict) -> None:
    for base, name, digits in ((2.0, "log2", 4), (math.e, "ln", 3)):
        one = compare(row["cohort"], row["attribute"], base=base)
        if name == "ln" and row["attribute"] == "ethnicity" and row["cohort"] == "midrc-n3c":
            # .15949: its third digit is a rounding of the rounded .1595.
            assert one.adjusted == pytest.approx(float(row[name][1]), abs=0.00051)
            assert f"{one.raw:.{digits}f}" == row[name][0]
            continue
        assert [f"{one.raw:.{digits}f}", f"{one.adjusted:.{digits}f}"] == row[name]


def test_the_paper_states_base_2_and_gives_an_example_in_base_e() -> None:
    """Why there are two bases.

    The paper says "log2, bounded by 1" and gives 0.18 for 45/45/10 against 35/35/30: in base 2 that is
    0.2163, and 0.1801 is the value in base e, whose bound is 0.8326. No one base meets both claims, so the
    base is always said.
    """
    cohort, reference = [45, 45, 10], [35, 35, 30]
    assert f"{jensen_shannon_distance(cohort, reference):.4f}" == "0.2163"
    assert f"{jensen_shannon_distance(cohort, reference, base=math.e):.4f}" == "0.1801"
    assert float(jensen_shannon_distance(cohort[:2], reference[:2])) == 0.0


@pytest.mark.parametrize(
    "row", PUBLISHED["uncertainty"], ids=lambda row: f"{row['cohort']}-{row['attribute']}"
)
def test_intervals_null_and_bounds(row: dict) -> None:
    one = compare(row["cohort"], row["attribute"])
    assert one.interval == pytest.approx(row["interval"], abs=0.0025)
    assert one.null == pytest.approx(row["null"], abs=0.001)
    assert one.bounds == pytest.approx(row["bounds"], abs=0.0006)
    assert one.verdict is Verdict.DIFFERS


def test_sex_of_the_n3c_cohort_cannot_be_told_from_perfect_sampling() -> None:
    one = compare("midrc-n3c", "sex")
    assert one.null == pytest.approx(0.018, abs=0.0005)
    assert one.adjusted < one.null
    assert one.verdict is Verdict.INDISTINGUISHABLE


def test_suppressed_cells_follow_by_subtraction() -> None:
    one = compare("midrc-n3c", "race")
    assert one.table.hidden_total == 2124 - 26 - 1620 - 338 - 134 == 6
    assert [one.table.names[cell] for cell in one.table.hidden_cells] == [
        "American Indian or Alaska Native",
        "Native Hawaiian or Other Pacific Islander",
    ]
    assert one.table.split().tolist() == [3, 26, 1620, 3, 338, 0, 134]


def test_suppressed_cells_as_one_category_give_the_least_distance() -> None:
    split, pooled = compare("midrc-n3c", "race"), compare("midrc-n3c", "race", suppressed_as="pool")
    assert (f"{pooled.raw:.4f}", f"{pooled.adjusted:.4f}") == ("0.6208", "0.5906")
    (_, _), (low, high) = split.suppressed_range
    assert pooled.adjusted <= low <= split.adjusted <= high
    assert (f"{low:.4f}", f"{high:.4f}") == ("0.5906", "0.5935")


def test_multiple_and_other_are_pooled_by_the_references_map() -> None:
    one = compare("red-coral", "race")
    assert one.table.counts[one.table.categories.index("Multiple/Other")] == 10 + 145
    assert one.table.counts[-1] == 41 + 4
