"""Two sets of filters to one-to-one pairs, by anonlink: all pairs, then its greedy solver.

Timed: candidates, with the start of the processes, their merging, and ``greedy_solve``. Not timed: reading the
filters.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import anonlink

from benchmarks.peers.anonlink_pairs import at_least, candidates
from benchmarks.peers.bits import bitarrays
from benchmarks.peers.report import Stopwatch, arguments, report, write_pairs


def main(job: dict[str, Any]) -> None:
    """Do the job.

    ``left``, ``right`` (filters), ``left_records``, ``right_records`` (CSV with the ids), ``thresholds``,
    ``processes``, ``pairs`` (file to write). The first threshold is timed; the others are for the score alone.
    """
    filters = [bitarrays(job[side]) for side in ("left", "right")]
    ids = [_ids(job[f"{side}_records"]) for side in ("left", "right")]
    threshold, *others = job["thresholds"]
    watch = Stopwatch()
    with watch.part("candidates"):
        found = candidates(filters, threshold, n_processes=job["processes"])
    with watch.part("solve"):
        groups = anonlink.solving.greedy_solve(found)
    watch.add_up("candidates", "solve")
    _write(job["pairs"], groups, ids)
    paths = {str(other): f"{job['pairs']}.{other}.csv" for other in others}
    more = candidates(filters, min(others), n_processes=job["processes"]) if others else found
    for other in others:
        _write(paths[str(other)], anonlink.solving.greedy_solve(at_least(more, other)), ids)
    report(
        watch,
        packages=("anonlink", "bitarray"),
        threshold=threshold,
        n_candidates=len(found[0]),
        others=paths,
    )


def _write(path: str, groups: Any, ids: list[list[str]]) -> None:
    pairs = anonlink.solving.pairs_from_groups(groups)
    write_pairs(path, [(ids[0][left], ids[1][right]) for left, right in pairs])


def _ids(path: str) -> list[str]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [row["record_id"] for row in csv.DictReader(file)]


if __name__ == "__main__":
    main(arguments())
