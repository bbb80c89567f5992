"""The curve of time and memory, on two small packages."""

from __future__ import annotations

import json
from datetime import timedelta

from click.testing import CliRunner

from benchmarks.scaling import __main__ as scaling

from ..broker.population import Town
from ..broker.tokens import BROKER, a_schema, pack


def test_sizes_are_measured_one_by_one(tmp_path, monkeypatch):
    town = Town(2, n_people=300)
    for name, records in zip("ab", town.records, strict=True):
        pack(tmp_path / f"{name}.pprl", a_schema("tokens"), records, valid_for=timedelta(days=365 * 200))
    BROKER.save(tmp_path / "broker.key")
    monkeypatch.setattr(scaling, "SIZES", (100, 1000, 2000))
    words = [str(tmp_path / "a.pprl"), str(tmp_path / "b.pprl"), "--identity", str(tmp_path / "broker.key")]
    result = CliRunner().invoke(
        scaling.scaling, [*words, "--out", str(tmp_path / "out"), "--all-pairs-up-to", "0"]
    )
    assert result.exit_code == 0, result.output
    runs = json.loads((tmp_path / "out" / "scaling.json").read_text())["runs"]
    assert [run["rows"] for run in runs] == [100, 210]  # the second holds all there are
    assert runs[0]["links"] < runs[1]["links"]
    assert all(run["anonymous_bytes"] > 0 and run["link_s"] > 0 for run in runs)
    assert (tmp_path / "out" / "scaling.png").stat().st_size > 10_000
    assert not list((tmp_path / "out").glob("register*"))
