"""Two sets of filters to one-to-one pairs, by anonlink: all pairs, then its greedy solver.

anonlink's compiled code compares in one thread and holds the interpreter lock. Its way to more cores is to split the
pairs into chunks for several processes, as done here.

Timed: candidates, with the start of the processes, their merging, and ``greedy_solve``. Not timed: reading the
filters.
"""

from __future__ import annotations

import csv
import multiprocessing
from pathlib import Path
from typing import Any

import anonlink
import numpy as np
from anonlink.similarities import dice_coefficient_accelerated
from bitarray import bitarray

from benchmarks.speed.contestants.report import Stopwatch, arguments, report, write_pairs

_filters: list[list[Any]] = []


def main(job: dict[str, Any]) -> None:
    """Do the job.

    ``left``, ``right`` (filters), ``left_records``, ``right_records`` (CSV with the ids), ``thresholds``,
    ``processes``, ``pairs`` (file to write). The first threshold is timed; the others are for the score alone.
    """
    _filters.extend(_bitarrays(job[side]) for side in ("left", "right"))
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
    for other in others:
        _write(paths[str(other)], anonlink.solving.greedy_solve(_candidates(other, job["processes"])), ids)
    report(
        watch,
        packages=("anonlink", "bitarray"),
        threshold=threshold,
        n_candidates=len(candidates[0]),
        pairs_at_other_thresholds=paths,
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
    # decreasing similarity, which the solver asks for
    sims, datasets, records = zip(*found, strict=True)
    order = np.argsort(-np.concatenate(sims), kind="stable")
    merged = [np.concatenate([part[side] for part in datasets])[order] for side in (0, 1)]
    rows = [np.concatenate([part[side] for part in records])[order] for side in (0, 1)]
    return (
        _array("d", np.concatenate(sims)[order]),
        tuple(_array("I", m) for m in merged),
        tuple(_array("I", r) for r in rows),
    )


def _of_chunk(given: tuple[Any, float]) -> Any:
    chunk, threshold = given
    parts = [_filters[part["datasetIndex"]][slice(*part["range"])] for part in chunk]
    return anonlink.concurrency.process_chunk(chunk, parts, dice_coefficient_accelerated, threshold)


def _array(code: str, values: Any) -> Any:
    import array

    return array.array(code, values.tobytes())


def _write(path: str, groups: Any, ids: list[list[str]]) -> None:
    pairs = anonlink.solving.pairs_from_groups(groups)
    write_pairs(path, [(ids[0][left], ids[1][right]) for left, right in pairs])


def _ids(path: str) -> list[str]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [row["record_id"] for row in csv.DictReader(file)]


def _bitarrays(path: str) -> list[Any]:
    filters = []
    for row in np.load(path):
        bits = bitarray()
        bits.frombytes(row.tobytes())
        filters.append(bits)
    return filters


if __name__ == "__main__":
    main(arguments())
