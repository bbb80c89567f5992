"""All pairs of filters above a Dice coefficient, by ``pprl.similarity``.

``dice``: ``within_dice``. ``nearest``: the ``k`` nearest of each row, then the Dice coefficient of those, to
compare with FAISS's search for the same; a row with more than ``k`` pairs loses some.

Timed: from two arrays of words to the sorted list of pairs, the layouts that the kernel wants included. Not
timed: reading the files, and a first call on 64 rows, which loads the machine code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.report import Stopwatch, arguments, report
from pprl.similarity import nearest, within_dice

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def main(job: dict[str, Any]) -> None:
    """Do the job: ``left``, ``right``, ``fifths``, ``threads``, ``search``, ``k``, ``pairs`` (file to write)."""
    left, right = (np.load(job[side]).view(np.uint64) for side in ("left", "right"))
    k = job["k"] if job["search"] == "nearest" else None
    _pairs_above(left[:64], right[:64], fifths=job["fifths"], k=k, n_threads=job["threads"])
    watch = Stopwatch()
    with watch.part("timed"):
        rows, columns = _pairs_above(left, right, fifths=job["fifths"], k=k, n_threads=job["threads"])
    np.save(job["pairs"], np.sort(rows * len(right) + columns))
    report(watch, packages=("pprl", "numpy", "numba"), n_pairs=len(rows))


def _pairs_above(
    left: Words, right: Words, *, fifths: int, k: int | None, n_threads: int
) -> tuple[Rows, Rows]:
    if k is None:
        rows, columns, _ = within_dice(left, right, min_dice=fifths / 5, n_threads=n_threads)
        return rows, columns
    n_left, n_right = (np.bitwise_count(side).sum(axis=1, dtype=np.int64) for side in (left, right))
    rows, columns, distances = nearest(left, right, k=k, n_threads=n_threads)
    near = 5 * distances.astype(np.int64) <= (5 - fifths) * (n_left[rows] + n_right[columns])
    return rows[near], columns[near]


if __name__ == "__main__":
    main(arguments())
