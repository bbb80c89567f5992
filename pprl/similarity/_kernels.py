"""Compiled loops: no Python objects, no bounds checked, the interpreter lock released.

Every function here works on ``uint64`` words, trusts its callers' shapes, and has a naive twin in the tests.
A *tile* holds left rows, packed by fours once; a *panel* is sixteen right rows, packed when its turn comes and
compared with the whole tile while both are in cache. So the right side is read once for each tile, not for each
left row, and no transposed copy of it is kept. A *hit* is one ``int64``: row of the tile << 48 | right row << 16 |
distance; hits come panel by panel, and their numeric order is that of the results.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pprl.compiled import compiled
from pprl.similarity._vectors import LANES, ROWS, first_bit, may_reach, near, popcount

# numba keeps machine code until this file changes; so this line changes with the file of the vector loops.
VECTORS = "4c04e69896341b3e"
_BLOCK = ROWS * LANES


@compiled
def count_bits(words: Any, out: Any) -> None:
    """Set bits of each row."""
    for row in range(words.shape[0]):
        total = np.uint64(0)
        for w in range(words.shape[1]):
            total += popcount(words[row, w])
        out[row] = total


@compiled
def pack(words: Any, order: Any, begin: int, n_rows: int, lanes: int, out: Any, start: int) -> None:
    """Interleave rows ``order[begin:]``, or ``begin`` and on where no order is given: [words, lanes] of ``out``.

    Lanes beyond ``n_rows`` are filled with zeros.
    """
    for lane in range(lanes):
        if lane < n_rows:
            row = np.int64(order[begin + lane]) if order.shape[0] > 0 else begin + lane
            for w in range(words.shape[1]):
                out[start + w * lanes + lane] = words[row, w]
        else:
            for w in range(words.shape[1]):
                out[start + w * lanes + lane] = 0


@compiled
def pack_tile(words: Any, order: Any, begin: int, n_rows: int, out: Any, stride: int, start: int) -> None:
    """Pack rows by fours: each group as [words, ROWS] at ``start`` and every ``stride`` words after it."""
    for done in range(0, n_rows, ROWS):
        at = start + done // ROWS * stride
        pack(words, order, begin + done, min(ROWS, n_rows - done), ROWS, out, at)


@compiled
def _first_possible(bits: Any, low: int, limits: Any) -> int:
    """First of the ascending ``bits`` that some row of at least ``low`` bits may be near to."""
    begin, end = 0, bits.shape[0]
    while begin < end:
        middle = (begin + end) >> 1
        if low - bits[middle] > limits[min(bits[middle] + low, limits.shape[0] - 1)]:
            begin = middle + 1
        else:
            end = middle
    return begin


@compiled
def _end_of_possible(bits: Any, high: int, limits: Any) -> int:
    """First of the ascending ``bits`` from which on no row of at most ``high`` bits is near."""
    begin, end = 0, bits.shape[0]
    while begin < end:
        middle = (begin + end) >> 1
        if bits[middle] - high > limits[min(bits[middle] + high, limits.shape[0] - 1)]:
            end = middle
        else:
            begin = middle + 1
    return begin


@compiled
def search(
    tile: Any,
    bits: Any,
    ranks: Any,
    right: Any,
    order: Any,
    limits: Any,
    step: int,
    first: int,
    itself: bool,
    panel: int,
    group: int,
    hits: Any,
) -> tuple[int, int, int]:
    """Pairs of a tile and the right side no farther apart than the limit for their numbers of bits.

    The tile is packed in ascending order of its rows' ``bits``; rank r is row ``ranks[r]``. The right side is
    taken in the given ``order``, or as it is where that is empty. ``limits[s]`` is the limit of two rows of s bits
    together, its last entry that of all greater s; it must not grow faster than s. With ``itself`` the right side
    is the left one, the tile begins at its row ``first``, and only later rows count. Starts at ``panel`` and
    ``group``; returns where to go on and the number of hits, short of the last panel where ``hits`` is full.
    """
    n_right, n_words = right.shape
    n_steps = (n_words + step - 1) // step
    last = limits.shape[0] - 1
    words = np.empty(LANES * n_words, np.uint64)
    right_bits = np.empty(LANES, np.int64)
    distances = np.empty(_BLOCK, np.uint16)
    bounds = np.zeros((bits.shape[0] + ROWS - 1) // ROWS * ROWS, np.uint16)
    bounds_for = -1
    n_hits = 0
    while panel * LANES < n_right:
        begin = panel * LANES
        n_lanes = min(LANES, n_right - begin)
        pack(right, order, begin, n_lanes, LANES, words, 0)
        low, high = 64 * n_words, 0
        for lane in range(n_lanes):
            total = np.uint64(0)
            for w in range(n_words):
                total += popcount(words[w * LANES + lane])
            right_bits[lane] = total
            low, high = min(low, right_bits[lane]), max(high, right_bits[lane])
        if bounds_for < 0 or (last > 0 and bounds_for != high):
            for rank in range(bits.shape[0]):
                bounds[rank] = limits[min(bits[rank] + high, last)] + 1
            bounds_for = high
        group = max(group, _first_possible(bits, low, limits) // ROWS)
        end = _end_of_possible(bits, high, limits)
        while group * ROWS < end:
            if n_hits + _BLOCK > hits.shape[0]:
                return panel, group, n_hits
            at = group * ROWS
            mask = near(tile, at * n_words, words, n_words, step, n_steps, bounds, at, distances)
            while mask != 0:
                k = first_bit(mask)
                mask &= mask - 1
                lane, rank, distance = k // ROWS, at + k % ROWS, np.int64(distances[k])
                if lane < n_lanes and distance <= limits[min(bits[rank] + right_bits[lane], last)]:
                    i = np.int64(ranks[rank])
                    j = np.int64(order[begin + lane]) if order.shape[0] > 0 else begin + lane
                    if not itself or j > first + i:
                        hits[n_hits] = i << 48 | j << 16 | distance
                        n_hits += 1
            group += 1
        panel, group = panel + 1, 0
    return panel, 0, n_hits


@compiled
def search_nearest(
    tile: Any,
    n_rows: int,
    right: Any,
    as_it_is: Any,
    limit: int,
    step: int,
    first: int,
    itself: bool,
    heaps: Any,
) -> None:
    """Put the nearest right rows of each row of a tile into its heap, ``heaps[row]``: distance << 32 | right row.

    The heaps come filled with the greatest ``int64``. Their largest entry is first; a row's limit is what beats
    it. Right rows come in ascending order, so among equals the first stays. ``as_it_is`` is an empty order.
    """
    n_right, n_words = right.shape
    n_steps = (n_words + step - 1) // step
    words = np.empty(LANES * n_words, np.uint64)
    distances = np.empty(_BLOCK, np.uint16)
    bounds = np.zeros((n_rows + ROWS - 1) // ROWS * ROWS, np.uint16)
    bounds[:n_rows] = limit + 1
    for begin in range(0, n_right, LANES):
        n_lanes = min(LANES, n_right - begin)
        pack(right, as_it_is, begin, n_lanes, LANES, words, 0)
        for at in range(0, n_rows, ROWS):
            mask = near(tile, at * n_words, words, n_words, step, n_steps, bounds, at, distances)
            while mask != 0:
                k = first_bit(mask)
                mask &= mask - 1
                i, j, distance = at + k % ROWS, begin + k // ROWS, np.int64(distances[k])
                if j < n_right and distance < bounds[i] and not (itself and j == first + i):
                    _replace_largest(heaps[i], distance << 32 | j)
                    bounds[i] = min(limit + 1, heaps[i, 0] >> 32)


@compiled
def _replace_largest(heap: Any, entry: int) -> None:
    """Put a smaller entry in the place of the first and let it sink."""
    place, size = 0, heap.shape[0]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= entry:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = entry


@compiled
def search_weighted(
    left: Any,
    left_there: Any,
    first: int,
    n_rows: int,
    tile: Any,
    tile_there: Any,
    right: Any,
    right_there: Any,
    as_it_is: Any,
    turns: Any,
    bases: Any,
    cuts: Any,
    gains: Any,
    needed: Any,
    weights: Any,
    min_weight: float,
    itself: bool,
    panel: int,
    group: int,
    hits: Any,
) -> tuple[int, int, int]:
    """As `search`, for records of several filters whose looked-up weights reach ``min_weight``; distances are 0.

    Blocks are screened by `may_reach`, filters in the order of ``turns``; each pair left over is weighed exactly,
    its filters in their own order. ``tile``, [groups, filters, words, ROWS] with its filters in the order of
    ``turns``, holds ``n_rows`` of the left rows from ``first`` on; ``tile_there`` is [groups, filters].
    """
    n_filters, n_right, n_words = right.shape
    n_cuts = cuts.shape[0] // n_filters
    words = np.empty(n_filters * n_words * LANES, np.uint64)
    panel_there = np.zeros(n_filters * LANES, np.int64)
    n_hits = 0
    while panel * LANES < n_right:
        begin = panel * LANES
        n_lanes = min(LANES, n_right - begin)
        for turn in range(n_filters):
            f = turns[turn]
            pack(right[f], as_it_is, begin, n_lanes, LANES, words, turn * n_words * LANES)
            for lane in range(n_lanes):
                panel_there[turn * LANES + lane] = -1 if right_there[f, begin + lane] else 0
        while group * ROWS < n_rows:
            if n_hits + _BLOCK > hits.shape[0]:
                return panel, group, n_hits
            at = group * n_filters
            mask = may_reach(
                tile,
                at * ROWS * n_words,
                words,
                n_filters,
                n_words,
                tile_there,
                at,
                panel_there,
                bases,
                cuts,
                gains,
                n_cuts,
                needed,
            )
            while mask != 0:
                k = first_bit(mask)
                mask &= mask - 1
                i, j = group * ROWS + k % ROWS, begin + k // ROWS
                if i < n_rows and j < n_right and (not itself or j > first + i):
                    total = np.float32(0)
                    for f in range(n_filters):
                        if left_there[f, first + i] and right_there[f, j]:
                            total += weights[f, _distance(left[f], first + i, right[f], j)]
                    if total >= min_weight:
                        hits[n_hits] = i << 48 | j << 16
                        n_hits += 1
            group += 1
        panel, group = panel + 1, 0
    return panel, 0, n_hits


@compiled
def _distance(left: Any, i: int, right: Any, j: int) -> Any:
    total = np.uint64(0)
    for w in range(left.shape[1]):
        total += popcount(left[i, w] ^ right[j, w])
    return total


@compiled
def pair_distances(left: Any, right: Any, left_rows: Any, right_rows: Any, out: Any) -> None:
    """Distances of listed pairs into ``out``."""
    for p in range(left_rows.shape[0]):
        out[p] = _distance(left, left_rows[p], right, right_rows[p])
