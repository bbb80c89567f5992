"""What diffusion does to single bits, to fill and to distances (figures of Armknecht, Heng and Schnell 2023)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.site.encode.diffusion import Diffusion, draw_taps

KEY = bytes(range(32))
N_BITS = 1024
DIFFUSE = Diffusion(KEY, n_bits=512, n_taps=8)
SD = 0.5 / math.sqrt(N_BITS)  # of one normalised distance or fill, at most


def packed(bits):
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def diffused(diffusion, filters):
    filters = filters.copy()
    diffusion.apply(filters)
    return filters


def share_set(words):
    return np.bitwise_count(words).sum(axis=1) / (64 * words.shape[1])


def mapped(share, n_taps):
    """The published map, which draws taps with replacement."""
    return (1 - (1 - 2 * share) ** n_taps) / 2


def exact(n_set, n_taps):
    """Chance that an odd number of ``n_taps`` distinct bits fall on ``n_set`` bits: the map without replacement."""
    ways = sum(math.comb(n_set, k) * math.comb(N_BITS - n_set, n_taps - k) for k in range(1, n_taps + 1, 2))
    return ways / math.comb(N_BITS, n_taps)


def with_bits(n_rows, n_set, *, seed):
    """Rows of exactly ``n_set`` bits."""
    bits = np.zeros((n_rows, N_BITS), dtype=np.uint8)
    bits[:, :n_set] = 1
    return packed(np.random.default_rng(seed).permuted(bits, axis=1))


@pytest.mark.parametrize("n_taps", [1, 2, 5, 8, 10])
@pytest.mark.parametrize("n_apart", [10, 51, 102, 205])
def test_distances_follow_the_map(n_taps, n_apart):
    n_pairs = 400
    left = with_bits(n_pairs, 200, seed=1)
    right = left ^ with_bits(n_pairs, n_apart, seed=2)
    diffuse = Diffusion(KEY, n_bits=N_BITS, n_taps=n_taps)
    distances = share_set(diffused(diffuse, left) ^ diffused(diffuse, right))
    assert abs(distances.mean() - exact(n_apart, n_taps)) < 3 * SD / math.sqrt(n_pairs)
    assert abs(distances.mean() - mapped(n_apart / N_BITS, n_taps)) < 3 * SD / math.sqrt(n_pairs) + 0.002
    assert distances.std() < 1.2 * SD


@pytest.mark.parametrize("n_taps", [1, 2, 5, 8, 10])
@pytest.mark.parametrize("fill", [0.05, 0.15, 0.21, 0.3])
def test_fill_follows_the_map_and_hides_the_length_of_values(n_taps, fill):
    n_rows = 400
    out = diffused(
        Diffusion(KEY, n_bits=N_BITS, n_taps=n_taps), with_bits(n_rows, round(fill * N_BITS), seed=3)
    )
    assert abs(share_set(out).mean() - mapped(fill, n_taps)) < 3 * SD / math.sqrt(n_rows) + 0.002


@settings(max_examples=50)
@given(
    key=st.binary(min_size=32, max_size=32),
    n_words=st.integers(2, 8),
    n_taps=st.integers(1, 32),
)
def test_every_input_bit_is_tapped_equally_often_and_none_twice_by_an_output_bit(key, n_words, n_taps):
    n_bits = 64 * n_words
    taps = draw_taps(key, n_bits=n_bits, n_taps=n_taps)
    assert taps.shape == (n_bits, n_taps)
    assert (np.bincount(taps.ravel(), minlength=n_bits) == n_taps).all()
    assert all(len(set(chosen)) == n_taps for chosen in taps.tolist())
    # At any point on the way, give or take one.
    some = np.bincount(taps[: n_bits // 3].ravel(), minlength=n_bits)
    assert some.max() - some.min() <= 1


@given(st.lists(st.binary(min_size=64, max_size=64), min_size=2, max_size=2))
def test_diffusion_is_linear(rows):
    one, two = (np.frombuffer(row, dtype=np.uint64).reshape(1, 8) for row in rows)
    assert (diffused(DIFFUSE, one) ^ diffused(DIFFUSE, two) == diffused(DIFFUSE, one ^ two)).all()


def test_one_tap_is_a_permutation():
    filters = with_bits(50, 200, seed=4)
    out = diffused(Diffusion(KEY, n_bits=N_BITS, n_taps=1), filters)
    assert (share_set(out) == share_set(filters)).all()
    assert not (out == filters).all()


def test_no_bit_gives_no_bit():
    out = diffused(Diffusion(KEY, n_bits=128, n_taps=8), np.zeros((3, 2), dtype=np.uint64))
    assert out.tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("n_rows", [1, 63, 64, 65, 511, 512, 513, 1200])
@pytest.mark.parametrize(("n_bits", "n_taps"), [(128, 1), (192, 7), (1024, 8)])
def test_every_output_bit_is_the_xor_of_its_taps(n_rows, n_bits, n_taps):
    words = np.random.default_rng(n_rows).integers(0, 2**64, (n_rows, n_bits // 64), np.uint64)
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    taps = draw_taps(KEY, n_bits=n_bits, n_taps=n_taps)
    expected = packed(np.ascontiguousarray(np.bitwise_xor.reduce(bits[:, taps], axis=2)))
    assert (diffused(Diffusion(KEY, n_bits=n_bits, n_taps=n_taps), words) == expected).all()


def test_no_rows():
    assert diffused(Diffusion(KEY, n_bits=128, n_taps=8), np.zeros((0, 2), dtype=np.uint64)).shape == (0, 2)


def test_another_key_gives_other_taps():
    other = draw_taps(bytes(32), n_bits=N_BITS, n_taps=8)
    assert (draw_taps(KEY, n_bits=N_BITS, n_taps=8) == other).mean() < 0.01
