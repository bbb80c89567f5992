"""All pairs of filters above a Dice coefficient, by FAISS's exact binary index.

FAISS knows Hamming distances, one limit for all rows. ``range``: everything within the distance that the
fullest two filters may have, then the Dice coefficient of what was found. ``knn``: the ``k`` nearest of each
row, then the same; a row with more than ``k`` pairs loses some.

Timed: filling the index, the search, the Dice coefficients. Not timed: reading the files, a first search of 64
rows.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from benchmarks.peers.report import Stopwatch, arguments, report

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


def main(job: dict[str, Any]) -> None:
    """Do the job: ``left``, ``right``, ``fifths``, ``threads``, ``search``, ``k``, ``pairs`` (file to write)."""
    left, right = (np.ascontiguousarray(np.load(job[side])) for side in ("left", "right"))
    faiss.omp_set_num_threads(job["threads"])
    k = job["k"] if job["search"] == "knn" else None
    _pairs_above(left[:64], right[:64], fifths=job["fifths"], k=k)
    watch = Stopwatch()
    with watch.part("timed"):
        rows, columns = _pairs_above(left, right, fifths=job["fifths"], k=k)
    np.save(job["pairs"], np.sort(rows * len(right) + columns))
    report(
        watch,
        packages=("faiss-cpu", "numpy"),
        n_pairs=len(rows),
        compiled_for=faiss.get_compile_options().strip(),
    )


def _pairs_above(left: Bytes, right: Bytes, *, fifths: int, k: int | None) -> tuple[Rows, Rows]:
    index = faiss.IndexBinaryFlat(8 * left.shape[1])
    index.add(right)
    n_left, n_right = (np.bitwise_count(side).sum(axis=1, dtype=np.int64) for side in (left, right))
    if k is None:
        furthest = (5 - fifths) * (int(n_left.max()) + int(n_right.max())) // 5
        starts, distances, columns = index.range_search(left, furthest + 1)  # nearer than this
        rows = np.repeat(np.arange(len(left)), np.diff(starts.astype(np.int64)))
    else:
        k = min(k, len(right))
        found = index.search(left, k)
        distances, columns = found[0].ravel(), found[1].ravel()
        rows = np.repeat(np.arange(len(left)), k)
    near = 5 * distances.astype(np.int64) <= (5 - fifths) * (n_left[rows] + n_right[columns])
    return rows[near], columns[near].astype(np.int64)


if __name__ == "__main__":
    main(arguments())
