"""A run over three datasets, one of which may hold duplicates: its folder and its page."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from broker import release
from broker.matching.pipeline import link
from broker.release import write_run
from broker.report import render_report
from broker.tables import link_batches
from pprl.errors import PprlError

from .population import FIELDS, Town
from .tokens import NOW, a_dataset, a_schema, pack

VOID = {"meta", "br", "wbr", "img", "hr", "input"}
FREE = {"a": True, "b": True, "c": False}


@pytest.fixture(scope="module")
def linkage():
    town, schema = (
        Town(7, n_people=350, holds=((0, 0.6), (0.2, 0.8), (0.4, 1)), n_twice=(0, 0, 30)),
        a_schema(),
    )
    sites = [
        a_dataset(schema, rows, name, duplicate_free=free)
        for rows, (name, free) in zip(town.records, FREE.items(), strict=True)
    ]
    return link(sites)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    town = Town(7, n_people=350, holds=((0, 0.6), (0.2, 0.8), (0.4, 1)), n_twice=(0, 0, 30))
    return [
        pack(folder / f"{name}.pprl", a_schema(), rows, duplicate_free=free)
        for rows, (name, free) in zip(town.records, FREE.items(), strict=True)
    ]


@pytest.fixture(scope="module")
def run(linkage, manifests, tmp_path_factory):
    out = tmp_path_factory.mktemp("several") / "run"
    quality = write_run(linkage, manifests, out, seed=0, intake_seconds=0.5, now=NOW)
    assert quality == json.loads((out / "quality.json").read_text())
    return out


@pytest.fixture
def quality(run):
    return json.loads((run / "quality.json").read_text())


def test_comparisons_and_entities(run, quality, linkage):
    pairs = [(c["left"], c["right"]) for c in quality["comparisons"]]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c"), ("c", "c")]
    with (run / "entities.csv").open() as file:
        rows = list(csv.DictReader(file))
    held = Counter((row["entity_guid"], row["dataset"]) for row in rows)
    assert max(n for (_, name), n in held.items() if FREE[name]) == 1
    assert max(n for (_, name), n in held.items() if not FREE[name]) > 1
    entity = {(row["dataset"], row["record_guid"]): row["entity_guid"] for row in rows}
    with (run / "links.csv").open() as file:
        links = list(csv.DictReader(file))
    for row in links:
        ends = [entity[row[f"{side}_dataset"], row[f"{side}_record"]] for side in ("left", "right")]
        assert ends[0] == ends[1]
    # Ordered as the datasets were given.
    assert [row["left_dataset"] for row in links] == sorted(row["left_dataset"] for row in links)
    assert quality["counts"]["links"] == len(links)
    assert quality["counts"]["links"] + quality["counts"]["links_dropped"] == sum(
        c["links"] for c in quality["comparisons"]
    )


def test_rounding_brings_no_probability_below_the_threshold_or_to_one(linkage):
    threshold = 0.1234564
    probability = np.linspace(threshold, 1, len(linkage.links))
    odd = replace(linkage, threshold=threshold, links=replace(linkage.links, probability=probability))
    found = np.sort(np.concatenate([np.asarray(batch["probability"]) for batch in link_batches(odd)]))
    assert (found[0], found[-1]) == (threshold, 0.999999)


def test_twins_agree(run):
    for name in ("links", "entities"):
        table = pq.read_table(run / f"{name}.parquet")
        assert pa.csv.read_csv(run / f"{name}.csv").cast(table.schema).equals(table)


def test_fields_are_in_the_order_of_the_schema(quality, run):
    for dataset in quality["datasets"]:
        assert tuple(dataset["present"]) == FIELDS
    html = (run / "report.html").read_text()
    places = [html.index(f"<td>{name}</td>") for name in FIELDS]
    assert places == sorted(places)


# The page


class Tree(HTMLParser):
    """Checks that tags are closed in order, and gathers headings and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert "svg" in self.open

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.text += " " * (tag == "td")

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)
        self.text += data


def read(html: str) -> Tree:
    tree = Tree()
    tree.feed(html)
    tree.close()
    tree.text = " ".join(tree.text.split())
    assert tree.open == []
    return tree


