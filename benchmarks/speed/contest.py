"""Rounds of runs: every contestant once a round, so that what else the machine does meets all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environment import ROOT, clean_variables
from benchmarks.speed.cases import Case, Contestant
from benchmarks.speed.measure import Run, run
from pprl.errors import PprlError

Say = Callable[[str], None]


@dataclass(slots=True)
class Entry:
    """The runs of one contestant.

    Attributes
    ----------
    contestant : Contestant
    runs : list of Run
    judged : dict
        Figures of the first run's result.
    failed : str
        Why it was given up; empty where it was not.
    """

    contestant: Contestant
    runs: list[Run] = field(default_factory=list)
    judged: dict[str, Any] = field(default_factory=dict)
    failed: str = ""

    @property
    def seconds(self) -> list[float]:
        """The timed seconds of each run."""
        return [one.seconds["timed"] for one in self.runs]

    @property
    def cpu_seconds(self) -> list[float]:
        """The processor seconds of what was timed in each run; empty where they cannot be told."""
        return [one.cpu_seconds["timed"] for one in self.runs if "timed" in one.cpu_seconds]

    def as_dict(self) -> dict[str, Any]:
        """Return what goes into the JSON file."""
        contestant = self.contestant
        document: dict[str, Any] = {
            "contestant": contestant.name,
            "timed": contestant.what,
            "cores": contestant.n_cores,
        }
        if self.failed:
            document["failed"] = self.failed
        if self.runs:
            document |= {
                "seconds": _spread(self.seconds),
                "cpu_seconds": _spread(self.cpu_seconds) if self.cpu_seconds else None,
                "parts": {name: _spread(values) for name, values in self._parts().items()},
                "wall_s": _spread([one.wall_s for one in self.runs]),
                "peak_mb": _spread([one.peak_mb for one in self.runs]),
                "result": self.judged,
                "facts": self.runs[0].facts,
                "versions": self.runs[0].versions,
                "runs": [{"seconds": one.seconds["timed"], "load": one.load} for one in self.runs],
            }
        return document

    def _parts(self) -> dict[str, list[float]]:
        """Seconds by part, for some of which only the first round may tell."""
        parts: dict[str, list[float]] = {}
        for one in self.runs:
            for name, seconds in one.seconds.items():
                parts.setdefault(name, []).append(seconds)
        return parts


def hold(case: Case, *, folder: Path, repeats: int, budget_s: float, limit_s: float, say: Say) -> list[Entry]:
    """Run every contestant of a case.

    Parameters
    ----------
    case : Case
        Who takes part.
    folder : Path
        Where they run.
    repeats : int
        Rounds.
    budget_s : float
        A contestant whose runs took longer than this in all is not run again.
    limit_s : float
        A run is ended after this time, and its contestant given up.
    say : callable
        Told of every run.
    """
    cores = sorted(os.sched_getaffinity(0))
    environment = clean_variables() | {"PYTHONPATH": str(ROOT)}
    entries = [Entry(contestant) for contestant in case.contestants]
    for number in range(repeats):
        for entry in entries:
            contestant = entry.contestant
            if entry.failed or (number and sum(one.wall_s for one in entry.runs) > budget_s):
                continue
            try:
                if contestant.n_cores > len(cores):
                    raise PprlError(f"wants {contestant.n_cores} cores, of which there are {len(cores)}")
                done = run(
                    contestant.command(number),
                    cores=cores[-contestant.n_cores :],
                    folder=folder,
                    environment=environment,
                    limit_s=limit_s,
                    speaks=contestant.speaks,
                )
                if not number:
                    entry.judged = contestant.judge(done)
            except PprlError as error:
                entry.failed = str(error)
                say(f"{case.name} {case.size:,}: {contestant.name}: {error}")
                continue
            entry.runs.append(done)
            say(f"{case.name} {case.size:,}: {contestant.name}: {done.seconds['timed']:.3f} s")
    return entries


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "min": round(min(values), 4),
        "median": round(median(values), 4),
        "max": round(max(values), 4),
        "n": len(values),
    }
