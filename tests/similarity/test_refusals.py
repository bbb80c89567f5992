"""What the door lets in: shapes, types and ranges; and what stands on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import pprl.similarity as similarity
from pprl.similarity import (
    _kernels,
    _tiles,
    _vectors,
    nearest,
    of_pairs,
    within,
    within_dice,
    within_tiles,
    within_weighted,
)

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
        within_tiles(left, right, max_distance=3, rows_per_tile=1)
    with pytest.raises(ValueError, match=arrived):
        within_dice(left, right, min_dice=0.5)
    with pytest.raises(ValueError, match=arrived):
        nearest(left, right, k=1)
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
        ({"min_weight": np.nan}, "min_weight is no number"),
        (
            {"left": np.zeros((0, 5, 2), np.uint64), "right": np.zeros((0, 4, 2), np.uint64)},
            "records must have 1 to 1024 filters, have 0",
        ),
    ],
)
def test_records_of_another_shape_are_refused(changed, arrived):
    given_ = {
        "left": np.zeros((2, 5, 2), np.uint64),
        "right": np.zeros((2, 4, 2), np.uint64),
        "left_present": np.ones((2, 5), np.bool_),
        "right_present": np.ones((2, 4), np.bool_),
        "weights": np.zeros((2, 129), np.float32),
        "min_weight": 0.0,
        **changed,
    }
    with pytest.raises(ValueError, match=arrived):
        within_weighted(given_.pop("left"), given_.pop("right"), **given_)


def test_more_right_rows_than_a_hit_can_name_are_refused(monkeypatch):
    monkeypatch.setattr(_tiles, "_MAX_RIGHT", 4)
    assert len(within(GOOD, GOOD[:4], max_distance=0)[0]) == 20
    with pytest.raises(ValueError, match="right must have at most 4 rows, has 5"):
        within(GOOD, None, max_distance=0)


def test_the_public_face():
    assert similarity.__all__ == sorted(similarity.__all__)
    assert similarity.__all__ == [
        "Tile",
        "nearest",
        "of_pairs",
        "within",
        "within_dice",
        "within_tiles",
        "within_weighted",
    ]


def test_the_loops_name_the_vector_loops_they_are_made_of():
    """numba looks at the file of a loop only: one that stays the same would keep machine code of older vectors."""
    text = Path(_vectors.__file__).read_bytes()
    assert hashlib.sha256(text).hexdigest()[:16] == _kernels.VECTORS, (
        "write this into pprl/similarity/_kernels.py"
    )
