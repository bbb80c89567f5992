"""The cases' command lines without peers, and pprl's own contestants on a handful of people."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.environment import ROOT, clean_variables
from benchmarks.peers.scripts import script
from benchmarks.speed import cases, inputs
from benchmarks.speed.cases import CASES
from benchmarks.speed.inputs import Workplace
from benchmarks.speed.measure import Run
from pprl.errors import PprlError


class _Furnished(Workplace):
    """A workplace whose inputs are there."""

    def people(self, n_each: int) -> inputs.People:
        paths = [self.folder / f"{name}.csv" for name in ("a", "b", "a.cleaned", "b.cleaned", "truth")]
        paths[-1].write_text("left_id,right_id\na-1,b-1\na-2,b-2\n", encoding="utf-8")
        return inputs.People(tuple(paths[:2]), tuple(paths[2:4]), paths[4])

    def filters(self, n_each: int) -> tuple[Path, ...]:
        return (self.folder / "a.npy", self.folder / "b.npy")

    def packages(self, n_each: int) -> tuple[Path, ...]:
        return tuple(self.package(n_each, site) for site in (0, 1))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.setattr(cases, "interpreter", lambda peer: Path(f"/{peer}/python"))
    return _Furnished(tmp_path, seed=1)


@pytest.mark.parametrize(
    ("name", "peers"),
    [
        ("kernel", ["anonlink", "faiss", "faiss"]),
        ("encode", ["anonlink"]),
        ("tokenise", ["anonlink", "spindle"]),
        ("link", ["splink", "anonlink"]),
    ],
)
def test_peers_are_run_by_their_own_interpreters(name: str, peers: list[str], place: Workplace) -> None:
    case = CASES[name](place, 1_000)
    first = [contestant.command(0)[0] for contestant in case.contestants]
    assert first[-len(peers) :] == [f"/{peer}/python" for peer in peers]
    assert case.contestants[0].name == "pprl"
    assert all(Path(program).parent == Path(sys.executable).parent for program in first[: -len(peers)])
    for contestant in case.contestants:
        words = contestant.command(1)
        if contestant.speaks:
            module = words[words.index("-m") + 1]
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
            json.loads(words[-1])


def test_each_round_on_spark_has_its_own_folder(place: Workplace) -> None:
    spark = CASES["tokenise"](place, 1_000).contestants[-1]
    assert spark.command(0) != spark.command(1)


def test_a_peer_that_cannot_be_had_is_noted(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    def interpreter(peer: str) -> Path:
        if peer == "splink":
            raise PprlError(".venv-peer-splink cannot be made: ERROR: no network")
        return Path(f"/{peer}/python")

    monkeypatch.setattr(cases, "interpreter", interpreter)
    case = CASES["link"](place, 1_000_000)
    assert [contestant.name for contestant in case.contestants] == ["pprl"]
    assert case.absent["splink"] == ".venv-peer-splink cannot be made: ERROR: no network"
    assert "left out above" in case.absent["anonlink"]


def test_links_are_scored_by_the_truth_at_every_threshold(place: Workplace) -> None:
    case = CASES["link"](place, 1_000)
    [splink] = [contestant for contestant in case.contestants if contestant.name == "splink"]
    head = "left_id,right_id\n"
    (place.folder / "pairs-splink.csv").write_text(head + "a-1,b-1\na-3,b-3\n", encoding="utf-8")
    other = place.folder / "other.csv"
    other.write_text(head + "a-1,b-1\na-2,b-2\n", encoding="utf-8")
    facts = {"threshold": 0.95, "others": {"0.5": str(other)}}
    judged = splink.judge(Run({}, {}, 0, 0, facts=facts))
    assert (judged["precision"], judged["recall"], judged["f1"]) == (0.5, 0.5, 0.5)
    assert judged["f1_otherwise"] == {"0.5": 1.0}
    assert facts == {"threshold": 0.95}


def test_found_pairs_are_held_against_ours(place: Workplace) -> None:
    ours, _, _, anonlink, *_ = CASES["kernel"](place, 1_000).contestants
    np.save(place.folder / "pairs-pprl.npy", np.array([1, 5, 9]))
    np.save(place.folder / "pairs-anonlink.npy", np.array([1, 9, 11, 12]))
    nothing = Run({}, {}, 0, 0)
    assert ours.judge(nothing) == {"pairs": 3, "pairs_of_pprl_not_found": 0, "pairs_not_of_pprl": 0}
    assert anonlink.judge(nothing) == {"pairs": 4, "pairs_of_pprl_not_found": 1, "pairs_not_of_pprl": 2}


def _run(words: list[str]) -> dict[str, Any]:
    variables = clean_variables() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, env=variables, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("search", [{"search": "dice"}, {"search": "nearest", "k": 3}])
def test_our_kernel_finds_what_is_near(search: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    left = rng.integers(0, 256, (9, 128), dtype=np.uint8)
    right = left.copy()
    right[3:, :60] = rng.integers(0, 256, (6, 60), dtype=np.uint8)
    for name, rows in (("left", left), ("right", right)):
        np.save(tmp_path / f"{name}.npy", rows)
    paths = {name: str(tmp_path / f"{name}.npy") for name in ("left", "right", "pairs")}
    said = _run(script("speed.contestants.kernel_pprl", paths | {"fifths": 4, "threads": 1} | search))
    bits = [np.unpackbits(side, axis=1).astype(int) for side in (left, right)]
    dice = 2 * bits[0] @ bits[1].T / (bits[0].sum(axis=1)[:, None] + bits[1].sum(axis=1))
    assert said["facts"]["n_pairs"] >= 3
    assert np.load(tmp_path / "pairs.npy").tolist() == np.flatnonzero(dice >= 0.8).tolist()


def test_our_encoder_gets_the_cleaned_records(tmp_path: Path) -> None:
    place = Workplace(tmp_path, seed=1)
    place.make_keys()
    (tmp_path / "raw.csv").write_text(
        "record_id,given_name,surname,birth_date,street,city,postcode,phone\n"
        "1,ANN,O'HARA,1980-02-03,1 Main Street,SPRINGFIELD,60619,x\n"
        "2,UNKNOWN,Smith,,,,,\n",
        encoding="utf-8",
    )
    place.clean(tmp_path / "raw.csv", tmp_path / "cleaned.csv")
    with (tmp_path / "cleaned.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert rows == [
        ["1", "ann", "ohara", "19800203", "1 main st", "springfield", "60619"],
        ["2", "", "smith", "", "", "", ""],
    ]
    job = {"records": str(tmp_path / "cleaned.csv"), "schema": str(place.filter_schema)}
    said = _run(script("speed.contestants.encode_pprl", job | {"key": str(place.linkage_key)}))
    assert said["facts"] == {"n_records": 2}
    assert said["seconds"]["timed"] > 0
