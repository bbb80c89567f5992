"""What sites do: records through the real encoder, into arrays as the broker holds them, or into sealed packages."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from broker.matching.dataset import Dataset
from pprl.guid import new_guids
from pprl.package import Identity, Manifest, SigningKey, write_package
from pprl.schema import Schema, parse_schema
from pprl.schema.columns import exact_parts, stratum_column
from pprl.site.encode import Encoder
from pprl.site.keys import LinkageKey
from pprl.site.strata import classify

from .population import FIELDS, Record

SECRET = bytes(range(32))
BROKER = Identity(b"\x02" * 32)
NOW = datetime(2026, 7, 25, 12, 0, 0, tzinfo=UTC)


def a_schema(profile: str = "standard", fields: Sequence[str] = FIELDS, more: str = "") -> Schema:
    return parse_schema(
        f'[linkage]\nproject = "town"\nepoch = "2026"\nprofile = "{profile}"\n'
        f"fields = {json.dumps(list(fields))}\n{more}"
    )


def guids_of(name: str, n: int) -> np.ndarray:
    """Row GUIDs that depend on the dataset's name alone."""
    return new_guids(n, random_bytes=np.random.default_rng(list(name.encode())).bytes)


def encode(schema: Schema, records: Sequence[Record], name: str, *, secret: bytes = SECRET) -> pa.RecordBatch:
    """The token table of records in normal form."""
    columns = [pa.array([r.get(f) for r in records], pa.string()) for f in schema.field_names]
    tree = LinkageKey(schema.project, schema.epoch, secret).tree(schema)
    names = list(schema.field_names)
    for stratum in schema.column_strata:
        columns.append(pa.array([r.get(stratum.name) for r in records], pa.string()))
        names.append(stratum_column(stratum.name))
    batch = pa.record_batch(columns, names=names)
    strata = classify(batch, schema, today=NOW.date()).codes
    return Encoder(schema, tree).encode(batch, guids_of(name, len(records)), strata=strata)


def as_dataset(schema: Schema, batch: pa.RecordBatch, name: str, *, duplicate_free: bool = True) -> Dataset:
    """The arrays of a token table, by way of Python values: a slow twin of what intake does."""

    def binary(column: str, dtype: type[np.generic]) -> np.ndarray:
        width = batch.schema.field(column).type.byte_width // np.dtype(dtype).itemsize
        values = b"".join(batch.column(column).to_pylist())
        return np.frombuffer(values, dtype=dtype).reshape(-1, width).copy()

    def numbers(column: str, dtype: type[np.generic] = np.uint64) -> np.ndarray:
        return np.array([value or 0 for value in batch.column(column).to_pylist()], dtype=dtype)

    exact = [(f.name, part) for f in schema.fields for part in exact_parts(f)]
    return Dataset(
        name=name,
        schema=schema,
        guids=binary("record_guid", np.uint8),
        presence=numbers("presence", np.uint32),
        filters={name: binary(f"filter:{name}", np.uint64) for name in schema.filter_names},
        exact={
            f"{f}:{p}": numbers(f"exact:{f}:{p}") for f, p in exact if f"exact:{f}:{p}" in batch.schema.names
        },
        keys=tuple(
            tuple(numbers(f"key:{key.name}" + "#2" * choice) for choice in range(key.n_values))
            for key in schema.match_keys
        ),
        duplicate_free=duplicate_free,
        strata={s.name: numbers(stratum_column(s.name), np.uint8) for s in schema.strata},
    )


def a_dataset(
    schema: Schema, records: Sequence[Record], name: str = "a", *, duplicate_free: bool = True
) -> Dataset:
    return as_dataset(schema, encode(schema, records, name), name, duplicate_free=duplicate_free)


def site_key(name: str) -> SigningKey:
    return SigningKey(name.encode().ljust(32, b"\x01")[:32])


def pack(path: Path, schema: Schema, records: Sequence[Record], **changes: Any) -> Manifest:
    """Write a package as the site of the dataset ``path.stem`` would, in two batches."""
    name = changes.setdefault("dataset", path.stem)
    secret = changes.pop("secret", SECRET)
    batch = encode(schema, records, name, secret=secret)
    half = len(records) // 2
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        for part in changes.pop("batches", None) or [batch.slice(0, half), batch.slice(half)]:
            writer.write_batch(part)
    entries: dict[str, Any] = {
        "schema": schema,
        "key_check": LinkageKey(schema.project, schema.epoch, secret).tree(schema).check_value,
        "site": f"Hospital {name.upper()}",
        "duplicate_free": True,
        "signing_key": site_key(name),
        "recipient": BROKER.recipient,
        "now": NOW,
    }
    return write_package(path, io.BytesIO(sink.getvalue()), **(entries | changes))
