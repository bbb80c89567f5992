"""How far apart two rows may be, in bits, by the number of bits that both have together.

One table serves every search: entry s is the limit of two rows of s bits together, the last entry that of all
greater s. It is -1 where no pair is a hit, and never grows faster than s.
"""

from __future__ import annotations

import operator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from pprl.similarity._tiles import MAX_WORDS

Limits = npt.NDArray[np.int64]


def constant(max_distance: int) -> Limits:
    """The same limit for all rows."""
    limit = operator.index(max_distance)
    if limit < 0:
        raise ValueError(f"max_distance is {limit}; a distance is at least 0 bits")
    return np.array([min(limit, 64 * MAX_WORDS)], dtype=np.int64)


def at_least_dice(min_dice: Fraction | float, n_words: int) -> Limits:
    """The largest distance with a Dice coefficient of at least ``min_dice``, exact, rows of up to ``n_words``."""
    if not 0 < min_dice <= 1:
        raise ValueError(f"min_dice is {min_dice}; it must be above 0 and at most 1")
    least = min_dice if isinstance(min_dice, Fraction) else Fraction(repr(float(min_dice)))
    apart, of = (1 - least).as_integer_ratio()
    limits = np.array([apart * bits // of for bits in range(128 * n_words + 1)], dtype=np.int64)
    limits[0] = -1
    return limits
