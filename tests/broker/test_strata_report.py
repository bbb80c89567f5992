"""Strata from packages to quality.json and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.intake import Register, take_in
from broker.matching.pipeline import link
from broker.matching.quality import Interval
from broker.matching.strata import Distance, Group, Lower, Stratum
from broker.release import write_run
from broker.report import render_report
from broker.strata_report import describe_strata, strata_charts

from .population import Town
from .tokens import BROKER, NOW, a_schema, as_dataset, encode, pack

SCHEMA = a_schema(
    more='[[stratum]]\nkind = "sex"\n[[stratum]]\nkind = "race"\n[[stratum]]\nname = "region"\nkind = "class"\n'
    'categories = ["North", "South"]\n'
)


def a_town() -> Town:
    """Site ``b`` knows no race; region "Far" is of no category."""
    town = Town()
    random = np.random.default_rng(2)
    for records, race in zip(town.records, (("White", "Asian", None), (None,)), strict=True):
        for record in records:
            record |= {
                "race": race[random.integers(len(race))],
                "region": ("North", "South", "Far")[random.integers(3)],
            }
    return town


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strata")
    town, paths = a_town(), [folder / "a.pprl", folder / "b.pprl"]
    for path, records in zip(paths, town.records, strict=True):
        pack(path, SCHEMA, records)
    register = Register(folder / "register.json")
    deliveries = take_in(paths, BROKER, trusted=None, register=register, now=NOW)
    for delivery, records in zip(deliveries, town.records, strict=True):
        twin = as_dataset(SCHEMA, encode(SCHEMA, records, delivery.dataset.name), delivery.dataset.name)
        assert set(delivery.dataset.strata) == {"sex", "race", "region"}
        for name, codes in delivery.dataset.strata.items():
            assert codes.dtype == np.uint8
            assert np.array_equal(codes, twin.strata[name])
    linkage = link([delivery.dataset for delivery in deliveries])
    manifests = [delivery.manifest for delivery in deliveries]
    write_run(linkage, manifests, folder / "run", seed=0, intake_seconds=0, now=NOW)
    return folder / "run"


@pytest.fixture(scope="module")
def quality(run: Path) -> dict[str, Any]:
    return json.loads((run / "quality.json").read_text(encoding="utf-8"))


class Text(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.parts).split())


def test_from_packages_to_quality(quality: dict[str, Any]) -> None:
    (comparison,) = quality["comparisons"]
    strata = comparison["strata"]
    assert [(one["stratum"], one["dataset"]) for one in strata] == [
        (name, dataset) for name in ("sex", "race", "region") for dataset in "ab"
    ]
    by_name = {(one["stratum"], one["dataset"]): one for one in strata}
    region = by_name["region", "a"]
    assert [group["category"] for group in region["groups"]] == ["North", "South", None]
    assert sum(group["records"] for group in region["groups"]) == quality["datasets"][0]["records"]
    assert sum(group["linked"] for group in region["groups"]) == comparison["links"]
    for group in region["groups"]:
        assert group["match_rate"] == round(group["linked"] / group["records"], 4)
        assert 0 < group["recall"]["low"] <= group["recall"]["value"] <= group["recall"]["high"] <= 1
        assert 0 < group["precision"]["low"] <= group["precision"]["value"] <= 1
    assert set(region["distance_linked"]) == {"value", "chance_low", "chance_high"}
    assert by_name["race", "b"]["groups"] == []
    assert by_name["race", "b"]["distance_linked"] is None
    expected = sum(group["expected_matches"] for group in region["groups"])
    recall = comparison["links"] * comparison["estimate"]["precision"]["value"] / expected
    assert recall == pytest.approx(comparison["estimate"]["recall"]["value"], abs=0.001)


def test_the_page_tells_them(run: Path, quality: dict[str, Any]) -> None:
    words = Text((run / "report.html").read_text(encoding="utf-8")).words
    assert "Who is linked, and who is lost" in words
    assert "b sent no race" in words
    group = quality["comparisons"][0]["strata"][4]["groups"][0]
    recall = group["recall"]
    line = (
        f"North {group['records']} {group['linked']} {100 * group['linked'] / group['records']:.1f} % "
        f"{round(group['expected_matches'])} {100 * recall['value']:.1f} % "
        f"({100 * recall['low']:.1f} to {100 * recall['high']:.1f})"
    )
    assert line in words


def test_without_strata_the_page_has_no_such_part(quality: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(quality))
    changed["comparisons"][0]["strata"] = []
    assert "Who is linked" not in render_report(changed)


SURE, LESS = Interval(0.98, 0.97, 0.99), Interval(0.9, 0.86, 0.94)
SOME = Stratum(
    "race",
    1,
    (
        Group("<b>White</b>", 900, 500, 510.04, SURE, SURE),
        Group("Asian", 200, 90, 100.0, LESS, SURE),
        Group("Other", None, None, None, None, None),
        Group("Multiple", None, None, None, None, None),
        Group("None here", 0, 0, 0.0, None, None),
        Group(None, 12, 4, 4.2, None, None),
    ),
    (Lower("Asian", LESS, SURE),),
    Distance(0.1, 0.0, 0.02),
    None,
)


def test_what_is_hidden_stays_so() -> None:
    (described,) = describe_strata([SOME], ["a", "b"])
    assert described["dataset"] == "b"
    assert described["groups"][2] == {
        "category": "Other", "records": None, "linked": None, "match_rate": None, "expected_matches": None,
        "recall": None, "precision": None,
    }  # fmt: skip
    assert described["groups"][4]["match_rate"] is None
    assert described["lower"][0]["says"] == (
        "race Asian of b: an estimated 90.0 % of the matches are linked (95 % interval 86.0 to 94.0), "
        "of the others 98.0 %"
    )


def test_who_is_lost_stands_out(quality: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(quality))
    changed["comparisons"][0]["strata"] = describe_strata([SOME], ["a", "b"])
    html = render_report(changed)
    words = Text(html).words
    assert "Linked less than others: race Asian of b: an estimated 90.0 % of the matches are linked" in words
    assert "Other hidden hidden too few to tell" in words
    assert "None here" not in words
    assert "No class is linked significantly less" not in words
    assert "<b>White</b>" not in html
    assert "<b>White</b>" in words


def test_the_charts_of_a_stratum_share_an_axis() -> None:
    sure = (Group("North", 100, 50, 50.0, SURE, SURE),)
    strata = [SOME, replace(SOME, dataset=0, groups=sure), replace(SOME, name="region", groups=sure)]
    one, two, three = strata_charts(describe_strata(strata, ["a", "b"]), 0.97)
    assert one["low"] == two["low"] == pytest.approx(0.85)
    assert three["low"] == pytest.approx(0.95)
    white, asian, *others = one["rows"]
    assert others == [None] * 4
    assert one["start"] < asian["left"] < asian["x"] < one["overall"] < white["x"] < one["end"]
    assert asian["left"] + asian["width"] < white["left"] + white["width"] <= one["end"]
    assert two["rows"] == [white]
    assert three["rows"][0]["x"] < white["x"]


@pytest.mark.parametrize(("overall", "low"), [(1.0, 0.95), (0.97, 0.95), (0.0, 0.0)])
def test_an_axis_has_some_length(overall: float, low: float) -> None:
    (chart,) = strata_charts([{"stratum": "race", "groups": []}], overall)
    assert chart["low"] == pytest.approx(low)
    assert chart["start"] <= chart["overall"] <= chart["end"]
