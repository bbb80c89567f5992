"""All pairs of filters above a Dice coefficient, by anonlink's own compiled code.

Timed: ``dice_coefficient_accelerated`` on two lists of bitarrays, which ends with its sorting by similarity.
Not timed: reading the files into bitarrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from anonlink.similarities import dice_coefficient_accelerated

from benchmarks.peers.bits import bitarrays
from benchmarks.peers.report import Stopwatch, arguments, report


def main(job: dict[str, Any]) -> None:
    """Do the job: ``left``, ``right``, ``fifths``, ``pairs`` (file to write)."""
    left, right = (bitarrays(job[side]) for side in ("left", "right"))
    dice_coefficient_accelerated((left[:64], right[:64]), job["fifths"] / 5)
    watch = Stopwatch()
    with watch.part("timed"):
        _, (rows, columns) = dice_coefficient_accelerated((left, right), job["fifths"] / 5, k=None)
    np.save(job["pairs"], np.asarray(rows, dtype=np.int64) * len(right) + np.asarray(columns, dtype=np.int64))
    report(watch, packages=("anonlink", "bitarray", "numpy"), n_pairs=len(rows))


if __name__ == "__main__":
    main(arguments())
