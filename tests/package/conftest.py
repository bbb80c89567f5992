from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pprl.package import Identity, Manifest, SigningKey, write_package
from pprl.schema import Schema, parse_schema
from pprl.schema.columns import PRESENCE, RECORD_GUID, token_columns

NOW = datetime(2026, 7, 25, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def schema() -> Schema:
    return parse_schema("""
        [linkage]
        project = "heart-registry"
        epoch = "2026"
        fields = ["given_name", "surname", "birth_date", "sex"]
    """)


@pytest.fixture(scope="session")
def site_key() -> SigningKey:
    return SigningKey(b"\x01" * 32)


@pytest.fixture(scope="session")
def broker() -> Identity:
    return Identity(b"\x02" * 32)


def a_batch(schema: Schema, n_records: int, seed: int = 0) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    columns = []
    for field in token_columns(schema):
        if field.name == PRESENCE:
            columns.append(pa.array(rng.integers(0, 1 << len(schema.fields), n_records, dtype=np.uint32)))
        elif field.type == pa.uint8():
            columns.append(pa.array(rng.integers(0, 3, n_records, dtype=np.uint8)))
        elif pa.types.is_fixed_size_binary(field.type):
            raw = rng.bytes(n_records * field.type.byte_width)
            columns.append(
                pa.FixedSizeBinaryArray.from_buffers(field.type, n_records, [None, pa.py_buffer(raw)])
            )
        else:
            missing = rng.random(n_records) < 0.2
            columns.append(pa.array(rng.integers(0, 2**63, n_records, dtype=np.uint64), mask=missing))
    assert token_columns(schema).names[0] == RECORD_GUID
    return pa.record_batch(columns, schema=token_columns(schema))


def as_stream(schema: pa.Schema, *batches: pa.RecordBatch, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


@pytest.fixture(scope="session")
def batch(schema: Schema) -> Callable[..., pa.RecordBatch]:
    """``batch(n_records, seed)``: random tokens."""
    return lambda n_records, seed=0: a_batch(schema, n_records, seed)


@pytest.fixture(scope="session")
def stream(schema: Schema) -> Callable[..., bytes]:
    """``stream(*batches, **options)``: an Arrow IPC stream of token batches."""
    return lambda *batches, **options: as_stream(token_columns(schema), *batches, **options)


@pytest.fixture
def pack(
    tmp_path: Path, schema: Schema, site_key: SigningKey, broker: Identity, batch: Any, stream: Any
) -> Callable[..., Manifest]:
    """``pack(name, **changes)``: write a small package under that name."""

    def write(name: str = "a.pprl", n_records: int = 40, **changes: Any) -> Manifest:
        entries: dict[str, Any] = {
            "schema": schema,
            "key_check": "0123456789abcdef",
            "site": "St. Mary's",
            "dataset": "a",
            "duplicate_free": True,
            "signing_key": site_key,
            "recipient": broker.recipient,
            "now": NOW,
        }
        table = changes.pop("table", None) or stream(batch(n_records), batch(3, 1))
        return write_package(tmp_path / name, io.BytesIO(table), **(entries | changes))

    return write
