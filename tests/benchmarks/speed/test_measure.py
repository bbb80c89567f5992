"""The driver's own parts, with this interpreter in the place of contestants."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from benchmarks.environment import ROOT
from benchmarks.machine import load, stamp
from benchmarks.peers.environments import LOCKS, PEERS
from benchmarks.peers.report import Stopwatch, report
from benchmarks.peers.scripts import script
from benchmarks.speed.__main__ import SIZES, sizes_of
from benchmarks.speed.cases import Case, Contestant
from benchmarks.speed.contest import hold
from benchmarks.speed.measure import bound, run, tree_bytes
from pprl.errors import PprlError

_REPORT = """
import json
print("noise")
print(json.dumps({"seconds": {"timed": 0.5}, "cpu_seconds": {}, "versions": {}, "facts": {}}))
"""


def _run(code: str, folder: Path, **more: Any) -> Any:
    options: dict[str, Any] = {"limit_s": 30, "speaks": True} | more
    cores = sorted(os.sched_getaffinity(0))[:1]
    return run(
        [sys.executable, "-c", code], cores=cores, folder=folder, environment=dict(os.environ), **options
    )


def test_the_last_line_is_the_report(tmp_path: Path) -> None:
    done = _run(_REPORT, tmp_path)
    assert done.seconds == {"timed": 0.5}
    assert done.wall_s > 0
    assert len(done.load) == 3


def test_a_command_counts_as_a_whole(tmp_path: Path) -> None:
    done = _run("pass", tmp_path, speaks=False)
    assert done.seconds == {"timed": done.wall_s}
    assert done.cpu_seconds["timed"] > 0


def test_cores_and_threads_are_bound(tmp_path: Path) -> None:
    code = (
        "import json, os; print(json.dumps({'seconds': {'timed': 0}, 'cpu_seconds': {}, 'versions': {}, 'facts': "
        "{'cores': len(os.sched_getaffinity(0)), 'threads': os.environ['OMP_NUM_THREADS']}}))"
    )
    assert _run(code, tmp_path).facts == {"cores": 1, "threads": "1"}


def test_memory_is_that_of_the_process_and_its_children(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', "
        "'import time; held = bytearray(120_000_000); time.sleep(0.4)'])"
    )
    assert _run(code, tmp_path, speaks=False).peak_mb > 120


@pytest.mark.parametrize(
    ("code", "limit_s", "message"),
    [
        ("import sys; sys.exit('no such thing')", 30, "ended with code 1: no such thing"),
        ("import time; time.sleep(30)", 0.2, "took more than 0 s and was ended"),
        ("print('{')", 30, "ended without a report"),
    ],
)
def test_failures_say_why(code: str, limit_s: float, message: str, tmp_path: Path) -> None:
    with pytest.raises(PprlError, match=message):
        _run(code, tmp_path, limit_s=limit_s)


def test_gone_processes_hold_nothing() -> None:
    assert tree_bytes(2**22 + 1) == 0
    assert tree_bytes(os.getpid()) > 1_000_000


def test_command_lines() -> None:
    assert bound(["a", "b"], [0, 2]) == ["taskset", "--cpu-list", "0,2", "a", "b"]
    words = script("speed.contestants.kernel_faiss", {"threads": 1}, python=Path("/peer/python"))
    assert words[0] == "/peer/python"
    assert words[-2] == "benchmarks.speed.contestants.kernel_faiss"
    assert json.loads(words[-1]) == {"threads": 1}


def test_rounds_budget_and_failures(tmp_path: Path) -> None:
    order: list[str] = []

    def contestant(name: str, code: str) -> Contestant:
        def command(number: int) -> list[str]:
            order.append(f"{name}{number}")
            return [sys.executable, "-c", code]

        return Contestant(name, "", command, 1, judge=lambda run: {"seen": run.seconds["timed"]})

    case = Case("kernel", 1, "", [contestant("good", _REPORT), contestant("bad", "raise SystemExit(3)")])
    said: list[str] = []
    good, bad = hold(case, folder=tmp_path, repeats=2, budget_s=60, limit_s=30, say=said.append)
    assert order == ["good0", "bad0", "good1"]
    assert good.as_dict()["seconds"] == {"min": 0.5, "median": 0.5, "max": 0.5, "n": 2}
    assert good.judged == {"seen": 0.5}
    assert "ended with code 3" in bad.as_dict()["failed"]
    assert any("bad: ended with code 3" in line for line in said)

    [once] = hold(
        Case("kernel", 1, "", [contestant("slow", _REPORT)]),
        folder=tmp_path,
        repeats=3,
        budget_s=0,
        limit_s=30,
        say=said.append,
    )
    assert once.as_dict()["seconds"]["n"] == 1


def test_stamp_tells_the_machine() -> None:
    made = stamp(ROOT, now=datetime(2026, 1, 2, tzinfo=UTC))
    assert made["date"] == "2026-01-02T00:00:00+00:00"
    assert made["cores"] == len(os.sched_getaffinity(0))
    assert made["versions"]["numpy"]
    assert set(made) >= {"processor", "memory_gib", "python", "commit", "changed_files"}
    assert len(load()) == 3


def test_sizes() -> None:
    assert sizes_of(()) == SIZES
    assert sizes_of(("link=5,10", "kernel=7")) == SIZES | {"link": (5, 10), "kernel": (7,)}
    for wrong in ("link", "link=", "link=x", "nothing=5", "link=0"):
        with pytest.raises(click.UsageError, match="write CASE=N,N"):
            sizes_of((wrong,))


def test_every_peer_is_locked_with_hashes() -> None:
    for peer in PEERS:
        lock = (LOCKS / f"{peer}.lock").read_text(encoding="utf-8")
        wanted = (LOCKS / f"{peer}.in").read_text(encoding="utf-8")
        for line in wanted.splitlines():
            if line and not line.startswith("#"):
                assert f"{line} \\" in lock
        assert "--hash=sha256:" in lock
        assert "://" not in lock


def test_stopwatch_tells_waiting_from_working(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Stopwatch()
    with watch.part("waiting"):
        time.sleep(0.05)
    with watch.part("working"):
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    watch.add_up("waiting", "working")
    assert watch.seconds["timed"] == watch.seconds["waiting"] + watch.seconds["working"] >= 0.1
    assert watch.cpu_seconds["waiting"] < 0.04 < watch.cpu_seconds["working"]
    report(watch, packages=("numpy",), n=3)
    said = json.loads(capsys.readouterr().out)
    assert said["seconds"] == watch.seconds
    assert said["facts"] == {"n": 3}
    assert said["versions"]["numpy"]
