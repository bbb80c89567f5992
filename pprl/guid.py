"""Opaque GUIDs: random, version 4, never derived from a person.

In memory and in packages a GUID is 16 bytes (``numpy`` dtype ``V16`` or ``fixed_size_binary(16)``); in text
it is the usual 36 characters in lower case.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

RandomBytes = Callable[[int], bytes]
"""A source of ``n`` random bytes; the operating system's by default, an argument everywhere."""

GUID_BYTES = 16

Guids = npt.NDArray[np.uint8]
"""Shape (n, 16)."""

TEXT_CHARACTERS = 36
"""Of a GUID as text."""

GUID_PATTERN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""Of a GUID as text, as a regular expression."""

_GUIDS_AT_ONCE = 64 * 1024
_DIGITS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode("ascii"), dtype=np.uint16)
# The five groups of digits, the last in two pieces, with and without the dashes between them.
_GROUPS, _FORMATS = ["a", "b", "c", "d", "e", "f"], ["u8", "u4", "u4", "u4", "u8", "u4"]
_PACKED = np.dtype({"names": _GROUPS, "formats": _FORMATS})
_DASHED = np.dtype({"names": _GROUPS, "formats": _FORMATS, "offsets": [0, 9, 14, 19, 24, 32]})

_DASH_PLACES = [8, 13, 18, 23]
_DIGIT_PLACES = [place for place in range(TEXT_CHARACTERS) if place not in _DASH_PLACES]
_NO_DIGIT = 255
_VALUES = np.full(256, _NO_DIGIT, dtype=np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _VALUES[list(_digits)] = range(16)
_NOT_A_GUID = "not a GUID: expected 36 characters such as 8-4-4-4-12 hexadecimal digits"


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
    guids = np.empty((n, GUID_BYTES), dtype=np.uint8)
    for start in range(0, n, _GUIDS_AT_ONCE):
        rows = guids[start : start + _GUIDS_AT_ONCE]
        rows[...] = np.frombuffer(random_bytes(rows.size), dtype=np.uint8).reshape(rows.shape)
    guids[:, 6] = (guids[:, 6] & 0x0F) | 0x40
    guids[:, 8] = (guids[:, 8] & 0x3F) | 0x80
    return guids


def new_guid(random_bytes: RandomBytes = os.urandom) -> str:
    """Draw one, as text."""
    return to_text(new_guids(1, random_bytes=random_bytes))[0]


def stacked(guids: Iterable[bytes]) -> Guids:
    """GUIDs of 16 bytes each, or runs of them, as rows; shape (n, 16)."""
    return np.frombuffer(b"".join(guids), np.uint8).reshape(-1, GUID_BYTES)


def as_values(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bytes_]:
    """GUIDs, or other rows of bytes of one length, as values that can be sorted and compared, shape (n,).

    They drop zeros at the end, which all of one length do alike.
    """
    return np.ascontiguousarray(rows).view(f"S{rows.shape[1]}")[:, 0]


def guid_column(guids: Guids, there: npt.NDArray[np.bool_] | None = None) -> pa.StringArray:
    """GUIDs as an Arrow array of text, without a Python object for each.

    Parameters
    ----------
    guids : ndarray of uint8, shape (n, 16)
        Need not be contiguous.
    there : ndarray of bool, shape (n,), optional
        Which are GUIDs; the others are empty texts. All are by default.
    """
    import pyarrow as pa

    characters = to_characters(guids if there is None else guids[there])
    lengths = np.full(len(guids), TEXT_CHARACTERS) if there is None else np.where(there, TEXT_CHARACTERS, 0)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(guids), pa.py_buffer(ends), pa.py_buffer(characters))


def to_characters(guids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Write GUIDs as text, without a Python object for each.

    Parameters
    ----------
    guids : ndarray of uint8, shape (n, 16)
        Need not be contiguous.

    Returns
    -------
    ndarray of uint8, shape (n, 36), C order
        ASCII, lower case.
    """
    characters = np.full((len(guids), TEXT_CHARACTERS), ord("-"), dtype=np.uint8)
    dashed, packed = characters.view(_DASHED), _DIGITS[guids].view(_PACKED)
    for group in _GROUPS:
        dashed[group] = packed[group]
    return characters


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
    text = to_characters(guids).tobytes().decode("ascii")
    return [text[start : start + TEXT_CHARACTERS] for start in range(0, len(text), TEXT_CHARACTERS)]


def from_characters(characters: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Read GUIDs from text, without a Python object for each; the inverse of `to_characters`.

    Parameters
    ----------
    characters : ndarray of uint8, shape (n, 36), C order
        ASCII; digits in either case.

    Returns
    -------
    ndarray of uint8, shape (n, 16), C order

    Raises
    ------
    ValueError
        Where one is not a GUID (the offender is not repeated).
    """
    digits = _VALUES[characters[:, _DIGIT_PLACES]]
    if (digits == _NO_DIGIT).any() or (characters[:, _DASH_PLACES] != ord("-")).any():
        raise ValueError(_NOT_A_GUID)
    return np.left_shift(digits[:, ::2], 4, dtype=np.uint8) | digits[:, 1::2]


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
        raise ValueError(_NOT_A_GUID) from None
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, GUID_BYTES).copy()
