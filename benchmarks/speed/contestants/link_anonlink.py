"""Two sets of filters to one-to-one pairs, by anonlink: all pairs, then its greedy solver.

anonlink's compiled code compares in one thread and holds the interpreter lock. Its way to more cores is to split the
pairs into chunks for several processes, as done here.

Timed: candidates, with the start of the processes, their merging, and ``greedy_solve``. Not timed: reading the
filters.
"""

from __future__ import annotations

import csv
import multiprocessing
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anonlink
import numpy as np
from anonlink.similarities import dice_coefficient_accelerated

from benchmarks.peers.bits import bitarrays
from benchmarks.peers.report import Stopwatch, arguments, report, write_pairs

_filters: list[list[Any]] = []


def main(job: dict[str, Any]) -> None:
    """Do the job.

    ``left``, ``right`` (filters), ``left_records``, ``right_records`` (CSV with the ids), ``thresholds``,
    ``processes``, ``pairs`` (file to write). The first threshold is timed; the others are for the score alone.
    """
    _filters.extend(bitarrays(job[side]) for side in ("left", "right"))
    ids = [_ids(job[f"{side}_records"]) for side in ("left", "right")]
    threshold, *others = job["thresholds"]
    watch = Stopwatch()
    with watch.part("candidates"):
        candidates = _candidates(threshold, job["processes"])
    with watch.part("solve"):
        groups = anonlink.solving.greedy_solve(candidates)
    watch.add_up("candidates", "solve")
    _write(job["pairs"], groups, ids)
    paths = {str(other): f"{job['pairs']}.{other}.csv" for other in others}
    sims, datasets, records = _candidates(min(others), job["processes"]) if others else candidates
    for other in others:
        n_near = int(np.count_nonzero(np.asarray(sims) >= other))  # they come in decreasing order
        near = (sims[:n_near], tuple(d[:n_near] for d in datasets), tuple(r[:n_near] for r in records))
        _write(paths[str(other)], anonlink.solving.greedy_solve(near), ids)
    report(
        watch,
        packages=("anonlink", "bitarray"),
        threshold=threshold,
        n_candidates=len(candidates[0]),
        others=paths,
    )


def _candidates(threshold: float, n_processes: int) -> Any:
    sizes = [len(side) for side in _filters]
    pairs_each = sizes[0] * sizes[1] / n_processes
    chunks = [
        (chunk, threshold) for chunk in anonlink.concurrency.split_to_chunks(pairs_each, dataset_sizes=sizes)
    ]
    with multiprocessing.get_context("fork").Pool(n_processes) as pool:
        found = pool.map(_of_chunk, chunks, chunksize=1)
    if len(found) == 1:
        return found[0]
    sims, datasets, records = zip(*found, strict=True)
    order = np.argsort(-np.concatenate(sims), kind="stable")  # decreasing, as the solver asks for

    def merged(code: str, parts: Sequence[Any]) -> Any:
        return array(code, np.concatenate(parts)[order].tobytes())

    sides = [
        tuple(merged("I", [part[side] for part in parts]) for side in (0, 1)) for parts in (datasets, records)
    ]
    return merged("d", sims), *sides


def _of_chunk(given: tuple[Any, float]) -> Any:
    chunk, threshold = given
    parts = [_filters[part["datasetIndex"]][slice(*part["range"])] for part in chunk]
    return anonlink.concurrency.process_chunk(chunk, parts, dice_coefficient_accelerated, threshold)


def _write(path: str, groups: Any, ids: list[list[str]]) -> None:
    pairs = anonlink.solving.pairs_from_groups(groups)
    write_pairs(path, [(ids[0][left], ids[1][right]) for left, right in pairs])


def _ids(path: str) -> list[str]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [row["record_id"] for row in csv.DictReader(file)]


if __name__ == "__main__":
    main(arguments())
