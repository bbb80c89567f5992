"""Compiled loops of the encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from pprl.compiled import compiled


@compiled
def xor_table(values: Any, table: Any, out: Any) -> None:
    """``out[i]`` = XOR over byte places b of ``table[b, values[i, b]]``.

    ``values`` is uint8[n, places], ``table`` uint64[places, 256, words], ``out`` uint64[n, words].
    """
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


@compiled
def or_rows(rows: Any, starts: Any, masks: Any, out: Any) -> None:
    """``out[i]`` = OR over j from ``starts[i]`` to ``starts[i + 1]`` of ``masks[rows[j]]``.

    ``rows`` is int64[total], ``starts`` int64[n + 1], ``masks`` uint64[m, words], ``out`` uint64[n, words].
    """
    for i in range(out.shape[0]):
        out[i] = 0
        for j in range(starts[i], starts[i + 1]):
            row = rows[j]
            for w in range(out.shape[1]):
                out[i, w] |= masks[row, w]
