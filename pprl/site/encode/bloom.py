"""Tokens to Bloom filters by independent keyed hashing.

Each distinct token is hashed once into a packed mask; a value's filter is the OR of its tokens' masks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from pprl.site.encode.qgrams import TokenSets

Words = npt.NDArray[np.uint64]

_MASKS_KEPT = 1 << 17  # bounds the memory for fields of many distinct tokens: 16 MiB of 1,024 bits each


class TokenHasher:
    """Bit masks of the tokens of one key group, kept for the tokens to come.

    Parameters
    ----------
    key : bytes
        32 bytes, the group's token key.
    label : str
        The key group's name; goes before every token, so that equal tokens of two groups differ.
    n_hashes : int
        Bits set per token; two hashes of one token may fall on the same bit.
    n_bits : int
        Length of a filter, a multiple of 64.

    Notes
    -----
    The positions are ``(v * n_bits) >> 32`` for the first ``n_hashes`` little-endian ``uint32`` words v of
    ``HMAC-SHA256(key, label || 00 || token || block)``, block 0, 1, ... one byte: independent hashing, in
    place of double hashing whose regular patterns can be recognised (Kroll and Steinmetzer 2015), with
    Lemire's multiply-shift in place of a modulus. See docs/decisions/0002-independent-hashing.md.
    """

    def __init__(self, key: bytes, *, label: str, n_hashes: int, n_bits: int) -> None:
        self._hmac = HMAC(key, hashes.SHA256())
        self._prefix = label.encode() + b"\x00"
        self._n_hashes, self._n_bits = n_hashes, n_bits
        self._number: dict[str, int] = {}
        self._masks: Words = np.zeros((0, n_bits // 64), dtype=np.uint64)  # row i: the token of number i

    def __repr__(self) -> str:
        return f"TokenHasher({self._n_hashes} hashes, {self._n_bits} bits, key redacted)"

    def positions(self, token: str) -> npt.NDArray[np.int64]:
        """Bit positions of one token, shape (n_hashes,), in the order drawn."""
        stream = b""
        block = 0
        while len(stream) < 4 * self._n_hashes:
            hmac = self._hmac.copy()
            hmac.update(self._prefix + token.encode("utf-8", "surrogatepass") + bytes([block]))
            stream += hmac.finalize()
            block += 1
        words = np.frombuffer(stream, dtype="<u4", count=self._n_hashes).astype(np.uint64)
        return ((words * np.uint64(self._n_bits)) >> np.uint64(32)).astype(np.int64)

    def filters(self, tokens: TokenSets) -> Words:
        """One filter per value.

        Parameters
        ----------
        tokens : TokenSets
            Those of n_values values.

        Returns
        -------
        ndarray of uint64, shape (n_values, n_bits // 64)
            Bit p is bit ``p % 64`` of word ``p // 64``.
        """
        n_values = len(tokens.starts) - 1
        if not n_values:
            return np.zeros((0, self._n_bits // 64), dtype=np.uint64)
        rows = self._rows_of(tokens.texts)
        from pprl.site.encode._kernels import or_rows

        out: Any = np.empty((n_values, self._n_bits // 64), dtype=np.uint64)
        or_rows(rows[tokens.index], tokens.starts, self._masks, out)
        filters: Words = out
        return filters

    def _rows_of(self, texts: list[str]) -> npt.NDArray[np.int64]:
        if len(self._masks) > _MASKS_KEPT:
            self._number, self._masks = {}, self._masks[:0]
        new = [text for text in texts if text not in self._number]
        if new:
            masks = np.zeros((len(new), self._n_bits // 64), dtype=np.uint64)
            for row, text in enumerate(new):
                self._number[text] = len(self._masks) + row
                positions = self.positions(text)
                bits = np.uint64(1) << (positions % 64).astype(np.uint64)
                np.bitwise_or.at(masks[row], positions // 64, bits)
            self._masks = np.concatenate([self._masks, masks])
        return np.fromiter((self._number[text] for text in texts), dtype=np.int64, count=len(texts))
