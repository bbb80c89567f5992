"""The examples of a comparison, and their waterfalls on the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from broker.evidence_table import evidence_batches, evidence_row, weights_of
from broker.examples import LEAST_SURE, NOT_LINKED, TYPICAL, examples
from broker.release import describe
from broker.report import render_report
from broker.waterfall import steps, waterfall_chart

from .tokens import NOW, a_schema, pack


@pytest.fixture(scope="session")
def quality(linked, town, tmp_path_factory):
    """``quality(profile)``: the content of quality.json."""
    made = {}

    def make(profile):
        if profile not in made:
            folder = tmp_path_factory.mktemp("packages")
            manifests = [
                pack(folder / f"{name}.pprl", a_schema(profile), rows)
                for name, rows in zip("ab", town.records, strict=True)
            ]
            made[profile] = describe(linked(profile), manifests, seed=0, intake_seconds=0, now=NOW)
        return json.loads(json.dumps(made[profile]))

    return make


def with_explained(linkage, **changes):
    (comparison,) = linkage.comparisons
    changed = replace(comparison, explained=replace(comparison.explained, **changes))
    return replace(linkage, comparisons=(changed,)), changed


@pytest.mark.parametrize("profile", ["standard", "fields", "tokens"])
def test_three_examples(linked, profile):
    linkage = linked(profile)
    (comparison,) = linkage.comparisons
    found = comparison.explained
    typical, least, unlinked = examples(linkage, comparison)
    assert [one["example"] for one in (typical, least, unlinked)] == [TYPICAL, LEAST_SURE, NOT_LINKED]
    assert typical["log_odds"] == pytest.approx(
        np.quantile(found.log_odds[found.chosen], 0.5, method="lower") / np.log(2), abs=1e-3
    )
    assert least["probability"] == pytest.approx(comparison.probability.min(), abs=1e-5)
    assert unlinked["probability"] == pytest.approx(found.posterior[~found.chosen].max(), abs=1e-5)
    assert [one["outcome"] for one in (typical, least, unlinked)] == ["linked", "linked", "below threshold"]
    assert not any("record" in name for one in (typical, least, unlinked) for name in one)


def test_an_example_is_a_row_of_the_table(linked):
    linkage = linked("fields")
    (comparison,) = linkage.comparisons
    rows = [row for batch in evidence_batches(linkage) for row in batch.to_pylist()]
    for number in (0, 5, len(rows) - 1):
        one = evidence_row(linkage, comparison, number)
        assert one == rows[number]
        assert weights_of(one)["parts"][0] == {
            "part": "given_name",
            "seen": one["seen:given_name"],
            "weight": round(one["weight:given_name"], 4),
        }


def test_what_there_is_not_is_left_out(linked):
    linkage = linked("standard")
    found = linkage.comparisons[0].explained
    none, comparison = with_explained(linkage, chosen=np.zeros(len(found), np.bool_))
    assert [one["example"] for one in examples(none, comparison)] == [NOT_LINKED]
    single = np.zeros(len(found), np.bool_)
    single[np.flatnonzero(found.chosen)[3]] = True
    one, comparison = with_explained(linkage, chosen=single)
    assert [example["example"] for example in examples(one, comparison)] == [TYPICAL, NOT_LINKED]
    chosen = found.pairs.some(found.chosen)
    only, comparison = with_explained(
        linkage,
        **{
            name: getattr(found, name)[found.chosen]
            for name in ("posterior", "others", "competition", "pattern")
        },
        pairs=chosen,
        chosen=np.ones(len(chosen), np.bool_),
    )
    assert [example["example"] for example in examples(only, comparison)] == [TYPICAL, LEAST_SURE]


class Falls(HTMLParser):
    """Rows of the waterfalls: their text, cell by cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = self.goes_on = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.inside = ("class", "fall") in attrs
            if self.inside:
                self.tables.append([])
        if self.inside and tag == "tr":
            self.tables[-1].append([])
        self.goes_on = tag == "wbr"

    def handle_data(self, data):
        if self.inside and self.tables[-1] and data.strip():
            row = self.tables[-1][-1]
            row.append((row.pop() if self.goes_on else "") + data.strip())


@pytest.mark.parametrize("profile", ["standard", "fields", "tokens"])
def test_the_page_tells_in_text_what_the_bars_show(quality, profile):
    told = quality(profile)
    html = render_report(told)
    tables = Falls(html).tables
    assert len(tables) == 3
    for table, example in zip(tables, told["comparisons"][0]["examples"], strict=True):
        rows = [[step.name, step.says] for step in steps(example)]
        assert [row[:2] for row in table[1:]] == rows
        for row, part in zip(table[3:], example["parts"], strict=False):
            assert row[0] == part["part"]
            assert float(row[2]) == pytest.approx(part["weight"], abs=0.006)
    assert html.count('aria-hidden="true"') >= 3 * 4  # drawings say nothing that the text does not
    assert "nats" not in html


@pytest.mark.parametrize("profile", ["standard", "fields"])
@pytest.mark.parametrize("threshold", [0.01, 0.5, 0.999])
def test_bars_stay_within_their_frame_and_hang_together(quality, profile, threshold):
    for example in quality(profile)["comparisons"][0]["examples"]:
        chart = waterfall_chart(example, threshold)
        assert 0 <= chart["zero"] <= 100
        assert 0 <= chart["threshold"] <= 100
        assert (chart["threshold"] >= chart["zero"]) == (threshold >= 0.5)
        before = None
        for row, step in zip(chart["rows"], steps(example), strict=True):
            assert 0 <= row["x"] < row["x"] + row["width"] <= 100
            assert row["join"] is None if before is None else row["join"] == before
            before = row["end"]
            if step.kind == "part":
                assert row["fill"] == ("for" if step.weight >= 0 else "against")


def test_a_pair_passed_over_says_why(quality):
    told = quality("standard")
    example = told["comparisons"][0]["examples"][2]
    for outcome, says in (("another chosen", "as another was chosen"), ("dropped", "as it was dropped")):
        example["outcome"] = outcome
        assert f"The likeliest pair that is not linked</b>, {says}" in render_report(told)


def test_a_comparison_without_examples_has_no_waterfalls(quality):
    told = quality("standard")
    told["comparisons"][0]["examples"] = []
    html = render_report(told)
    assert "Why a pair is linked" not in html
    assert 'class="fall"' not in html


def test_weights_are_bits(quality, linked):
    told = quality("standard")
    (comparison,) = told["comparisons"]
    fit = linked("standard").comparisons[0].fit
    assert (told["version"], told["unit_of_weights"]) == (2, "bits")
    assert comparison["intercept"] == pytest.approx(fit.intercept / np.log(2), abs=1e-4)
    assert [one["weight"] for one in comparison["weights"]] == pytest.approx(
        (fit.weights / np.log(2)).tolist(), abs=1e-4
    )
    histogram = linked("standard").comparisons[0].histogram
    assert comparison["histogram"]["edges"][-1] == pytest.approx(histogram.edges[-1] / np.log(2), abs=1e-4)
    assert comparison["histogram"]["threshold"] == pytest.approx(histogram.threshold / np.log(2), abs=1e-4)
    assert re.search(r"match weight, bits", render_report(told))
