"""Sets of filters to groups of records, by anonlink, at many thresholds.

Where no person has two records at a site, its greedy solver, with at most one record of each site in a group. Where
some have, its probabilistic greedy solver told so, which compares each site with itself too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anonlink

from benchmarks.peers.anonlink_pairs import at_least, candidates
from benchmarks.peers.bits import bitarrays
from benchmarks.peers.report import Stopwatch, arguments, report


def main(job: dict[str, Any]) -> None:
    """Do the job.

    ``filters`` (of each schema: site to file), ``duplicates`` (whether sites have some), ``thresholds``, ``processes``,
    ``out`` (folder). Seconds are of the first schema and threshold alone; ids of records are their numbers at a site.
    """
    watch = Stopwatch()
    ways: list[dict[str, Any]] = []
    for schema, files in job["filters"].items():
        filters = [bitarrays(path) for path in files.values()]
        within = range(len(filters)) if job["duplicates"] else ()
        first, *_ = job["thresholds"]
        if not ways:
            with watch.part("candidates"):
                near = candidates(filters, first, n_processes=job["processes"], within=within)
            with watch.part("solve"):
                _solve(near, duplicates=job["duplicates"])
        every = candidates(filters, min(job["thresholds"]), n_processes=job["processes"], within=within)
        for threshold in job["thresholds"]:
            groups = _solve(at_least(every, threshold), duplicates=job["duplicates"])
            path = f"{job['out']}/{len(ways)}.csv"
            _write(groups, list(files), path)
            ways.append({"model": schema, "method": "groups", "threshold": threshold, "path": path})
    report(watch, packages=("anonlink", "bitarray"), ways=ways)


def _solve(near: Any, *, duplicates: bool) -> Any:
    if duplicates:
        return anonlink.solving.probabilistic_greedy_solve(near, deduplicated=False)
    return anonlink.solving.greedy_solve(near)


def _write(groups: Any, sites: list[str], path: str) -> None:
    with Path(path).open("w", encoding="utf-8") as file:
        file.write("dataset,row,cluster_id\n")
        for number, group in enumerate(groups):
            file.writelines(f"{sites[dataset]},{row},{number}\n" for dataset, row in group)


if __name__ == "__main__":
    main(arguments())
