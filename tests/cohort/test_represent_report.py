"""What is written: complete, repeatable, and nothing more than may be shown."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import pprl.cohort
from pprl.cohort import (
    Representation,
    load_cohort,
    load_reference,
    represent,
    to_json,
    to_markdown,
    to_rows,
    write_report,
)
from pprl.errors import CohortError, PprlError

FILES = ["figure.png", "figure.svg", "represent.json", "represent.md"]


def example(**options: object) -> Representation:
    return represent(
        load_cohort("builtin:midrc-n3c"), load_reference("builtin:cdc-2020-03--2021-06"), **options
    )


def test_the_public_face_is_sorted_and_there() -> None:
    assert pprl.cohort.__all__ == sorted(pprl.cohort.__all__)
    assert all(hasattr(pprl.cohort, name) for name in pprl.cohort.__all__)


def test_the_folder_holds_the_report_and_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    write_report(example(), tmp_path / "a")
    write_report(example(), tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "a").iterdir() if not path.name.startswith(".")) == FILES
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    svg = (tmp_path / "a" / "figure.svg").read_text()
    assert "<dc:date>" not in svg
    assert (tmp_path / "a" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data.csv").write_text("x")
    with pytest.raises(PprlError, match="is not an output folder"):
        write_report(example(), tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_json_carries_what_the_figures_rest_on() -> None:
    content = json.loads(to_json(example(base=math.e, seed=3)))
    assert (content["base"], content["seed"], content["cohort"]["n"]) == ("e", 3, 2124)
    sex, race, _ = content["attributes"]
    assert sex["verdict"] == "cannot be told from perfect sampling"
    assert race["reference"]["kind"] == "percent"
    assert race["reference"]["period_end"] == "2021-06-30"
    assert (
        race["suppressed_range"]["adjusted"][0] <= race["adjusted"] <= race["suppressed_range"]["adjusted"][1]
    )
    described = {one["attribute"]: one for one in content["described"]}
    assert list(described) == ["sex", "race", "ethnicity", "smoking", "severity"]
    assert described["race"]["suppressed_count"] == 6
    assert described["smoking"]["categories"][-1] == {
        "category": "Not reported",
        "count": 498,
        "percent": pytest.approx(23.446, abs=1e-3),
        "percent_reported": None,
    }


def test_the_sentences_say_what_follows() -> None:
    text = to_markdown(example())
    assert "base 2: 0 is equal, 1 is disjoint" in text
    assert "Sex cannot be told from perfect sampling: its adjusted distance is 0.0113" in text
    assert "Race differs from the reference: its adjusted distance is 0.5912" in text
    assert "Furthest above it is Black or African American (81.4 % against 15.2 %)" in text
    assert "so they alone cannot account for the difference" in text
    assert "Together 6 people are American Indian or Alaska Native + Native Hawaiian" in text
    red = to_markdown(represent(load_cohort("builtin:red-coral"), load_reference("builtin:cdc-2020-03")))
    assert "so they alone could account for the difference" in red
    assert "base e: 0 is equal, 0.8326 is disjoint" in to_markdown(example(base=math.e))


def test_rows_for_the_terminal() -> None:
    rows = to_rows(example())
    assert rows[0] == ("attribute", "n", "raw", "adjusted", "95 % interval", "null 95 %", "verdict")
    assert rows[1][:4] == ("sex", "2,124", "0.1446", "0.0113")


def people(path: Path, **counts: int) -> Path:
    rows = "".join(f"race,{name},{count}\n" for name, count in counts.items())
    path.write_text(f"attribute,category,count\n{rows}smoking,Yes,3\nsmoking,No,{sum(counts.values()) - 3}\n")
    return path


def test_suppressed_reports_do_not_depend_on_the_suppressed_counts(tmp_path: Path) -> None:
    """Whatever the hidden counts are, all files are the same: so nothing in them tells."""
    reference = load_reference("builtin:cdc-2020-03")
    written = []
    for asian, black in ((3, 40), (15, 28)):
        cohort = people(tmp_path / "c.csv", White=500, Black=black, Asian=asian, Other=90)
        result = represent(load_cohort(cohort), reference, suppress=20)
        write_report(result, tmp_path / "out")
        written.append([(tmp_path / "out" / name).read_bytes() for name in FILES])
        assert '"count": null' in to_json(result)
        assert "Asian + Black or African American" in to_markdown(result)
    assert written[0] == written[1]
    unsuppressed = represent(load_cohort(cohort), reference)
    assert '"count": null' not in to_json(unsuppressed)


def test_a_suppressed_gap_leaves_the_adjusted_distance_out(tmp_path: Path) -> None:
    result = represent(load_cohort("builtin:red-coral"), load_reference("builtin:cdc-2020-03"), suppress=20)
    sex = json.loads(to_json(result))["attributes"][0]
    assert (sex["adjusted"], sex["interval_95"], sex["n_reported"]) == (None, None, None)
    assert "the count of people not reported is suppressed" in to_markdown(result)
    write_report(result, tmp_path / "out")


def test_joint_and_marginal_tables_are_not_suppressed_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("race,ethnicity\n" + "White,Hispanic\n" * 50 + "Black,Not Hispanic\n" * 40)
    cohort = load_cohort(path, attributes=["race", "race*ethnicity"])
    reference = load_reference("builtin:cdc-2020-03")
    with pytest.raises(CohortError, match=r"'race\*ethnicity' and 'race' cannot be shown together"):
        represent(cohort, reference, attributes=["race"], suppress=11)
    assert represent(cohort, reference, attributes=["race"]).comparisons[0].table.n == 90


def test_a_quantity_is_described_by_mean_and_deviation(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("sex,age\n" + "".join(f"F,{age}\n" for age in range(40, 61)) + "M,\n")
    cohort = load_cohort(path, attributes=["sex", "age"])
    result = represent(cohort, load_reference("builtin:cdc-2020-03"), attributes=["sex"])
    age = result.descriptions[1]
    assert (age.mean, age.n_reported, age.n) == (50.0, 21, 22)
    assert age.sd == pytest.approx(6.2048, abs=1e-4)
    assert "50.00 ± 6.20" in to_markdown(result)


def test_a_column_of_many_values_is_not_described(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("sex,name\n" + "".join(f"F,secret{i}\n" for i in range(60)))
    cohort = load_cohort(path, attributes=["sex", "name"])
    with pytest.raises(CohortError, match="60 different values; it is not a category") as caught:
        represent(cohort, load_reference("builtin:cdc-2020-03"), attributes=["sex"])
    assert "secret" not in str(caught.value)


def test_withheld_values_are_remarked_on(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("sex\n" + "F\n" * 30 + "M\n" * 30 + "Suppressed\n" * 5)
    result = represent(load_cohort(path, attributes=["sex"]), load_reference("builtin:cdc-2020-03"))
    assert "withheld for privacy" in to_markdown(result)


def test_labels_do_not_break_the_markdown(tmp_path: Path) -> None:
    cohort, reference = tmp_path / "c.csv", tmp_path / "r.csv"
    cohort.write_text("attribute,category,count\ngroup,a|b <i>,5\ngroup,c,5\n")
    reference.write_text(
        "attribute,category,count,period_start,period_end,kind,source\n"
        "group,a|b <i>,5,,,increment,x\ngroup,c,5,,,increment,x\n"
    )
    text = to_markdown(represent(load_cohort(cohort), load_reference(reference)))
    assert "| a\\|b &lt;i> | 5 |" in text


def test_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("attribute,category,count\ncolour,red,5\n")
    with pytest.raises(CohortError, match="has no attribute of the reference"):
        represent(load_cohort(tmp_path / "c.csv"), load_reference("builtin:cdc-2020-03"))
    with pytest.raises(CohortError, match="has no attribute 'sex'; it has colour"):
        represent(load_cohort(tmp_path / "c.csv"), load_reference("builtin:cdc-2020-03"), attributes=["sex"])
    with pytest.raises(ValueError, match="n_resamples is 10"):
        example(n_resamples=10)


def test_odd_and_many_categories_are_drawn(tmp_path: Path) -> None:
    names = ["$20k-$40k", "日本", *(f"county {i}" for i in range(1200))]
    (tmp_path / "c.csv").write_text(
        "attribute,category,count\n" + "".join(f"place,{name},{i + 1}\n" for i, name in enumerate(names))
    )
    (tmp_path / "r.csv").write_text(
        "attribute,category,count,period_start,period_end,kind,source\n"
        + "".join(f"place,{name},{i % 7},,,increment,x\n" for i, name in enumerate(names))
    )
    result = represent(load_cohort(tmp_path / "c.csv"), load_reference(tmp_path / "r.csv"), n_resamples=200)
    write_report(result, tmp_path / "out")
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000
    hidden = represent(
        load_cohort(tmp_path / "c.csv"), load_reference(tmp_path / "r.csv"), n_resamples=200, suppress=20
    )
    assert "Together 190 people are 19 suppressed categories" in to_markdown(hidden)
