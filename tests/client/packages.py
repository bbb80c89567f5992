"""A small package as a site makes it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pyarrow as pa

from pprl.package import write_package
from pprl.schema import parse_schema
from pprl.schema.columns import token_columns

from .twin import BROKER, SITE_KEY

SCHEMA = parse_schema(
    '[linkage]\nproject = "heart"\nepoch = "2026"\nfields = ["given_name", "surname", "birth_date"]'
)


def write(path, *, n_records=400, schema=SCHEMA, **changes):
    columns = token_columns(schema)
    arrays = [
        pa.array(
            [bytes([7]) * field.type.byte_width] * n_records
            if pa.types.is_fixed_size_binary(field.type)
            else [4] * n_records,
            field.type,
        )
        for field in columns
    ]
    table = io.BytesIO()
    with pa.ipc.new_stream(table, columns) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=columns))
    table.seek(0)
    entries = {
        "schema": schema,
        "key_check": "0123456789abcdef",
        "site": "St. Mary's",
        "dataset": "clinic",
        "duplicate_free": True,
        "sequence": 7,
        "signing_key": SITE_KEY,
        "recipient": BROKER.recipient,
        "now": datetime(2026, 2, 28, tzinfo=UTC),
    }
    return write_package(path, table, **(entries | changes))
