"""Known answers: frozen, and made by the naive twin.

A change to any of them makes every package of every project incomparable with the older ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pprl.schema import schema_from_json
from pprl.schema.columns import token_columns
from pprl.site.encode import Encoder
from pprl.site.encode.bloom import TokenHasher
from pprl.site.encode.diffusion import draw_taps
from pprl.site.keys import LinkageKey

from . import naive

FILES = sorted((Path(__file__).parents[2] / "vectors" / "encoding").glob("*.json"))


def test_there_are_vectors_for_every_profile():
    assert [path.stem for path in FILES] == ["fields", "standard", "strict", "tokens"]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def vectors(request) -> dict[str, Any]:
    return {"profile": request.param.stem, **json.loads(request.param.read_text(encoding="utf-8"))}


def as_written(name: str, value: bytes | int | None) -> str | int | None:
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or name == "presence" else f"{value:016x}"


def test_the_schema_has_the_known_fingerprint(vectors):
    schema = schema_from_json(json.dumps(vectors["schema"]))
    assert schema.profile == vectors["profile"]
    assert schema.fingerprint == vectors["schema_sha256"]


def test_the_encoder_gives_the_known_rows(vectors):
    schema = schema_from_json(json.dumps(vectors["schema"]))
    records = vectors["records"]
    batch = pa.record_batch(
        [pa.array([record[name] for record in records], pa.string()) for name in schema.field_names],
        names=list(schema.field_names),
    )
    guids = np.arange(16 * len(records), dtype=np.uint8).reshape(-1, 16)
    keys = LinkageKey("vectors", "2026", bytes.fromhex(vectors["secret"])).tree(schema)
    found = Encoder(schema, keys).encode(batch, guids)
    assert found.schema == token_columns(schema)
    rows = found.to_pylist()
    assert [row.pop("record_guid") for row in rows] == [guid.tobytes() for guid in guids]
    assert [{name: as_written(name, value) for name, value in row.items()} for row in rows] == vectors["rows"]


def test_the_twin_gives_the_known_rows(vectors):
    twin = naive.NaiveEncoder(vectors["schema"], bytes.fromhex(vectors["secret"]))
    rows = [twin.encode(record) for record in vectors["records"]]
    assert [{name: as_written(name, value) for name, value in row.items()} for row in rows] == vectors["rows"]


def test_the_steps_between_are_known_too(vectors):
    schema = schema_from_json(json.dumps(vectors["schema"]))
    keys = LinkageKey("vectors", "2026", bytes.fromhex(vectors["secret"])).tree(schema)
    assert {label: keys.derive(label).hex() for label in vectors["keys"]} == vectors["keys"]
    filters = schema.filter
    for known in vectors.get("positions", []):
        field = schema.field(known["field"])
        hasher = TokenHasher(
            keys.derive(f"tok/{field.key_group}"),
            label=field.key_group,
            tokens=field.tokens,
            n_hashes=field.n_hashes,
            n_bits=filters.n_bits,
        )
        assert hasher.positions([known["token"]]).tolist() == [known["positions"]]
    for group, (first, second, last) in vectors.get("taps", {}).items():
        taps = draw_taps(keys.derive(f"eld/{group}"), n_bits=filters.n_bits, n_taps=filters.n_taps)
        assert taps[[0, 1, -1]].tolist() == [first, second, last]
