"""Dice coefficients against a twin in fractions, above all exactly at the threshold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pprl.similarity import within_dice

from . import naive
from .cases import N_ROWS, SIZES, as_pairs, filters, sizes

THRESHOLDS = st.one_of(
    st.fractions(0, 1, max_denominator=200).filter(bool),
    st.integers(1, 100).map(lambda hundredths: hundredths / 100),
)


def exactly(threshold: Fraction | float) -> Fraction:
    return threshold if isinstance(threshold, Fraction) else Fraction(str(threshold))


@settings(max_examples=60)
@given(
    n_left=N_ROWS,
    n_right=st.none() | N_ROWS,
    n_words=st.sampled_from([1, 2, 5, 16]),
    min_dice=THRESHOLDS,
    seed=st.integers(0, 99),
)
@example(n_left=0, n_right=0, n_words=1, min_dice=0.5, seed=0)
def test_within_dice_equals_its_twin(n_left, n_right, n_words, min_dice, seed):
    left = filters(seed, n_left, n_words)
    right = None if n_right is None else filters(seed + 100, n_right, n_words)
    found = within_dice(left, right, min_dice=min_dice)
    assert [column.dtype for column in found] == [np.int64, np.int64, np.uint16]
    assert as_pairs(found) == naive.within_dice(left, right, exactly(min_dice))


@settings(max_examples=80)
@given(
    itself=st.booleans(),
    min_dice=st.sampled_from([0.05, 0.3, 0.5, 0.8, Fraction(2, 3), 1]),
    seed=st.integers(0, 99),
    how=SIZES,
    n_threads=st.sampled_from([1, 2, 3, None]),
)
def test_threads_tiles_plans_and_the_order_of_bits_change_nothing(itself, min_dice, seed, how, n_threads):
    random = np.random.default_rng(seed)
    fill = random.random((67, 1))
    left = np.packbits(random.random((67, 192)) < fill, axis=1).view(np.uint64)
    right = None if itself else np.packbits(random.random((45, 192)) < fill[:45], axis=1).view(np.uint64)
    done: list[int] = []
    with sizes(**how):
        found = within_dice(left, right, min_dice=min_dice, n_threads=n_threads, advance=done.append)
    assert as_pairs(found) == naive.within_dice(left, right, exactly(min_dice))
    assert sum(done) == 67


@settings(max_examples=60)
@given(common=st.integers(1, 60), only_left=st.integers(0, 60), only_right=st.integers(0, 60))
def test_a_coefficient_exactly_at_the_threshold_is_a_hit_and_any_higher_threshold_is_not_reached(
    common, only_left, only_right
):
    bits = np.zeros((2, 192), dtype=np.bool_)
    bits[0, : common + only_left] = True
    bits[1, :common] = bits[1, 192 - only_right :] = True
    if not only_right:
        bits[1, common:] = False
    left, right = np.packbits(bits, axis=1).view(np.uint64)[:, None]
    dice = Fraction(2 * common, 2 * common + only_left + only_right)
    assert as_pairs(within_dice(left, right, min_dice=dice)) == [(0, 0, only_left + only_right)]
    if dice < 1:
        assert len(within_dice(left, right, min_dice=dice + Fraction(1, 10**12))[0]) == 0


def test_a_float_is_the_decimal_it_prints_as():
    """0.8 in binary is a little more than four fifths; 0.7 a little less than seven tenths."""
    left, right = np.array([[0b11111]], dtype=np.uint64), np.array([[0b1111_00000_1111]], dtype=np.uint64)
    right[0, 0] = 0b101111  # 4 of 5 bits in common
    assert len(within_dice(left, right, min_dice=0.8)[0]) == 1
    assert len(within_dice(left, right, min_dice=np.float64(0.8))[0]) == 1
    assert len(within_dice(left, right, min_dice=0.8000001)[0]) == 0


def test_a_row_without_bits_is_similar_to_nothing():
    empty, full = np.zeros((2, 2), dtype=np.uint64), np.full((3, 2), 2**64 - 1, dtype=np.uint64)
    for min_dice in (1e-6, 1):
        assert len(within_dice(empty, empty, min_dice=min_dice)[0]) == 0
        assert len(within_dice(empty, None, min_dice=min_dice)[0]) == 0
        assert len(within_dice(empty, full, min_dice=min_dice)[0]) == 0
        assert len(within_dice(full, empty, min_dice=min_dice)[0]) == 0
        assert len(within_dice(full, full, min_dice=min_dice)[0]) == 9


@pytest.mark.parametrize("min_dice", [0, 0.0, -0.1, 1.0001, Fraction(0), Fraction(3, 2)])
def test_a_threshold_out_of_range_is_refused(min_dice):
    with pytest.raises(ValueError, match="it must be above 0 and at most 1"):
        within_dice(np.zeros((1, 1), np.uint64), None, min_dice=min_dice)


def test_no_number_is_no_threshold():
    with pytest.raises(ValueError, match="nan"):
        within_dice(np.zeros((1, 1), np.uint64), None, min_dice=float("nan"))
