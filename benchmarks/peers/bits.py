"""Filters as anonlink takes them; imported by the interpreter of its environment alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from bitarray import bitarray


def bitarrays(path: str) -> list[Any]:
    """Read an array of packed filters as a bitarray a row."""
    filters = []
    for row in np.load(path):
        bits = bitarray()
        bits.frombytes(row.tobytes())
        filters.append(bits)
    return filters