def test_one_section_a_comparison(run):
    page = read((run / "report.html").read_text())
    assert page.headings == [
        "Linkage run",
        "Datasets",
        "a and b",
        "a and c",
        "b and c",
        "c and itself",
        "Provenance",
    ]
    # Estimates of several comparisons are not one number.
    assert "estimated precision: links that are right" not in page.text


def test_one_comparison_has_its_estimate_on_top(quality):
    quality["comparisons"] = quality["comparisons"][:1]
    quality["datasets"] = quality["datasets"][:2]
    page = read(render_report(quality))
    assert "estimated precision: links that are right" in page.text
    assert "Do not rely on the estimates" not in page.text


def test_entities_by_size(quality):
    quality["counts"] |= {"entities_by_size": {"1": 1200, "2": 1, "3": 4}, "links_dropped": 2}
    page = read(render_report(quality))
    assert "Entities by size: 1 200 of 1 record, 1 of 2 records, 4 of 3 records." in page.text.replace(
        "\u2009", " "
    )
    assert "2 links were dropped" in page.text


def test_doubts_and_capped_keys_are_shown_with_their_comparison(quality):
    quality["comparisons"][1]["doubts"] = ["there is <something> wrong", "and more"]
    quality["comparisons"][1]["keys_capped"] = [{"key": "surname+birth_date", "values": 3, "records": 4321}]
    page = read(render_report(quality))
    assert page.text.count("Do not rely on the estimates:") == 2 + sum(
        len(c["doubts"]) for c in quality["comparisons"] if c is not quality["comparisons"][1]
    )
    assert "there is <something> wrong." in page.text
    assert (
        page.text.index("a and c")
        < page.text.index("there is <something> wrong")
        < page.text.index("b and c")
    )
    assert page.text.index("surname+birth_date 3") < page.text.index("b and c")


def test_a_page_says_how_the_weights_were_learned(quality):
    learned = "from pairs within the datasets, one record a person, which cannot match"
    assert learned in read(render_report(quality)).text
    for comparison in quality["comparisons"]:
        comparison["histogram"]["null"] = [0.0] * len(comparison["histogram"]["null"])
    page = read(render_report(quality)).text
    assert learned not in page
    assert "told matches from other pairs by their evidence alone" in page


@pytest.mark.parametrize("counts", [0, 1, 12, 1_234_567_890])
def test_the_chart_stays_within_its_frame(quality, counts):
    histogram = quality["comparisons"][0]["histogram"]
    histogram["between"] = [counts] * len(histogram["between"])
    for place in (-1e6, 1e6):
        histogram["threshold"] = place
        html = render_report(quality)
        chart = html[html.index("<svg") : html.index("</svg>")]
        width, height = (float(size) for size in re.search(r'viewBox="0 0 (\S+) (\S+)"', chart).groups())
        for name, limit in (("x", width), ("x1", width), ("x2", width), ("y", height), ("height", height)):
            values = [float(value) for value in re.findall(rf' {name}="([^"]+)"', chart)]
            assert values
            assert all(0 <= value <= limit for value in values)
        bars = [float(x) for x in re.findall(r'<rect class="between" x="([^"]+)"', chart)]
        assert all(one < two for one, two in pairwise(bars))
        assert len(bars) == (len(histogram["between"]) if counts else 0)


# Failures


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["write_table", "render_report"])
def test_a_failed_run_leaves_the_earlier_one_whole(linkage, manifests, tmp_path, monkeypatch, where, error):
    out = tmp_path / "run"
    write_run(linkage, manifests, out, seed=0, intake_seconds=0, now=NOW)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(release, where, fail)
    with pytest.raises((PprlError, KeyboardInterrupt)):
        write_run(linkage, manifests, out, seed=1, intake_seconds=0, now=NOW)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    with pytest.raises((PprlError, KeyboardInterrupt)):
        write_run(linkage, manifests, tmp_path / "other", seed=1, intake_seconds=0, now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_time_of_another_zone_is_written_in_utc(linkage, manifests):
    there = NOW.astimezone(timezone(timedelta(hours=5)))
    quality = release.describe(linkage, manifests, seed=0, intake_seconds=0, now=there)
    assert quality["created"] == "2026-07-25T12:00:00Z"
