"""Why a value counts as missing."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Absent(Enum):
    """A value that gives no token, and the reason."""

    MISSING = "missing"
    """Nothing was there: null, empty, or blanks only."""
    PLACEHOLDER = "placeholder"
    """Something that stands for nothing: UNKNOWN, BABY GIRL, 1900-01-01, 00000."""
    INVALID = "invalid"
    """Something that cannot be a value of its kind: a future birth date, a phone number of three digits."""


Rule = Callable[[str], str | Absent]
"""A raw value to its normal form, or why there is none. Pure, and idempotent on normal forms."""
