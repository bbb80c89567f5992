"""All pairs of filters above a Dice coefficient, by ``pprl.similarity``.

Timed: from two arrays of words to the sorted list of pairs, the layout that the kernel wants included. Not
timed: reading the files, and a first call on 64 rows, which loads the machine code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.speed.contestants.report import Stopwatch, arguments, report
from pprl.similarity import within

Words = npt.NDArray[np.uint64]


def pairs_above(
    left: Words, right: Words, *, fifths: int, n_threads: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs with a Dice coefficient of at least ``fifths`` / 5.

    With a and b bits set and a distance d, Dice is (a + b - d) / (a + b): at least f/5 where
    5 d <= (5 - f) (a + b).
    """
    n_left, n_right = np.bitwise_count(left).sum(axis=1), np.bitwise_count(right).sum(axis=1)
    furthest = (5 - fifths) * (int(n_left.max()) + int(n_right.max())) // 5
    rows, columns, distances = within(left, right, max_distance=furthest, n_threads=n_threads)
    bits = n_left[rows].astype(np.int64) + n_right[columns]
    near = 5 * distances.astype(np.int64) <= (5 - fifths) * bits
    return rows[near], columns[near]


def main(job: dict[str, Any]) -> None:
    """Do the job: ``left``, ``right``, ``fifths``, ``threads``, ``pairs`` (file to write)."""
    left, right = (np.load(job[side]).view(np.uint64) for side in ("left", "right"))
    pairs_above(left[:64], right[:64], fifths=job["fifths"], n_threads=job["threads"])
    watch = Stopwatch()
    with watch.part("timed"):
        rows, columns = pairs_above(left, right, fifths=job["fifths"], n_threads=job["threads"])
    np.save(job["pairs"], rows * len(right) + columns)
    report(watch, packages=("pprl", "numpy", "numba"), n_pairs=len(rows))


if __name__ == "__main__":
    main(arguments())
