"""Tiles of left rows: cut, shared out among threads, searched with buffers of one size, handed on in order.

A hit is an ``int64``: row of its tile << 48 | right row << 16 | distance. So a tile's hits are sorted as numbers,
8 bytes each, and spread out into three columns only at the end.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Distances = npt.NDArray[np.uint16]
Hits = npt.NDArray[np.int64]
Part = TypeVar("Part")
Result = TypeVar("Result")

MAX_WORDS = 1023  # a distance is at most 65,535, what 16 bits hold
_MAX_RIGHT = 1 << 32
_TILE_WORDS = 1 << 15  # 256 KiB: a tile stays in the second cache while panels pass by
_TILE_ROWS = 1 << 14  # a row of a tile has 15 bits in a hit
_TILES_PER_THREAD = 8
_MIN_WORK = (
    1 << 22
)  # words compared in a millisecond or two: a tile of less is not worth a thread's attention
_HITS = 1 << 16


def check(left: Words, right: Words, *, n_dimensions: int) -> None:
    """Raise ValueError where two sides are no packed filters of one length."""
    for name, words in (("left", left), ("right", right)):
        if words.dtype != np.uint64 or words.ndim != n_dimensions or not words.flags.c_contiguous:
            order = "" if words.flags.c_contiguous else ", not in C order"
            raise ValueError(
                f"{name} must be a C-ordered uint64 array of {n_dimensions} dimensions, "
                f"is {words.dtype} of shape {words.shape}{order}"
            )
    if left.shape[-1] != right.shape[-1] or not 0 < left.shape[-1] <= MAX_WORDS:
        raise ValueError(
            f"filters must be of one length, 1 to {MAX_WORDS} words, "
            f"are of {left.shape[-1]} and {right.shape[-1]}"
        )
    if n_dimensions == 3 and left.shape[0] != right.shape[0]:
        raise ValueError(f"records differ in their filters: {left.shape[0]} and {right.shape[0]}")
    if right.shape[-2] > _MAX_RIGHT:
        raise ValueError(f"right must have at most {_MAX_RIGHT} rows, has {right.shape[-2]}")


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A read-only view, mapped files included, so that loops are compiled for one kind of array only."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def rows_at_once(n_left: int, n_right: int, n_words: int, n_threads: int | None) -> int:
    """Left rows of a tile: those that fit the cache; fewer where there would be none for some thread."""
    from pprl.similarity._vectors import ROWS

    shared = -(-n_left // (_TILES_PER_THREAD * threads(n_threads)))
    worthwhile = -(-_MIN_WORK // max(n_right * n_words, 1))
    n_rows = max(min(_TILE_WORDS // n_words, _TILE_ROWS, max(shared, worthwhile)), 1)
    return -(-n_rows // ROWS) * ROWS


def cut(first: int, last: int, n_rows: int) -> list[tuple[int, int]]:
    """Tiles of rows ``first`` to ``last`` - 1."""
    return [(row, min(row + n_rows, last)) for row in range(first, last, n_rows)]


def bits_of(words: Words) -> npt.NDArray[np.uint16]:
    """Set bits of each row; a type of 16 bits, which numpy sorts by counting."""
    from pprl.similarity import _kernels

    out = np.empty(len(words), dtype=np.uint16)
    _kernels.count_bits(words, out)
    return out


def packed(words: Words, order: npt.NDArray[np.uint32]) -> Words:
    """Rows as a packed tile, in the order given, or as they are where it is empty."""
    from pprl.similarity import _kernels
    from pprl.similarity._vectors import ROWS

    n_rows, n_words = words.shape
    out = np.empty(-(-n_rows // ROWS) * ROWS * n_words, dtype=np.uint64)
    _kernels.pack_tile(words, frozen(order), 0, n_rows, out, ROWS * n_words, 0)
    return frozen(out)


def threads(n_threads: int | None) -> int:
    """Number of threads to use: all cores by default."""
    return n_threads or os.cpu_count() or 1


def in_order(
    work: Callable[[Part], Result], parts: Sequence[Part], n_threads: int | None
) -> Generator[Result, None, None]:
    """Do parts in threads and yield their results in order, at most twice as many ahead as there are threads."""
    n = min(threads(n_threads), len(parts))
    if n < 2:
        yield from map(work, parts)
        return
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n) as pool:
        try:
            for part in parts:
                pending.append(pool.submit(work, part))
                if len(pending) >= 2 * n:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def searched(
    search: Callable[[int, int, Hits], tuple[int, int, int]], first_panel: int, n_panels: int
) -> Hits:
    """All hits of a tile, ascending; ``search`` goes on from a panel and group until its buffer is full."""
    buffer = np.empty(_HITS, dtype=np.int64)
    found: list[Hits] = []
    panel, group = first_panel, 0
    while panel < n_panels:
        panel, group, n_hits = search(panel, group, buffer)
        if n_hits:
            found.append(buffer[:n_hits].copy())
    hits = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
    hits.sort()
    return hits


def columns(found: list[tuple[int, Hits]]) -> tuple[Rows, Rows, Distances]:
    """Left rows, right rows and distances of tiles' hits; empties the list as it goes, to hold hits once only."""
    total = sum(len(hits) for _, hits in found)
    left, right = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    distances = np.empty(total, dtype=np.uint16)
    end = total
    while found:
        first, hits = found.pop()
        place = slice(end - len(hits), end)
        np.add(hits >> 48, first, out=left[place])
        np.bitwise_and(hits >> 16, _MAX_RIGHT - 1, out=right[place])
        distances[place] = hits & 0xFFFF
        end -= len(hits)
    return left, right, distances
