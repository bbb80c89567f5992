"""A run's folder: the tables and their twins, the figures, the page, and what must not be in them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.matching.dataset import Dataset
from broker.matching.pipeline import Linkage
from broker.release import describe, write_run
from broker.report import render_report
from broker.tables import entity_batches, link_batches
from pprl.errors import PprlError
from pprl.guid import to_text
from pprl.package import Manifest

from .population import Town
from .tokens import NOW, a_schema, pack

LINKS = "left_dataset,left_record,right_dataset,right_record,probability"
ENTITIES = "entity_guid,dataset,record_guid"
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="session")
def linkage(linked: Callable[[str], Linkage]) -> Linkage:
    return linked("standard")


@pytest.fixture(scope="session")
def manifests(town: Town, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    folder = tmp_path_factory.mktemp("packages")
    return [
        pack(folder / f"{name}.pprl", a_schema(), records)
        for name, records in zip("ab", town.records, strict=True)
    ]


@pytest.fixture(scope="session")
def quality(linkage: Linkage, manifests: list[Manifest]) -> dict[str, Any]:
    return describe(linkage, manifests, seed=7, intake_seconds=1.25, now=NOW)


@pytest.fixture(scope="session")
def run(linkage: Linkage, manifests: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    write_run(linkage, manifests, out, seed=7, intake_seconds=1.25, now=NOW)
    return out


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def texts(dataset: Dataset) -> list[str]:
    return list(to_text(dataset.guids))


def test_the_folder(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        *(f"{table}.{kind}" for table in ("links", "entities") for kind in ("csv", "parquet")),
        "evidence.parquet",
        "quality.json",
        "report.html",
        ".pprl-output",
    }


@pytest.mark.parametrize(("name", "header"), [("links", LINKS), ("entities", ENTITIES)])
def test_csv_and_parquet_agree(run: Path, name: str, header: str) -> None:
    content = (run / f"{name}.csv").read_text(encoding="utf-8")
    assert content.split("\n", 1)[0] == header
    assert '"' not in content
    assert "\r" not in content
    assert content.endswith("\n")
    table = pq.read_table(run / f"{name}.parquet")
    assert table.column_names == header.split(",")
    found = rows(run / f"{name}.csv")
    assert len(found) == table.num_rows > 0
    for one, other in zip(found, table.to_pylist(), strict=True):
        if "probability" in other:
            assert float(one.pop("probability")) == other.pop("probability")
        assert one == other


def test_links_are_the_linkage(run: Path, linkage: Linkage) -> None:
    place = {
        (dataset.name, text): number
        for number, (dataset, text) in enumerate((d, text) for d in linkage.datasets for text in texts(d))
    }
    found = [
        (
            place[row["left_dataset"], row["left_record"]],
            place[row["right_dataset"], row["right_record"]],
            float(row["probability"]),
        )
        for row in rows(run / "links.csv")
    ]
    links = linkage.links
    assert [pair[:2] for pair in found] == sorted(zip(links.left.tolist(), links.right.tolist(), strict=True))
    wanted = dict(
        zip(
            zip(links.left.tolist(), links.right.tolist(), strict=True),
            links.probability.tolist(),
            strict=True,
        )
    )
    for left, right, probability in found:
        assert linkage.threshold <= probability < 1
        assert probability == pytest.approx(wanted[left, right], abs=1.01e-6)


def test_a_certain_link_is_not_called_certain(linkage: Linkage) -> None:
    certain = replace(linkage.links, probability=np.ones(len(linkage.links)))
    (batch,) = link_batches(replace(linkage, links=certain))
    assert set(batch["probability"].to_pylist()) == {0.999999}


def test_every_record_is_in_one_entity(run: Path, linkage: Linkage) -> None:
    found = rows(run / "entities.csv")
    records = [(row["dataset"], row["record_guid"]) for row in found]
    assert len(set(records)) == len(records)
    assert set(records) == {(d.name, text) for d in linkage.datasets for text in texts(d)}
    assert [tuple(row.values()) for row in found] == sorted(tuple(row.values()) for row in found)
    entity = {record: row["entity_guid"] for record, row in zip(records, found, strict=True)}
    assert all(GUID.fullmatch(guid) for guid in entity.values())
    assert not set(entity.values()) & {guid for _, guid in records}
    for row in rows(run / "links.csv"):
        left, right = (entity[row[f"{side}_dataset"], row[f"{side}_record"]] for side in ("left", "right"))
        assert left == right
    # Both sites vouch for one row a person.
    assert max(Counter((row["entity_guid"], row["dataset"]) for row in found).values()) == 1


def test_entity_guids_are_fresh_in_every_run(linkage: Linkage) -> None:
    def table(seed: int) -> pa.Table:
        batches = entity_batches(linkage, random_bytes=np.random.default_rng(seed).bytes)
        return pa.Table.from_batches(batches)

    assert table(1).equals(table(1))
    assert not set(table(1)["entity_guid"].to_pylist()) & set(table(2)["entity_guid"].to_pylist())


def test_quality(run: Path, quality: dict[str, Any], linkage: Linkage, manifests: list[Manifest]) -> None:
    assert json.loads((run / "quality.json").read_text(encoding="utf-8")) == quality
    assert set(quality) == {
        *("version", "program", "created", "project", "epoch", "profile", "schema_sha256"),
        *("seed", "threshold", "unit_of_weights", "counts", "datasets", "comparisons", "seconds"),
    }
    assert (quality["seed"], quality["threshold"]) == (7, 0.5)
    assert (quality["created"], quality["schema_sha256"]) == ("2026-07-25T12:00:00Z", a_schema().fingerprint)
    assert quality["seconds"]["intake"] == 1.25
    counts = quality["counts"]
    assert counts["records"] == sum(len(d) for d in linkage.datasets)
    assert counts["links"] == len(linkage.links)
    sizes = {int(size): n for size, n in counts["entities_by_size"].items()}
    assert sum(sizes.values()) == counts["entities"]
    assert sum(size * n for size, n in sizes.items()) == counts["records"]
    assert sizes[2] == counts["links"]  # two duplicate-free datasets: entities of two are links
    for dataset, manifest in zip(quality["datasets"], manifests, strict=True):
        assert set(dataset) == {
            *("dataset", "site", "records", "linked_records", "duplicate_free", "present"),
            *("sequence", "created", "signer", "payload_sha256"),
        }
        assert dataset["linked_records"] == counts["links"]
        assert dataset["present"] == dict(manifest.field_counts)


def test_quality_of_a_comparison(quality: dict[str, Any], linkage: Linkage) -> None:
    (comparison,) = quality["comparisons"]
    assert set(comparison) == {
        *("left", "right", "pairs", "route", "why", "filter_comparisons", "bucket_recall", "keys_capped"),
        *("candidates", "candidates_by_filter", "candidates_by_key"),
        *("expected_matches", "expected_matches_not_compared", "links", "estimate", "by_threshold", "doubts"),
        "recommended_threshold",
        "strata",
        *("rounds", "converged", "intercept", "weights", "examples", "histogram", "seconds"),
    }
    assert (comparison["left"], comparison["right"]) == ("a", "b")
    assert comparison["pairs"] == len(linkage.datasets[0]) * len(linkage.datasets[1])
    assert comparison["links"] <= comparison["candidates"] <= comparison["pairs"]
    for estimate in [comparison["estimate"], *comparison["by_threshold"]]:
        assert set(estimate) == {"threshold", "links", "precision", "recall", "f1"}
        for name in ("precision", "recall", "f1"):
            value = estimate[name]
            assert 0 <= value["low"] <= value["value"] <= value["high"] <= 1
    histogram = comparison["histogram"]
    assert len(histogram["edges"]) == len(histogram["between"]) + 1 == len(histogram["null"]) + 1
    assert {row["part"] for row in comparison["weights"]}


def test_no_record_is_named_in_figures_or_page(run: Path, linkage: Linkage) -> None:
    for name in ("quality.json", "report.html"):
        content = (run / name).read_text(encoding="utf-8")
        assert not GUID.search(content)
        for dataset in linkage.datasets:
            assert not any(guid.tobytes().hex() in content for guid in dataset.guids)


def test_a_foreign_folder_is_refused(linkage: Linkage, manifests: list[Manifest], tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(PprlError, match="run: exists and is not an output folder"):
        write_run(linkage, manifests, out, seed=0, intake_seconds=0, now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_an_earlier_run_is_replaced_as_a_whole(
    linkage: Linkage, manifests: list[Manifest], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done: list[int] = []
    first = write_run(linkage, manifests, out, seed=0, intake_seconds=0, now=NOW, advance=done.append)
    assert sum(done) == len(linkage.links) + len(linkage.entity)
    links = (out / "links.csv").read_bytes()
    (out / "stray.txt").write_text("left over")
    second = write_run(linkage, manifests, out, seed=0, intake_seconds=0, now=NOW)
    assert first == second
    assert not (out / "stray.txt").exists()
    assert (out / "links.csv").read_bytes() == links
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


class Page(HTMLParser):
    """Tags of a document, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_loads_nothing(run: Path) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", html)
    tags = Page(html).tags
    policies = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not {tag for tag, _ in tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    }
    assert not [name for _, a in tags for name in a if name in {"src", "href"} or name.startswith("on")]


def test_the_page_says_the_figures(run: Path, quality: dict[str, Any]) -> None:
    text = " ".join(Page((run / "report.html").read_text(encoding="utf-8")).text)
    precision = quality["comparisons"][0]["estimate"]["precision"]["value"]
    for figure in (f"{100 * precision:.1f} %", "Hospital A", "Hospital B", a_schema().fingerprint):
        assert figure in text
    assert "undefined" not in text


def test_a_hostile_name_stays_text(quality: dict[str, Any]) -> None:
    hostile = "<script>alert('1')</script>\"><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    plain = Page(render_report(quality))
    changed = json.loads(json.dumps(quality))
    changed["datasets"][0] |= {"site": hostile, "dataset": hostile, "signer": hostile}
    changed["comparisons"][0] |= {"left": hostile, "doubts": []}
    changed |= {"project": hostile}
    html = render_report(changed)
    assert "<script" not in html
    assert "<img" not in html
    page = Page(html)
    assert page.tags == plain.tags
    assert hostile in page.text


def test_doubts_stand_out(quality: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(quality))
    changed["comparisons"][0]["doubts"] = ["too few records"]
    html = render_report(changed)
    assert "too few records" in html
    assert 'class="warn"' in html
