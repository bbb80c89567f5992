"""What is written: the growing JSON file, tables, charts, and the page in docs/."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from benchmarks.accuracy import __main__ as command
from benchmarks.accuracy import tables
from benchmarks.accuracy.figure import draw, equal_bins
from benchmarks.accuracy.page import PARTS, write_docs
from benchmarks.accuracy.results import Results, read
from benchmarks.environment import ROOT
from pprl.errors import PprlError

PNG = b"\x89PNG"


def test_tables_say_what_was_measured(document):
    page = tables.page(document)
    assert "| pprl standard | 0.9876 |" in page
    assert "| pprl standard |  | 0.9876 | 0.9876 | 0.9876 | 0.9800 to 0.9900 | 0.9976 | 3.5 |" in page
    assert "OPPRL is absent (seed 0): no Spark." in page
    assert (
        "3,333 x 3,333 records, 5,000 people, 1,666 true pairs, seed 0. Fields: given_name, surname." in page
    )
    assert "| febrl4 | standard | 0.9800 | 0.9700 | 0.9800 | 0.9700 | 2 of 4 | 1 |" in page


def test_entities_count_where_sites_have_duplicates(document):
    document["cases"][0]["duplicates"] = True
    assert "| pprl standard | 0.8876 |" in tables.page(document)


def test_seeds_are_averaged(document):
    again = copy.deepcopy(document["results"][0]) | {"seed": 1}
    again["entries"][0]["figures"]["links"] |= {"f1": 0.9, "f1_interval": [0.85, 0.95]}
    document["results"].append(again)
    document["cases"].append(document["cases"][0] | {"seed": 1})
    page = tables.page(document)
    assert "0.9438 | 0.8500 to 0.9900" in page
    assert "seed 0, 1." in page


def test_charts_are_drawn_of_what_there_is(document, tmp_path):
    names = ["f1.png", "estimates.png", "calibration.png", "strata.png"]
    assert [path.name for path in draw(document, tmp_path)] == names
    assert all((tmp_path / name).read_bytes().startswith(PNG) for name in names)
    document["results"] = document["results"][1:2]
    assert [path.name for path in draw(document, tmp_path, prefix="x-")] == ["x-f1.png", "x-strata.png"]


def test_bins_have_equal_numbers_and_keep_every_link():
    rows = [
        {"log_odds": 0.25 * n, "links": 10, "expected": 10 / (1 + 2.718 ** (-0.25 * n)), "true": 9}
        for n in range(60)
    ]
    bins = equal_bins(rows[::-1])
    assert sum(one["links"] for one in bins) == 600
    assert sum(one["true"] for one in bins) == 540
    *doubtful, sure = bins
    assert len({one["links"] for one in doubtful[:-1]}) == 1
    assert sure["expected"] / sure["links"] > 0.999
    shares = [one["expected"] / one["links"] for one in bins]
    assert shares == sorted(shares)
    assert equal_bins([]) == []


def test_results_grow_and_are_taken_up(document, tmp_path):
    results = Results(tmp_path, now=datetime(2026, 1, 1, tzinfo=UTC))
    results.document["cases"] = document["cases"]
    for one in document["results"][:2]:
        results.add(one)
    stored = read(tmp_path / "accuracy.json")
    assert [one["contestant"] for one in stored["results"]] == ["pprl standard", "Splink"]
    assert stored["machine"]["date"].startswith("2026-01-01")
    later = Results(tmp_path, now=datetime(2026, 1, 2, tzinfo=UTC))
    assert [one["inputs"] for one in later.of_before] == ["1", "2"]
    later.add(document["results"][0] | {"inputs": "4"})
    stored = read(tmp_path / "accuracy.json")
    assert [one["inputs"] for one in stored["results"]] == ["4", "2"]
    assert len(stored["cases"]) == 1
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(PprlError, match="is not a file that"):
        read(tmp_path / "other.json")


def test_page_keeps_what_people_wrote(document, tmp_path):
    page = tmp_path / "accuracy.md"
    parts = [f"<!-- accuracy:{part} -->\nof before\n<!-- /accuracy:{part} -->\nby hand" for part in PARTS]
    page.write_text("# Title\n" + "\n".join(parts) + "\n")
    written = write_docs(document, page)
    text = page.read_text()
    assert "of before" not in text
    assert text.count("by hand") == len(PARTS)
    assert "| pprl standard | 0.9876 |" in text
    assert {path.name for path in written} >= {"accuracy.md", "accuracy-f1.png"}
    again = page.read_text()
    write_docs(document, page)
    assert page.read_text() == again
    page.write_text("# Title\n")
    with pytest.raises(PprlError, match="lacks the markers <!-- accuracy:made -->"):
        write_docs(document, page)


def test_the_page_in_docs_has_all_markers_and_shows_all_charts():
    text = (ROOT / "docs" / "accuracy.md").read_text()
    for part in PARTS:
        assert text.count(f"<!-- accuracy:{part} -->") == text.count(f"<!-- /accuracy:{part} -->") == 1
    for chart in ("f1", "estimates", "calibration", "strata"):
        assert f"(accuracy-{chart}.png)" in text


def test_a_case_is_measured_from_files_to_charts(tmp_path):
    options = ["generated", "--people", "150", "--names", "small", "--no-peers", "--profiles", "tokens"]
    done = CliRunner().invoke(command.main, [*options, "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    [result] = json.loads((tmp_path / "accuracy.json").read_bytes())["results"]
    [entry] = result["entries"]
    assert entry["figures"]["links"]["recall"] > 0.5
    assert entry["figures"]["recall_by"].keys() == {"sex", "birth_decade", "race", "ethnicity"}
    at = result["estimates"]["comparisons"][0]["thresholds"]
    assert [one["threshold"] for one in at][:2] == [0.5, 0.6]
    assert all(one["links"] == one["links_told"] for one in at)
    assert (tmp_path / "f1.png").exists()
    assert "| pprl tokens |" in done.output
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("work-")]


def test_wrong_options_are_told():
    done = CliRunner().invoke(command.main, ["febrl4", "--profiles", "fast"])
    assert done.exit_code == 2
    assert "no profile 'fast'; there are standard, strict, fields, tokens" in done.output
    done = CliRunner().invoke(command.main, ["febrl9"])
    assert "'febrl9' is not one of" in done.output
