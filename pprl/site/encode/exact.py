"""Exact tokens: keyed hashes of whole values, equal where and only where the values are.

A token is 64 bits of keyed BLAKE2b (RFC 7693) under a key of its own purpose, never 0. That any two of a
hundred million fall together has a chance of 3 in 10,000, and would be one piece of evidence among several.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pprl.schema import Kind, MatchKey, Part, Schema
from pprl.site.encode.soundex import soundex

_SEPARATOR = "\x1f"  # normalised values hold no control characters
_DIGEST_BYTES = 8
_VALUES_AT_ONCE = 1024  # as Python objects; few enough to stay in the processor's cache


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
    valid = np.asarray(values.is_valid())
    texts = values.drop_null().cast(pa.binary()).to_pylist()  # Arrow holds UTF-8 already
    begin = hashlib.blake2b(
        digest_size=_DIGEST_BYTES, key=key
    ).copy  # a copy takes half the time of a new state
    digests = bytearray()
    for text in texts:
        state = begin()
        state.update(text)
        digests += state.digest()
    tokens = np.zeros(len(values), np.uint64)
    tokens[valid] = np.maximum(np.frombuffer(digests, "<u8"), 1)
    return pa.array(tokens, mask=~valid)


def exact_tokens_of_few(values: pa.Array, key: bytes) -> pa.Array:
    """The same as `exact_tokens`, quicker where values stand many times."""
    few = values.dictionary_encode()
    return exact_tokens(few.dictionary, key).take(few.indices)


def match_key_values(key: MatchKey, batch: pa.RecordBatch, schema: Schema) -> list[pa.Array]:
    """The composite values of one match key: strings that are hashed next.

    Parameters
    ----------
    key : MatchKey
        One of the schema's.
    batch : pyarrow.RecordBatch
        Normalised, one string column per field.
    schema : Schema
        For the fields' kinds.

    Returns
    -------
    list of pyarrow string array
        ``key.n_values`` columns; null where a part is missing, a partly unknown date included.
    """
    columns: list[pa.Array] = []
    for choice in range(key.n_values):
        parts = [_part(part, choice, batch, schema) for part in key.parsed]
        columns.append(pc.binary_join_element_wise(*parts, _SEPARATOR))
    return columns


def is_partly_known(dates: pa.Array) -> pa.Array:
    """Of which normalised dates a part is unknown; null of null."""
    return pc.or_(pc.ends_with(dates, "00"), pc.starts_with(dates, "0000"))


def date_part(dates: pa.Array, part: str) -> pa.Array:
    """Year, month or day of normalised dates, null where unknown (00)."""
    start, stop = {"year": (0, 4), "month": (4, 6), "day": (6, 8)}[part]
    digits = pc.utf8_slice_codeunits(dates, start, stop)
    return pc.if_else(pc.equal(digits, "0" * (stop - start)), None, digits)


def _part(part: Part, choice: int, batch: pa.RecordBatch, schema: Schema) -> pa.Array:
    if part.function == "year":
        return date_part(batch.column(part.fields[0]), "year")
    values = [_known(batch.column(name), schema.field(name).kind) for name in part.fields]
    match part.function:
        case None:
            return values[0]
        case "first3" | "area":
            return pc.utf8_slice_codeunits(values[0], 0, 3)
        case "last3":
            return pc.utf8_slice_codeunits(values[0], -3)
        case "initial":
            return pc.utf8_slice_codeunits(values[0], 0, 1)
        case "soundex":
            return soundex(values[0])
        case "sorted":
            smaller = pc.min_element_wise(*values, skip_nulls=False)
            larger = pc.max_element_wise(*values, skip_nulls=False)
            return pc.binary_join_element_wise(smaller, larger, _SEPARATOR)
        case "either":
            return values[choice]
    raise AssertionError(part.function)


def _known(values: pa.Array, kind: Kind) -> pa.Array:
    """A date with an unknown day, month or year agrees with nobody exactly."""
    if kind is not Kind.BIRTH_DATE:
        return values
    return pc.if_else(is_partly_known(values), None, values)
