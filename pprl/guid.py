"""Opaque GUIDs: random, version 4, never derived from a person.

In memory and in packages a GUID is 16 bytes (``numpy`` dtype ``V16`` or ``fixed_size_binary(16)``); in text
it is the usual 36 characters in lower case.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

RandomBytes = Callable[[int], bytes]
"""A source of ``n`` random bytes; the operating system's by default, an argument everywhere."""

GUID_BYTES = 16

_TEXT_CHARACTERS = 36
_DIGIT_PLACES = [place for place in range(_TEXT_CHARACTERS) if place not in (8, 13, 18, 23)]


def new_guids(n: int, *, random_bytes: RandomBytes = os.urandom) -> npt.NDArray[np.uint8]:
    """Draw ``n`` version-4 GUIDs (RFC 9562, section 5.4).

    Parameters
    ----------
    n : int
        How many.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    ndarray of uint8, shape (n, 16), C order
    """
    guids = np.frombuffer(random_bytes(n * GUID_BYTES), dtype=np.uint8).reshape(n, GUID_BYTES).copy()
    guids[:, 6] = (guids[:, 6] & 0x0F) | 0x40
    guids[:, 8] = (guids[:, 8] & 0x3F) | 0x80
    return guids


def to_text(guids: npt.NDArray[np.uint8]) -> list[str]:
    """Write GUIDs as text.

    Parameters
    ----------
    guids : ndarray of uint8, shape (n, 16)
        Need not be contiguous.

    Returns
    -------
    list of str
        36 characters each, lower case.
    """
    digits = np.ascontiguousarray(guids, dtype=np.uint8).tobytes().hex().encode("ascii")
    characters = np.full((len(guids), _TEXT_CHARACTERS), ord("-"), dtype=np.uint8)
    characters[:, _DIGIT_PLACES] = np.frombuffer(digits, dtype=np.uint8).reshape(-1, 2 * GUID_BYTES)
    text = characters.tobytes().decode("ascii")
    return [text[start : start + _TEXT_CHARACTERS] for start in range(0, len(text), _TEXT_CHARACTERS)]


def from_text(texts: list[str]) -> npt.NDArray[np.uint8]:
    """Read GUIDs from text; the inverse of `to_text`.

    Raises
    ------
    ValueError
        Where a text is not a GUID (the offender is not repeated).
    """
    try:
        raw = b"".join(uuid.UUID(text).bytes for text in texts)
    except (ValueError, AttributeError, TypeError):
        raise ValueError("not a GUID: expected 36 characters such as 8-4-4-4-12 hexadecimal digits") from None
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, GUID_BYTES).copy()
