"""A worker is killed at each of its points, one after the other; what it left is then done by another."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import N_ROUNDS
from .service import ROOT, Service, environment
from .town import Asker


@pytest.fixture
def service(place):
    made = Service(place, workers=False)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def worker(place):
    """``worker(n)``: one that dies at its n-th point; gives whether it did, and how many it passed."""
    log_file = (place.folder / "workers.log").open("wb")
    arguments = [place.where, str(place.files or ""), str(place.keys_folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.dying", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log_file,
        cwd=ROOT,
        env=environment(),
        text=True,
    )

    log_file.close()

    def log() -> str:
        return (place.folder / "workers.log").read_text()[-3000:]

    assert process.stdout.readline() == "ready\n", log()

    def run(die_at: int) -> tuple[bool, int]:
        process.stdin.write(f"{die_at}\n")
        process.stdin.flush()
        how, n_points = process.stdout.readline().split()
        assert how in ("killed", "0"), log()
        return how == "killed", int(n_points)

    yield run
    process.communicate(timeout=60)


def jobs(asker: Asker, place, kind: str) -> str:
    if kind == "intake":
        return asker.deliver("a", place.package("a"))
    return {"link": asker.link, "release": asker.release, "withdraw": asker.withdraw}[kind]()


@pytest.mark.parametrize("kind", ["intake", "link", "release", "withdraw"])
def test_killed_at_every_point(kind, place, asker, worker, is_sound):
    for name in "ab":
        asker.deliver(name, place.package(name))
    asker.link()
    asker.release()
    worker(0)
    asker.withdraw()  # so that every later delivery is written anew without it
    worker(0)
    is_sound()
    jobs(asker, place, kind)
    n_points = worker(0)[1]
    assert n_points > 5
    step = max(1, n_points // N_ROUNDS)
    n_killed = 0
    for die_at in range(1, n_points + 1, step):
        job = jobs(asker, place, kind)
        killed, _ = worker(die_at)
        n_killed += killed
        is_sound(quiet=False)
        worker(0)
        told = asker.job(job)
        assert told["state"] == "done", (die_at, told)
        assert told["attempts"] <= 1 + killed
        if kind == "intake":
            assert told["result"]["state"] == "accepted", (die_at, told)
        is_sound()
        if kind in ("release", "withdraw"):
            latest = asker.get("rita", "releases")["items"][-1]
            asker.check_release(latest["id"])
    print(f"{kind}: killed {n_killed} times, at {n_points} points")
    assert n_killed > 0
