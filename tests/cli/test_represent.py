"""``pprl represent`` as a person uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pprl.cli.represent import represent

FILES = {"represent.json", "represent.md", "figure.svg", "figure.png"}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(represent, [str(one) for one in arguments])


def test_an_example_prints_a_table_and_writes_the_report(tmp_path: Path) -> None:
    result = run("--example", "red-coral", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:4] == [
        "attribute      n     raw  adjusted  95 % interval  null 95 %  verdict",
        "sex        1,223  0.2078    0.0497    0.025-0.074      0.024  differs",
        "race       1,223  0.5074    0.2308    0.209-0.253      0.041  differs",
        "ethnicity  1,223  0.4627    0.0047    0.000-0.030      0.025  like a perfect sample",
    ]
    assert "base 2" in result.stdout.splitlines()[4]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= FILES


def test_json_is_what_the_folder_holds(tmp_path: Path) -> None:
    result = run(
        "--example", "midrc-n3c", "--out", tmp_path / "out", "--json", "--base", "e", "--attribute", "race"
    )
    assert result.stdout == (tmp_path / "out" / "represent.json").read_text()
    content = json.loads(result.stdout)
    assert (content["base"], content["attributes"][0]["adjusted"]) == ("e", pytest.approx(0.4922, abs=5e-5))


def test_people_restricted_to_the_linked_ones(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(
        "person,gender,race,age\n" + "".join(f"{i},{'FM'[i % 2]},Black,{i}\n" for i in range(100))
    )
    linked = tmp_path / "linked.csv"
    linked.write_text("guid,person\n" + "".join(f"g{i},{i}\n" for i in range(0, 60, 2)) + "g,999\n")
    result = run(
        *(people, "--reference", "builtin:cdc-2020-03", "--out", tmp_path / "out", "--json"),
        *("--columns", "sex=gender", "--describe", "age", "--id", "person"),
        *("--only", linked, "--only-column", "person"),
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["cohort"]["n"] == 30
    assert [one["attribute"] for one in content["attributes"]] == ["sex", "race"]
    assert content["described"][-1]["mean"] == 29.0
    assert "1 ids of" in result.stderr


def test_a_reference_of_ones_own_with_map_and_period(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("attribute,category,count\nsex,W,60\nsex,M,40\n")
    (tmp_path / "r.csv").write_text(
        "attribute,category,count,period_start,period_end,kind,source\n"
        "sex,Female,6,2020-01-01,2020-01-31,increment,registry\n"
        "sex,Male,4,2020-01-01,2020-01-31,increment,registry\n"
        "sex,Female,90,2020-02-01,2020-02-29,increment,registry\n"
        "sex,Male,10,2020-02-01,2020-02-29,increment,registry\n"
    )
    (tmp_path / "m.csv").write_text("attribute,label,category\nsex,W,Female\n")
    result = run(
        *(tmp_path / "c.csv", "--reference", tmp_path / "r.csv", "--out", tmp_path / "out", "--json"),
        *("--map", tmp_path / "m.csv", "--map", "builtin:omb", "--period", ":2020-01-31"),
    )
    assert json.loads(result.stdout)["attributes"][0]["adjusted"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either COHORT or --example"),
        (["c.csv", "--example", "red-coral"], "give either COHORT or --example"),
        (["c.csv"], "give --reference FILE"),
        (["c.csv", "--reference", "r.csv", "--only", "i.csv"], "--only needs --id"),
        (["c.csv", "--reference", "r.csv", "--only-column", "x"], "--only-column names a column of --only"),
        (["c.csv", "--reference", "r.csv", "--period", "2020"], "write YYYY-MM-DD:YYYY-MM-DD"),
        (["c.csv", "--reference", "r.csv", "--period", "2020-01-01"], "write YYYY-MM-DD:YYYY-MM-DD"),
        (["c.csv", "--reference", "r.csv", "--period", "2020-02-01:2020-01-01"], "ends before it starts"),
        (["c.csv", "--reference", "r.csv", "--columns", "race"], "write ATTRIBUTE=COLUMN"),
        (["--example", "red-coral", "--describe", "age"], "--example has counts only"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_right(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = run(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "out").exists()


def test_a_failed_run_is_one_line_and_leaves_no_output(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("attribute,category,count\nrace,Martian,60\n")
    command = (
        "import sys; from pprl.cli.represent import represent; from pprl.console import run; run(represent)"
    )
    arguments = [tmp_path / "c.csv", "--reference", "builtin:cdc-2020-03", "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"error: {tmp_path / 'c.csv'}, row 2, column 'category': 'Martian' is not a category"
    )
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.csv"]


def test_the_command_is_quick_to_import() -> None:
    command = (
        "import sys, pprl.cli.represent; "
        "heavy = {'numpy', 'pandas', 'pyarrow', 'scipy', 'matplotlib', 'numba', 'pprl.cohort'}; "
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_option_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "representativeness.md").read_text()
    options = [name for one in represent.params for name in one.opts if name.startswith("--")]
    assert [name for name in options if name not in text] == []
