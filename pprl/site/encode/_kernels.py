"""Compiled loops of the encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def xor_table(values: Any, table: Any, out: Any) -> None:
    """``out[i]`` = XOR over byte places b of ``table[b, values[i, b]]``; uint8[n, b], uint64[b, 256, w], uint64[n, w]."""
    n_words = out.shape[1]
    total = np.zeros(n_words, np.uint64)
    for i in range(values.shape[0]):
        total[:] = 0
        for b in range(values.shape[1]):
            value = values[i, b]
            if value:
                for w in range(n_words):
                    total[w] ^= table[b, value, w]
        out[i] = total
