"""The demonstration with stand-ins for the commands: what it types, what it makes of the files they leave."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from benchmarks import demo
from benchmarks.datasets import LabelledData
from pprl.errors import PprlError
from pprl.schema import parse_schema


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Commands typed, with stand-ins that link the rows of equal number."""
    source = tmp_path / "source"
    source.mkdir()
    for name in "ab":
        (source / f"{name}.csv").write_text(
            "rec_id,given_name\n" + "".join(f"{name}{n},x\n" for n in range(4))
        )
    (source / "truth.csv").write_text("left_id,right_id\na0,b0\na1,b1\na2,b3\n")
    data = LabelledData("febrl4", source / "a.csv", source / "b.csv", source / "truth.csv", "rec_id")
    monkeypatch.setattr(demo.datasets, "load", lambda name, *, overlap: data)
    monkeypatch.setattr(demo, "FOLDER", tmp_path / "demo")
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    commands = []

    def stand_in(command, *, cwd, env, check):
        words = [Path(command[0]).name, *command[1:]]
        commands.append(words)
        if words[1] == "tokenise":
            _tokenise(cwd, words)
        if words[1] == "link":
            _link(cwd)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(demo.subprocess, "run", stand_in)
    return commands


def _tokenise(folder, words):
    rows = pd.read_csv(folder / words[2])
    table = pd.DataFrame({"record_guid": "guid-" + rows["rec_id"], "local_id": rows["rec_id"]})
    table.to_csv(folder / words[words.index("--ids") + 1], index=False)


def _link(folder):
    run = folder / "run"
    run.mkdir()
    links = ["left_dataset,left_record,right_dataset,right_record,probability"]
    entities = ["entity_guid,dataset,record_guid"]
    for n in range(3):
        links.append(f"clinic,guid-a{n},registry,guid-b{n},0.9")
        entities += [f"E{n},clinic,guid-a{n}", f"E{n},registry,guid-b{n}"]
    entities += ["E3,clinic,guid-a3", "E4,registry,guid-b3"]
    (run / "links.csv").write_text("\n".join(links) + "\n")
    (run / "entities.csv").write_text("\n".join(entities) + "\n")
    estimate = {name: {"value": 0.75, "low": 0.7, "high": 0.8} for name in ("precision", "recall", "f1")}
    (run / "quality.json").write_text(json.dumps({"comparisons": [{"estimate": estimate}]}))


def test_linkage_is_typed_shown_and_scored(typed, tmp_path):
    console = Console(record=True, width=200)
    outcome = demo.link(demo.EXAMPLES[0], console)
    assert [words[:2] for words in typed] == [
        ["pprl", "schema"],
        ["pprl", "keys"],
        ["pprl-broker", "keys"],
        ["pprl", "keys"],
        ["pprl", "tokenise"],
        ["pprl", "keys"],
        ["pprl", "tokenise"],
        ["pprl", "inspect"],
        ["pprl-broker", "link"],
    ]
    links = outcome.score.links
    assert (links.tp, links.fp, links.fn) == (2, 1, 1)
    assert (outcome.n_records, outcome.n_true) == ((4, 4), 3)
    shown = console.export_text()
    assert "$ cd demo/febrl4" in shown
    trust = "--trust clinic.site.pub --trust registry.site.pub"
    assert f"$ pprl-broker link clinic.pprl registry.pprl --identity broker.key {trust} --out run" in shown
    stored = json.loads((tmp_path / "demo/febrl4/score.json").read_text())
    assert stored["links"]["tp"] == 2
    console.print(demo.table([outcome]))
    shown = console.export_text()
    assert "0.6667" in shown
    assert "0.7500" in shown


def test_second_demonstration_begins_anew(typed, tmp_path):
    for _ in range(2):
        demo.link(demo.EXAMPLES[0], Console(quiet=True))
    assert len(typed) == 18


def test_broker_gets_packages_only(typed):
    demo.link(demo.EXAMPLES[0], Console(quiet=True))
    for words in typed:
        if words[0] == "pprl-broker":
            assert not any("csv" in word or "linkage" in word or "truth" in word for word in words)


def test_failing_command_stops_it(typed, monkeypatch):
    monkeypatch.setattr(demo.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    with pytest.raises(PprlError, match="pprl schema ended with code 1"):
        demo.link(demo.EXAMPLES[0], Console(quiet=True))


@pytest.mark.parametrize("example", demo.EXAMPLES, ids=lambda example: example.folder)
def test_schemas_are_good(example):
    schema = parse_schema(example.schema)
    assert schema.field_names == example.fields
    assert tomllib.loads(example.schema)["linkage"]["project"] == example.name
