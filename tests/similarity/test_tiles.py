"""Hits a tile at a time: the same as all at once, in order, from any row on, from files, and not too far ahead."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.similarity import Tile, _tiles, within, within_tiles

from . import naive
from .cases import N_ROWS, SIZES, as_pairs, filters, sizes

GOOD = np.zeros((5, 2), dtype=np.uint64)


@settings(max_examples=60)
@given(
    n_left=N_ROWS,
    n_right=st.none() | N_ROWS,
    seed=st.integers(0, 99),
    rows_per_tile=st.integers(1, 80),
    start=st.integers(0, 70),
    n_threads=st.sampled_from([1, 2, 3, None]),
    how=SIZES,
)
def test_tiles_together_are_what_within_finds(n_left, n_right, seed, rows_per_tile, start, n_threads, how):
    left = filters(seed, n_left, 3)
    right = None if n_right is None else filters(seed + 100, n_right, 3)
    start = min(start, n_left)
    done: list[int] = []
    with sizes(**how):
        tiles = list(
            within_tiles(
                left,
                right,
                max_distance=70,
                rows_per_tile=rows_per_tile,
                start=start,
                n_threads=n_threads,
                advance=done.append,
            )
        )
    assert [tile.first_row for tile in tiles] == list(range(start, n_left, rows_per_tile))
    assert [tile.last_row for tile in tiles] == [min(t.first_row + rows_per_tile, n_left) for t in tiles]
    hits = [hit for tile in tiles for hit in as_pairs(tile[2:])]
    assert hits == [hit for hit in naive.within(left, right, 70) if hit[0] >= start]
    for tile in tiles:
        assert ((tile.left_rows >= tile.first_row) & (tile.left_rows < tile.last_row)).all()
        assert [column.dtype for column in tile[2:]] == [np.int64, np.int64, np.uint16]
    assert sum(done) == n_left - start


def test_an_interrupted_search_goes_on_where_it_was():
    left, right = filters(1, 100, 2), filters(2, 50, 2)
    search = within_tiles(left, right, max_distance=50, rows_per_tile=30)
    written = [next(search), next(search)]
    search.close()
    rest = within_tiles(left, right, max_distance=50, rows_per_tile=7, start=written[-1].last_row)
    hits = [hit for tile in [*written, *rest] for hit in as_pairs(tile[2:])]
    assert hits == naive.within(left, right, 50)


def test_sides_may_be_mapped_from_files(tmp_path):
    left, right = filters(1, 60, 2), filters(2, 40, 2)
    for name, words in (("left", left), ("right", right)):
        words.tofile(tmp_path / name)
    mapped = [
        np.memmap(tmp_path / name, np.uint64, "r", shape=words.shape)
        for name, words in (("left", left), ("right", right))
    ]
    tiles = within_tiles(*mapped, max_distance=50, rows_per_tile=25, n_threads=2)
    assert [hit for tile in tiles for hit in as_pairs(tile[2:])] == naive.within(left, right, 50)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_work_is_done_only_a_little_ahead_of_what_is_taken(n_threads):
    done: list[int] = []
    tiles = within_tiles(
        filters(1, 400, 1),
        filters(2, 50, 1),
        max_distance=10,
        rows_per_tile=4,
        n_threads=n_threads,
        advance=done.append,
    )
    assert done == []
    for taken in range(1, 11):
        next(tiles)
        time.sleep(0.002)
        assert len(done) <= taken + 2 * n_threads - 1
    tiles.close()
    ahead = len(done)
    time.sleep(0.01)
    assert len(done) == ahead


def test_a_search_given_up_leaves_no_thread_behind():
    before = threading.active_count()
    tiles = within_tiles(filters(1, 400, 1), None, max_distance=10, rows_per_tile=4, n_threads=3)
    next(tiles)
    tiles.close()
    assert threading.active_count() == before


def test_a_failure_in_a_thread_comes_out():
    def refuse(_: int) -> None:
        raise RuntimeError("told to stop")

    with pytest.raises(RuntimeError, match="told to stop"):
        within(filters(1, 400, 4), filters(2, 9000, 4), max_distance=1, n_threads=2, advance=refuse)


def test_dense_hits_need_the_memory_of_a_tile_not_of_all():
    words = np.zeros((3000, 1), dtype=np.uint64)
    tracemalloc.start()
    try:
        n_hits = 0
        for tile in within_tiles(words, words, max_distance=0, rows_per_tile=20, n_threads=1):
            n_hits += len(tile.left_rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_hits == 9_000_000
    assert peak < 20 * 3000 * 60 + 64 * _tiles._HITS  # 60 bytes a hit, and buffers


def test_tiles_are_named():
    (tile,) = within_tiles(GOOD, None, max_distance=0, rows_per_tile=9)
    assert isinstance(tile, Tile)
    assert (tile.first_row, tile.last_row, len(tile.distances)) == (0, 5, 10)
    assert list(within_tiles(GOOD[:0], GOOD, max_distance=0, rows_per_tile=9)) == []
    assert list(within_tiles(GOOD, GOOD, max_distance=0, rows_per_tile=9, start=5)) == []


@pytest.mark.parametrize(
    ("changed", "arrived"),
    [
        ({"rows_per_tile": 0}, "rows_per_tile is 0; a tile has at least 1 row"),
        ({"start": -1}, "start is -1; left has rows 0 to 5"),
        ({"start": 6}, "start is 6; left has rows 0 to 5"),
        ({"max_distance": -1}, "max_distance is -1"),
        ({"right": GOOD[:, :1].copy()}, "are of 2 and 1"),
    ],
)
def test_what_is_out_of_range_is_refused_before_the_first_tile(changed, arrived):
    arguments = {"left": GOOD, "right": GOOD, "max_distance": 1, "rows_per_tile": 3, **changed}
    with pytest.raises(ValueError, match=arrived):
        within_tiles(arguments.pop("left"), arguments.pop("right"), **arguments)
