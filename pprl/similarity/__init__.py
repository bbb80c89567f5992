"""Distances between packed Bloom filters: one door over compiled loops.

::

    left  uint64[n, words] ──┐   within(…, max_distance)   -> left rows, right rows, distances
                             ├── within_tiles(…)           -> the same, some left rows at a time
    right uint64[m, words] ──┤   within_dice(…, min_dice)  -> left rows, right rows, distances
                             ├── nearest(…, k)             -> left rows, right rows, distances
                             └── of_pairs(…, rows, rows)   -> distances of listed pairs

    [filters, n, words] ─────┬── within_weighted(…, weights, min_weight) -> left rows, right rows
    [filters, m, words] ─────┘

Bit p of a filter is bit ``p % 64`` of word ``p // 64``; a filter of another length than a multiple of 64 bits is
filled up with zeros, which add nothing to a distance. Distances are Hamming distances, whole numbers of bits, so
a threshold is exact. All pairs are compared by popcount; nothing is hashed away, hence no pair is missed. Tiles
of left rows are shared out among threads; results are sorted, the same for any number of threads. Arrays may be
mapped from files, and are read in stretches. How the loops got their shape is told in
docs/decisions/0007-register-blocks.md.
"""

from __future__ import annotations

from pprl.similarity._hamming import Tile, within, within_dice, within_tiles
from pprl.similarity._nearest import nearest
from pprl.similarity._pairs import of_pairs
from pprl.similarity._weighted import within_weighted

__all__ = ["Tile", "nearest", "of_pairs", "within", "within_dice", "within_tiles", "within_weighted"]
