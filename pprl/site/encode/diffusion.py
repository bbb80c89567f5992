"""Diffusion: every output bit is the XOR of ``t`` input bits, chosen by a key.

The construction is that of Armknecht, Heng and Schnell, "Strengthening Privacy-Preserving Record Linkage
using Diffusion" (PoPETs 2023). Frequencies of single bits, on which pattern attacks rest, are flattened
towards one half; a normalised Hamming distance d becomes ``(1 - (1 - 2d)**t) / 2`` in expectation.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

Words = npt.NDArray[np.uint64]


class _Stream:
    """Unbiased whole numbers from a ChaCha20 key stream (RFC 8439), nonce and counter zero."""

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor()
        self._words: list[int] = []

    def below(self, n: int) -> int:
        """A number from 0 to n - 1; words at or above the largest multiple of n are passed over."""
        limit = (1 << 32) - (1 << 32) % n
        while True:
            if not self._words:
                block = self._cipher.update(bytes(4096))
                self._words = np.frombuffer(block, dtype="<u4")[::-1].tolist()
            word = self._words.pop()
            if word < limit:
                return word % n

    def shuffled(self, n: int) -> list[int]:
        """The numbers 0 to n - 1 in random order (Fisher and Yates, from the end)."""
        numbers = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            numbers[i], numbers[j] = numbers[j], numbers[i]
        return numbers


def draw_taps(key: bytes, *, n_bits: int, n_taps: int) -> npt.NDArray[np.int64]:
    """Choose the input bits of every output bit.

    A pool holds all positions, shuffled; each output bit takes its ``n_taps`` from the front. Where fewer are
    left, these are taken, and the rest comes from a fresh shuffle, passing over those taken; what remains of
    it is the new pool. So no output bit taps an input bit twice, and every input bit is tapped exactly
    ``n_taps`` times.

    Parameters
    ----------
    key : bytes
        32 bytes.
    n_bits : int
        Length of a filter.
    n_taps : int
        Input bits of each output bit.

    Returns
    -------
    ndarray of int64, shape (n_bits, n_taps)
    """
    stream = _Stream(key)
    taps = np.empty((n_bits, n_taps), dtype=np.int64)
    pool: list[int] = []
    for bit in range(n_bits):
        if len(pool) < n_taps:
            chosen, pool = pool, stream.shuffled(n_bits)
            held = set(chosen)
            rest = [position for position in pool if position not in held]
            chosen = chosen + rest[: n_taps - len(chosen)]
            taken = set(chosen) - held
            pool = [position for position in pool if position not in taken]
        else:
            chosen, pool = pool[:n_taps], pool[n_taps:]
        taps[bit] = chosen
    return taps


class Diffusion:
    """The diffusion of one key: a linear map over GF(2).

    Parameters
    ----------
    key : bytes
        32 bytes.
    n_bits : int
        Length of a filter, a multiple of 64.
    n_taps : int
        Input bits of each output bit.

    Notes
    -----
    The bits of many records are XOR-ed at once, a plane of one bit each: ``n_taps`` operations on 512 records for
    an output bit, after a transposition.
    """

    def __init__(self, key: bytes, *, n_bits: int, n_taps: int) -> None:
        from pprl.site.encode._kernels import plane_of

        taps = draw_taps(key, n_bits=n_bits, n_taps=n_taps)
        self._taps = np.empty_like(taps)
        self._taps[plane_of(np.arange(n_bits), n_words=n_bits // 64)] = plane_of(taps, n_words=n_bits // 64)

    def __repr__(self) -> str:
        return "Diffusion(key redacted)"

    def apply(self, filters: Words) -> None:
        """Diffuse filters in place.

        Parameters
        ----------
        filters : ndarray of uint64, shape (n, words), C order
            As `TokenHasher.add` fills them.
        """
        from pprl.site.encode._kernels import xor_taps

        xor_taps(filters, self._taps)
