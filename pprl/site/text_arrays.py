"""Columns of text as the arrays that compiled loops take and give."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def text_arrays(
    values: pa.StringArray,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The parts of a string column, without a copy of the text.

    Parameters
    ----------
    values : pyarrow.StringArray, length n
        Of any offset.

    Returns
    -------
    starts : ndarray of int32, shape (n + 1,)
        Value i is ``text[starts[i]:starts[i + 1]]``, in UTF-8.
    text : ndarray of uint8
    valid : ndarray of bool, shape (n,)
        False where null.
    """
    _, offsets, text = values.buffers()
    starts = np.frombuffer(offsets or bytes(4), np.int32)[values.offset : values.offset + len(values) + 1]
    return starts, np.frombuffer(text or bytes(1), np.uint8), np.asarray(values.is_valid())


def string_array(
    starts: npt.NDArray[np.int32], text: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_]
) -> pa.StringArray:
    """The inverse of `text_arrays`, without a copy of the text; ``text`` must be UTF-8."""
    bits = np.packbits(valid, bitorder="little")
    return pa.Array.from_buffers(
        pa.string(), len(valid), [pa.py_buffer(part) for part in (bits, starts, text)]
    )
