"""Exact tokens: keyed hashes of whole values, equal where and only where the values are.

A token is 64 bits of keyed BLAKE2b (RFC 7693) under a key of its own purpose, never 0: two of a hundred million
tokens fall together with a chance of 3 in 10,000, and such an accident is one piece of evidence among several.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.schema import Kind, MatchKey, Part, Schema
from pprl.site.encode.soundex import soundex

_SEPARATOR = "\x1f"  # normalised values hold no control characters
_DIGEST_BYTES = 8


def exact_tokens(values: pa.Array, key: bytes) -> pa.Array:
    """Hash the values of a column.

    Parameters
    ----------
    values : pyarrow string array, length n
        Null gives null.
    key : bytes
        32 bytes, derived for this purpose alone.

    Returns
    -------
    pyarrow uint64 array, length n
    """
    encoded = values.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    raw = b"".join(
        hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES, key=key).digest()
        for value in distinct
    )
    tokens = np.frombuffer(raw, dtype="<u8").astype(np.uint64)
    tokens[tokens == 0] = 1
    return pa.array(tokens).take(encoded.indices)


def match_key_values(key: MatchKey, batch: pa.RecordBatch, schema: Schema) -> list[pa.Array]:
    """The composite values of one match key: strings that are hashed next.

    Parameters
    ----------
    key : MatchKey
    batch : pyarrow.RecordBatch
        Normalised, one string column per field.
    schema : Schema
        For the fields' kinds.

    Returns
    -------
    list of pyarrow string array
        ``key.n_values`` columns; null where a part is missing.
    """
    columns: list[pa.Array] = []
    for choice in range(key.n_values):
        parts = [_part(part, choice, batch, schema) for part in key.parsed]
        columns.append(pc.binary_join_element_wise(*parts, _SEPARATOR))
    return columns


def date_part(dates: pa.Array, part: str) -> pa.Array:
    """Year, month or day of normalised dates, null where unknown (00)."""
    start, stop = {"year": (0, 4), "month": (4, 6), "day": (6, 8)}[part]
    digits = pc.utf8_slice_codeunits(dates, start, stop)
    return pc.if_else(pc.equal(digits, "0" * (stop - start)), None, digits)


def _part(part: Part, choice: int, batch: pa.RecordBatch, schema: Schema) -> pa.Array:
    values = [batch.column(name) for name in part.fields]
    is_date = schema.field(part.fields[0]).kind is Kind.BIRTH_DATE
    match part.function:
        case None:
            # A date with an unknown part agrees with nobody exactly.
            return pc.if_else(pc.match_substring_regex(values[0], "00$"), None, values[0]) if is_date else values[0]
        case "year":
            return date_part(values[0], "year")
        case "first3" | "area":
            return pc.utf8_slice_codeunits(values[0], 0, 3)
        case "last3":
            return pc.utf8_slice_codeunits(values[0], -3)
        case "initial":
            return pc.utf8_slice_codeunits(values[0], 0, 1)
        case "soundex":
            return _by_distinct(values[0], soundex)
        case "sorted":
            smaller, larger = pc.min_element_wise(*values, skip_nulls=False), pc.max_element_wise(*values, skip_nulls=False)
            return pc.binary_join_element_wise(smaller, larger, _SEPARATOR)
        case "either":
            return values[choice]
    raise AssertionError(part.function)


def _by_distinct(values: pa.Array, function: Callable[[str], str]) -> pa.Array:
    encoded = values.dictionary_encode()
    return pa.array([function(value) for value in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def as_words(tokens: pa.Array) -> npt.NDArray[np.uint64]:
    """Tokens as numpy words, 0 where missing."""
    return np.asarray(pc.fill_null(tokens, 0), dtype=np.uint64)
