"""What a run costs that knows an earlier one: ``python -m benchmarks.scaling.refresh A.pprl B.pprl --identity KEY``.

The earlier run has all records but the last of each package, the later one all but as many first ones: so many are new,
and so many are gone. It is done in full and refreshed; both have the same outcome, or the command fails.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.environment import ROOT
from benchmarks.machine import load, stamp
from benchmarks.scaling.measure import Peak
from broker.engines import Engine
from broker.engines.earlier import NearPairs
from broker.engines.local import LocalEngine
from broker.engines.refresh import RefreshEngine
from broker.intake import Register, take_in
from broker.matching.dataset import Dataset
from broker.matching.pipeline import Linkage, link
from broker.matching.plan import Candidates
from pprl.console import note, run
from pprl.package import Identity

_SEARCHES = ("candidates", "strangers")
"""Stages in which the engine finds candidates."""


@click.command()
@click.argument("packages", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--identity", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--changed", default=0.01, show_default=True, help="Share of the records.")
@click.option("--candidates", type=click.Choice(["auto", "all", "keys"]), default="auto", show_default=True)
def refresh(packages: Sequence[Path], identity: Path, changed: float, candidates: Candidates) -> None:
    """Link PACKAGES, then again with some of their records new, in full and refreshed."""
    with tempfile.TemporaryDirectory() as scratch:
        deliveries = take_in(
            packages,
            Identity.load(identity),
            trusted=None,
            register=Register(Path(scratch) / "register.json"),
            now=datetime.now(UTC),
            scratch=Path(scratch),
        )
        sides = [delivery.dataset for delivery in deliveries]
        earlier, now = [], []
        for side in sides:
            n_new = round(changed * len(side))
            earlier.append(side.rows(0, len(side) - n_new))
            now.append(side.rows(n_new, len(side)))
        path = Path(scratch) / "near-pairs.npz"
        with path.open("wb") as file:
            first = _engine(earlier, None)
            link(earlier, candidates=candidates, engine=first)
            first.found.write(file)
        n_bytes = path.stat().st_size
        full, row = _measure("in full", now, LocalEngine(), candidates)
        rows = [row]
        began = time.perf_counter()
        kept = NearPairs.read(path)
        read_s = time.perf_counter() - began
        engine = _engine(now, kept)
        refreshed, row = _measure("refreshed", now, engine, candidates)
        rows.append(row | {"compared": engine.n_compared, "compared_in_full": engine.n_in_full})
    for name in ("left", "right", "probability"):
        if not np.array_equal(getattr(full.links, name), getattr(refreshed.links, name)):
            raise click.ClickException("the outcomes differ")
    result = {
        "machine": stamp(ROOT, now=datetime.now(UTC)),
        "load": load(),
        "records": [len(side) for side in now],
        "file_bytes": n_bytes,
        "read_s": round(read_s, 2),
        "runs": rows,
    }
    click.echo(json.dumps(result, indent=1))


def _engine(sides: Sequence[Dataset], kept: NearPairs | None) -> RefreshEngine:
    marks = {side.name: side.guids.view(np.uint64) for side in sides}
    return RefreshEngine(LocalEngine(), marks, kept, schema=sides[0].schema.fingerprint)


def _measure(
    what: str, sides: Sequence[Dataset], engine: Engine, candidates: Candidates
) -> tuple[Linkage, dict[str, Any]]:
    memory = Peak()
    began, worked = time.perf_counter(), time.process_time()
    linkage = link(sides, candidates=candidates, engine=engine)
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    stages: dict[str, float] = {}
    for comparison in linkage.comparisons:
        for stage, taken in comparison.seconds.items():
            stages[stage] = round(stages.get(stage, 0.0) + taken, 2)
    searching = sum(stages.get(stage, 0.0) for stage in _SEARCHES)
    note(f"{what:10}  {seconds:8.1f} s, of which {searching:.1f} s to find candidates")
    row = {
        "what": what,
        "link_s": round(seconds, 2),
        "processor_s": round(processor, 2),
        "search_s": round(searching, 2),
        "seconds": stages,
        "anonymous_bytes": memory.stop(),
        "links": len(linkage.links),
    }
    return linkage, row


if __name__ == "__main__":
    run(refresh)
