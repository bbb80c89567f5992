"""The columns of a token table, which follow from the linkage schema alone.

::

    record_guid        fixed_size_binary(16)         random, never null
    presence           uint32                        bit i: field i has a value
    filter:record      fixed_size_binary(n_bits/8)   layout "record"
    filter:<field>     fixed_size_binary(n_bits/8)   layout "field"; all zero where there is no value
    exact:<field>:<part>   uint64, nullable          layout "field": dates, categories, an initial
    key:<match key>    uint64, nullable              and key:<match key>#2 for a key with two values
    stratum:<name>     uint8                         number of the category, from 1; 0 where there is none

Bit p of a filter is bit ``p % 8`` of byte ``p // 8``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pprl.guid import GUID_BYTES
from pprl.schema.kinds import Kind, Tokens
from pprl.schema.model import FieldSpec, MatchKey, Schema

RECORD_GUID = "record_guid"
PRESENCE = "presence"


def exact_parts(field: FieldSpec) -> tuple[str, ...]:
    """The parts of a field that get an exact token in layout ``"field"``."""
    if field.kind is Kind.BIRTH_DATE:
        return ("year", "month", "day")
    if field.kind is Kind.MIDDLE_NAME:
        return ("initial",)
    return ("value",) if field.tokens is Tokens.WHOLE else ()


def filter_column(name: str) -> str:
    """Column of a filter: ``"record"`` or a field's name."""
    return f"filter:{name}"


def exact_column(field: str, part: str) -> str:
    """Column of an exact token."""
    return f"exact:{field}:{part}"


def key_columns(key: MatchKey) -> tuple[str, ...]:
    """Columns of a match key, one for each value it has."""
    return tuple(
        f"key:{key.name}" + (f"#{number}" if number > 1 else "") for number in range(1, key.n_values + 1)
    )


def stratum_column(name: str) -> str:
    """Column of a stratum."""
    return f"stratum:{name}"


def token_columns(schema: Schema) -> pa.Schema:
    """The Arrow schema of a token table under a linkage schema."""
    columns = [
        pa.field(RECORD_GUID, pa.binary(GUID_BYTES), nullable=False),
        pa.field(PRESENCE, pa.uint32(), nullable=False),
    ]
    width = schema.filter.n_bits // 8
    columns += [
        pa.field(filter_column(name), pa.binary(width), nullable=False) for name in schema.filter_names
    ]
    if schema.filter.layout == "field":
        columns += [
            pa.field(exact_column(field.name, part), pa.uint64())
            for field in schema.fields
            for part in exact_parts(field)
        ]
    columns += [pa.field(name, pa.uint64()) for key in schema.match_keys for name in key_columns(key)]
    columns += [
        pa.field(stratum_column(stratum.name), pa.uint8(), nullable=False) for stratum in schema.strata
    ]
    return pa.schema(columns)


def byte_rows(column: pa.FixedSizeBinaryArray) -> npt.NDArray[np.uint8]:
    """The values of a column without null, shape (n, bytes), without a copy."""
    width = column.type.byte_width
    data = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    rows = data[column.offset * width : (column.offset + len(column)) * width]
    return rows.reshape(len(column), width)  # may be of no rows


def byte_column(rows: npt.NDArray[np.generic]) -> pa.FixedSizeBinaryArray:
    """Rows of an array as a column; without a copy where they lie one behind the other."""
    rows = np.ascontiguousarray(rows)
    width = rows.shape[1] * rows.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])
