"""The popcount kernels against their naive twins, on every shape, tile size and number of threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pprl.similarity as similarity
from pprl.similarity import _pairs, _tiles, of_pairs, within, within_weighted

from . import naive

N_ROWS = st.one_of(st.integers(0, 3), st.sampled_from([31, 32, 33, 63, 64, 65, 70]))
N_WORDS = st.integers(1, 20)


def filters(seed: int, *shape: int) -> np.ndarray:
    """Words of which half are near a common one, so that distances of all sizes turn up."""
    random = np.random.default_rng(seed)
    words = random.integers(0, 2**64, shape, dtype=np.uint64)
    sparse = words & random.integers(0, 2**64, shape, dtype=np.uint64) & np.roll(words, 1)
    return np.where(random.random((*shape[:-1], 1)) < 0.5, words, sparse)


def as_pairs(found) -> list[tuple[int, ...]]:
    return [tuple(hit) for hit in np.stack([np.asarray(column, np.int64) for column in found], 1).tolist()]


@settings(max_examples=60)
@given(
    n_left=N_ROWS,
    n_right=st.none() | N_ROWS,
    n_words=N_WORDS,
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
@example(n_left=0, n_right=0, n_words=1, share=0.5, seed=0)
@example(n_left=0, n_right=None, n_words=1, share=0.5, seed=0)
@example(n_left=1, n_right=None, n_words=20, share=1.0, seed=0)
@example(n_left=65, n_right=None, n_words=16, share=1.0, seed=0)
def test_within_equals_its_twin(n_left, n_right, n_words, share, seed):
    left = filters(seed, n_left, n_words)
    right = None if n_right is None else filters(seed + 100, n_right, n_words)
    limit = round(share * 64 * n_words)
    found = within(left, right, max_distance=limit)
    assert [column.dtype for column in found] == [np.int64, np.int64, np.uint16]
    assert as_pairs(found) == naive.within(left, right, limit)


@settings(max_examples=30)
@given(
    n_left=st.integers(1, 6),
    n_right=st.integers(1, 40),
    n_words=N_WORDS,
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_a_pair_exactly_at_the_limit_is_a_hit_and_one_bit_further_is_not(
    n_left, n_right, n_words, seed, data
):
    left, right = filters(seed, n_left, n_words), filters(seed + 100, n_right, n_words)
    i, j = data.draw(st.integers(0, n_left - 1)), data.draw(st.integers(0, n_right - 1))
    bits = naive.distance(left[i], right[j])
    assert (i, j, bits) in as_pairs(within(left, right, max_distance=bits))
    if bits:
        assert (i, j, bits) not in as_pairs(within(left, right, max_distance=bits - 1))


def test_all_bits_set_and_none():
    left, right = np.zeros((2, 3), dtype=np.uint64), np.full((33, 3), 2**64 - 1, dtype=np.uint64)
    assert len(within(left, right, max_distance=191)[0]) == 0
    assert as_pairs(within(left, right, max_distance=192)) == [(i, j, 192) for i in (0, 1) for j in range(33)]
    assert as_pairs(within(left, None, max_distance=0)) == [(0, 1, 0)]


def test_the_longest_filters_fill_sixteen_bits():
    left, right = np.zeros((1, 1023), dtype=np.uint64), np.full((1, 1023), 2**64 - 1, dtype=np.uint64)
    rows = np.zeros(1, dtype=np.int64)
    assert of_pairs(left, right, rows, rows).tolist() == [65472]
    assert as_pairs(within(left, right, max_distance=10**6)) == [(0, 0, 65472)]
    long = np.zeros((1, 1024), dtype=np.uint64)
    with pytest.raises(ValueError, match="1 to 1023 words, are of 1024 and 1024"):
        within(long, long, max_distance=0)


@settings(max_examples=25)
@given(
    itself=st.booleans(),
    seed=st.integers(0, 99),
    rows_per_tile=st.integers(1, 70),
    n_threads=st.sampled_from([1, 2, 3, None]),
    n_hits=st.sampled_from([64, 65, 100, 200]),
    share=st.sampled_from([0.2, 0.5, 1.0]),
)
def test_threads_tiles_and_full_buffers_change_nothing(itself, seed, rows_per_tile, n_threads, n_hits, share):
    left = filters(seed, 67, 3)
    right = None if itself else filters(seed + 100, 45, 3)
    limit = round(share * 192)
    expected = naive.within(left, right, limit)
    done: list[int] = []
    lock = threading.Lock()

    def advance(n_rows: int) -> None:
        with lock:
            done.append(n_rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tiles, "_TILE_ROWS", rows_per_tile)
        patch.setattr(_tiles, "_HITS", n_hits)  # 200: more hits than fit, several times in a tile
        assert (
            as_pairs(within(left, right, max_distance=limit, n_threads=n_threads, advance=advance))
            == expected
        )
    assert sum(done) == 67


def weighted_case(seed, n_filters, n_left, n_right, n_words):
    random = np.random.default_rng(seed)
    left = filters(seed, n_filters, n_left, n_words)
    left_present = random.random((n_filters, n_left)) < 0.8
    if n_right is None:
        right, right_present = None, left_present
    else:
        right = filters(seed + 100, n_filters, n_right, n_words)
        right_present = random.random((n_filters, n_right)) < 0.8
    weights = random.normal(0, 3, (n_filters, 64 * n_words + 1)).astype(np.float32)
    return left, right, left_present, right_present, weights


@settings(max_examples=60)
@given(
    seed=st.integers(0, 99),
    n_filters=st.integers(1, 4),
    n_left=N_ROWS,
    n_right=st.none() | N_ROWS,
    n_words=st.integers(1, 4),
    min_weight=st.sampled_from([-100.0, -2.0, 0.0, 0.1, 3.0, 100.0]),
)
def test_within_weighted_equals_its_twin(seed, n_filters, n_left, n_right, n_words, min_weight):
    left, right, left_present, right_present, weights = weighted_case(
        seed, n_filters, n_left, n_right, n_words
    )
    found = within_weighted(
        left,
        right,
        left_present=left_present,
        right_present=right_present,
        weights=weights,
        min_weight=min_weight,
    )
    assert [column.dtype for column in found] == [np.int64, np.int64]
    assert as_pairs(found) == naive.within_weighted(
        left, right, left_present, right_present, weights, min_weight
    )


@settings(max_examples=25)
@given(
    itself=st.booleans(),
    seed=st.integers(0, 99),
    rows_per_tile=st.integers(1, 70),
    n_threads=st.sampled_from([1, 2, 3]),
    n_hits=st.sampled_from([64, 65, 100, 200]),
)
def test_threads_tiles_and_full_buffers_change_no_weighted_hit(
    itself, seed, rows_per_tile, n_threads, n_hits
):
    left, right, left_present, right_present, weights = weighted_case(seed, 2, 67, None if itself else 45, 2)
    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tiles, "_TILE_ROWS", rows_per_tile)
        patch.setattr(_tiles, "_HITS", n_hits)
        found = within_weighted(
            left,
            right,
            left_present=left_present,
            right_present=right_present,
            weights=weights,
            min_weight=0.0,
            n_threads=n_threads,
            advance=done.append,
        )
    assert as_pairs(found) == naive.within_weighted(left, right, left_present, right_present, weights, 0.0)
    assert sum(done) == 67


def test_a_sum_exactly_at_the_least_weight_is_a_hit_and_missing_filters_add_nothing():
    words = np.zeros((2, 1, 1), dtype=np.uint64)
    weights = np.full((2, 65), 1.5, dtype=np.float32)
    there, away = np.ones((2, 1), dtype=np.bool_), np.array([[True], [False]])

    def hits(left_present, right_present, min_weight):
        found = within_weighted(
            words,
            words,
            left_present=left_present,
            right_present=right_present,
            weights=weights,
            min_weight=min_weight,
        )
        return len(found[0])

    assert hits(there, there, 3.0) == 1
    assert hits(there, there, 3.0001) == 0
    assert hits(there, away, 1.5) == hits(away, there, 1.5) == 1
    assert hits(there, away, 1.6) == hits(away, there, 1.6) == 0
    assert hits(~there, there, 0.0) == 1
    assert hits(~there, there, 0.1) == 0


@settings(max_examples=40)
@given(
    n_left=st.integers(1, 40),
    n_right=st.integers(1, 40),
    n_words=N_WORDS,
    n_pairs=st.integers(0, 50),
    seed=st.integers(0, 99),
    pairs_per_tile=st.sampled_from([1, 7, 1 << 20]),
    n_threads=st.sampled_from([1, 2, 3, None]),
)
def test_of_pairs_equals_its_twin(n_left, n_right, n_words, n_pairs, seed, pairs_per_tile, n_threads):
    left, right = filters(seed, n_left, n_words), filters(seed + 100, n_right, n_words)
    random = np.random.default_rng(seed)
    i, j = random.integers(0, n_left, n_pairs), random.integers(0, n_right, n_pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pairs, "_PAIRS_PER_PART", pairs_per_tile)
        found = of_pairs(left, right, i, j, n_threads=n_threads)
    assert found.dtype == np.uint16
    assert found.tolist() == [naive.distance(left[a], right[b]) for a, b in zip(i, j, strict=True)]


@settings(max_examples=20)
@given(n_rows=st.integers(2, 20), n_words=st.integers(1, 5), seed=st.integers(0, 99))
def test_hamming_distance_is_a_metric(n_rows, n_words, seed):
    words = filters(seed, n_rows, n_words)
    every = np.arange(n_rows)
    i, j, k = (np.ravel(axis) for axis in np.meshgrid(every, every, every))
    there = of_pairs(words, words, i, j).astype(int)
    assert (there == of_pairs(words, words, j, i)).all()
    assert ((there == 0) == [(words[a] == words[b]).all() for a, b in zip(i, j, strict=True)]).all()
    assert (there <= of_pairs(words, words, i, k).astype(int) + of_pairs(words, words, k, j)).all()


def test_what_is_read_only_can_be_compared_and_stays_as_it_is():
    words = filters(0, 40, 2)
    before = words.copy()
    words.flags.writeable = False
    rows = np.arange(40)
    rows.flags.writeable = False
    assert len(within(words, words, max_distance=0)[0]) >= 40
    assert of_pairs(words, words, rows, rows).tolist() == [0] * 40
    assert (words == before).all()


GOOD = np.zeros((5, 2), dtype=np.uint64)


@pytest.mark.parametrize(
    ("left", "right", "arrived"),
    [
        (GOOD.astype(np.int64), GOOD, "left must be .* is int64 of shape (5, 2)"),
        (GOOD, GOOD.astype(np.uint8), "right must be .* is uint8 of shape (5, 2)"),
        (GOOD[0], GOOD, "left must be .* of 2 dimensions, is uint64 of shape (2,)"),
        (GOOD[None], GOOD, "left must be .* is uint64 of shape (1, 5, 2)"),
        (GOOD, np.asfortranarray(GOOD), "right must be .* is uint64 of shape (5, 2), not in C order"),
        (GOOD, np.zeros((5, 3), dtype=np.uint64), "of one length, 1 to 1023 words, are of 2 and 3"),
        (GOOD[:, :0].copy(), GOOD[:, :0].copy(), "of one length, 1 to 1023 words, are of 0 and 0"),
    ],
)
def test_filters_of_another_shape_are_refused(left, right, arrived):
    rows = np.zeros(1, dtype=np.int64)
    arrived = arrived.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=arrived):
        within(left, right, max_distance=3)
    with pytest.raises(ValueError, match=arrived):
        of_pairs(left, right, rows, rows)


def test_a_limit_below_nought_or_between_bits_is_refused():
    with pytest.raises(ValueError, match="max_distance is -1"):
        within(GOOD, None, max_distance=-1)
    with pytest.raises(TypeError, match="float"):
        within(GOOD, None, max_distance=0.5)
    assert len(within(GOOD, None, max_distance=np.int64(0))[0]) == 10


@pytest.mark.parametrize(
    ("left_rows", "right_rows", "arrived"),
    [
        (np.array([0, 5]), np.array([0, 0]), "left_rows must be from 0 to 4, are 0 to 5"),
        (np.array([0, 0]), np.array([-1, 0]), "right_rows must be from 0 to 4, are -1 to 0"),
        (np.array([0]), np.array([0, 0]), r"row numbers differ in shape: \(1,\) and \(2,\)"),
        (np.array([0], np.int32), np.array([0]), r"left_rows must be int64 .* is int32 of shape \(1,\)"),
        (np.array([[0]]), np.array([[0]]), r"left_rows must be .* is int64 of shape \(1, 1\)"),
    ],
)
def test_rows_that_are_not_there_are_refused(left_rows, right_rows, arrived):
    with pytest.raises(ValueError, match=arrived):
        of_pairs(GOOD, GOOD, left_rows, right_rows)


@pytest.mark.parametrize(
    ("changed", "arrived"),
    [
        (
            {"left": np.zeros((2, 5), np.uint64)},
            r"left must be .* of 3 dimensions, is uint64 of shape \(2, 5\)",
        ),
        ({"left": np.zeros((3, 5, 2), np.uint64)}, "records differ in their filters: 3 and 2"),
        ({"right": np.zeros((2, 4, 3), np.uint64)}, "are of 2 and 3"),
        ({"right": np.zeros((2, 4, 2), np.int64)}, "right must be .* is int64"),
        (
            {"left_present": np.ones((5, 2), np.bool_)},
            r"left_present must be bool of shape \(2, 5\), is bool of",
        ),
        ({"left_present": np.ones((2, 5), np.int8)}, r"left_present must be bool .* is int8"),
        ({"right_present": np.ones((2, 5), np.bool_)}, r"right_present must be bool of shape \(2, 4\)"),
        (
            {"weights": np.zeros((2, 128), np.float32)},
            r"weights must be float32 of shape \(2, 129\), is float32 of",
        ),
        ({"weights": np.zeros((2, 129))}, "weights must be float32 .* is float64"),
        ({"weights": np.full((2, 129), -np.inf, np.float32)}, "weights must be finite"),
    ],
)
def test_records_of_another_shape_are_refused(changed, arrived):
    given_ = {
        "left": np.zeros((2, 5, 2), np.uint64),
        "right": np.zeros((2, 4, 2), np.uint64),
        "left_present": np.ones((2, 5), np.bool_),
        "right_present": np.ones((2, 4), np.bool_),
        "weights": np.zeros((2, 129), np.float32),
        **changed,
    }
    with pytest.raises(ValueError, match=arrived):
        within_weighted(given_.pop("left"), given_.pop("right"), min_weight=0.0, **given_)


def test_the_public_face():
    assert similarity.__all__ == [
        "Tile",
        "nearest",
        "of_pairs",
        "within",
        "within_dice",
        "within_tiles",
        "within_weighted",
    ]
