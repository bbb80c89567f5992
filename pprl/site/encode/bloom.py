"""Values to Bloom filters: their tokens, each hashed once by independent keyed hashing into a packed mask.

A value's filter is the OR of its tokens' masks. A bigram or a character with its place is a number in the loops
(two code points, or a place and a code point, in 64 bits); its text, which is what is hashed, is made where it is
met for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from pprl.schema import Tokens
from pprl.site.text_arrays import text_arrays

Words = npt.NDArray[np.uint64]

_MASKS_KEPT = 1 << 17  # bounds the memory for fields of many distinct tokens: 16 MiB of 1,024 bits each
_NEW_AT_ONCE = 1 << 12
_WORDS_PER_HASH = 8
_POINT_BITS = 21  # a code point needs 21 bits


class TokenHasher:
    """Filters of the values of one key group, the masks of its tokens kept for the values to come.

    Parameters
    ----------
    key : bytes
        32 bytes, the group's token key.
    label : str
        The key group's name; goes before every token, so that equal tokens of two groups differ.
    tokens : Tokens
        How values are cut. For positions, a blank holds its place but gives no token.
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

    def __init__(self, key: bytes, *, label: str, tokens: Tokens, n_hashes: int, n_bits: int) -> None:
        self._hmac = HMAC(key, hashes.SHA256())
        self._prefix = label.encode() + b"\x00"
        self._blocks = [bytes([block]) for block in range(-(-n_hashes // _WORDS_PER_HASH))]
        self._tokens, self._n_hashes, self._n_bits = tokens, n_hashes, n_bits
        self._forget()

    def __repr__(self) -> str:
        return f"TokenHasher({self._n_hashes} hashes, {self._n_bits} bits, key redacted)"

    def positions(self, tokens: Sequence[str]) -> npt.NDArray[np.int64]:
        """Bit positions of tokens, shape (n, n_hashes), those of each in the order drawn."""
        stream = bytearray()
        for token in tokens:
            message = self._prefix + token.encode()
            for block in self._blocks:
                hmac = self._hmac.copy()
                hmac.update(message + block)
                stream += hmac.finalize()
        drawn = np.frombuffer(stream, "<u4").reshape(len(tokens), _WORDS_PER_HASH * len(self._blocks))
        words = drawn[:, : self._n_hashes].astype(np.uint64)
        return ((words * np.uint64(self._n_bits)) >> np.uint64(32)).astype(np.int64)

    def add(self, values: pa.StringArray, filters: Words) -> None:
        """OR the filter of every value into a row.

        Parameters
        ----------
        values : pyarrow.StringArray, length n
            Normalised, none of them blank. Null adds nothing.
        filters : ndarray of uint64, shape (n, n_bits // 64), C order
            Bit p is bit ``p % 64`` of word ``p // 64``.

        Raises
        ------
        ValueError
            Where a value is empty or holds only blanks.
        """
        from pprl.site.encode import _kernels

        if self._tokens is Tokens.WHOLE:
            encoded = values.dictionary_encode()
            distinct = encoded.dictionary.to_pylist()
            if any(not value.strip(" ") for value in distinct):
                raise ValueError("an empty value has no tokens; a missing value is null")
            codes = np.asarray(pc.fill_null(encoded.indices, -1))
            _kernels.or_rows(codes, self._hashed(distinct), filters)
            return
        if len(self._known) > _MASKS_KEPT:
            self._forget()
        starts, text, valid = text_arrays(values)
        column = starts, text, valid, self._tokens is Tokens.BIGRAMS
        todo, again = np.arange(len(values)), np.empty(len(values), np.int64)
        unknown = np.empty(max(_NEW_AT_ONCE, int(np.diff(starts).max(initial=0)) + 1), np.uint64)
        while len(todo):
            known = self._numbers, self._rows, self._masks
            n_done, n_new, n_again = _kernels.or_tokens(todo, *column, *known, filters, unknown, again)
            self._learn(np.unique(unknown[:n_new]))
            todo = np.concatenate([again[:n_again], todo[n_done:]])

    def _forget(self) -> None:
        self._known = np.empty(0, np.uint64)
        self._masks = np.empty((0, self._n_bits // 64), np.uint64)  # row i: the token of number known[i]
        self._numbers, self._rows = np.zeros(1, np.uint64), np.full(1, -1, np.int64)

    def _learn(self, new: npt.NDArray[np.uint64]) -> None:
        from pprl.site.encode._kernels import put

        if not len(new):
            return
        self._known = np.concatenate([self._known, new])
        self._masks = np.concatenate([self._masks, self._hashed([self._text(n) for n in new.tolist()])])
        n_slots = 4 << len(self._known).bit_length()  # at most a quarter of them taken
        self._numbers, self._rows = np.zeros(n_slots, np.uint64), np.full(n_slots, -1, np.int64)
        put(self._known, self._numbers, self._rows)

    def _text(self, number: int) -> str:
        before, point = number >> _POINT_BITS, chr(number & ((1 << _POINT_BITS) - 1))
        return chr(before) + point if self._tokens is Tokens.BIGRAMS else f"{before}:{point}"

    def _hashed(self, tokens: Sequence[str]) -> Words:
        """The masks of tokens, shape (n, words)."""
        masks = np.zeros((len(tokens), self._n_bits // 64), np.uint64)
        positions = self.positions(tokens)
        bits = np.uint64(1) << (positions % 64).astype(np.uint64)
        np.bitwise_or.at(masks, (np.arange(len(tokens))[:, None], positions // 64), bits)
        return masks
