"""Strata in a package: their counts in the manifest, small ones hidden, false ones refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pytest

from pprl.errors import CorruptError
from pprl.package import Manifest, inspect_package, open_package, writer
from pprl.schema import parse_schema
from pprl.schema.columns import token_columns

from .conftest import NOW, a_batch, as_stream

SCHEMA = parse_schema("""
[linkage]
project = "heart-registry"
epoch = "2026"
fields = ["given_name", "surname", "birth_date"]
strata = ["ethnicity"]
[[stratum]]
name = "region"
kind = "class"
categories = ["North", "East", "South", "West"]
""")
REGIONS = [7, 40, 3, 25, 25]  # none, then the categories


def table(ethnicity=(30, 50, 20), region=REGIONS) -> bytes:
    n = sum(region)
    columns = {"stratum:ethnicity": ethnicity, "stratum:region": region}
    batch = a_batch(SCHEMA, n)
    arrays = [
        pa.array(np.repeat(np.arange(len(columns[f.name]), dtype=np.uint8), columns[f.name]))
        if f.name in columns
        else array
        for f, array in zip(batch.schema, batch.columns, strict=True)
    ]
    whole = pa.record_batch(arrays, schema=token_columns(SCHEMA))
    return as_stream(whole.schema, whole.slice(0, 33), whole.slice(33))


def read(path, broker) -> list[pa.RecordBatch]:
    with open_package(path, broker, trusted=None, now=NOW) as package:
        return list(package)


def test_counts_are_told_but_not_the_small_ones(tmp_path, pack, broker):
    made = pack(schema=SCHEMA, table=table())
    assert made.stratum_counts == {"ethnicity": (30, 50, 20), "region": (7, 40, None, None, None)}
    assert inspect_package(tmp_path / "a.pprl") == made
    assert sum(batch.num_rows for batch in read(tmp_path / "a.pprl", broker)) == 100


def test_a_manifest_without_strata_has_no_word_of_them(pack):
    assert "stratum_counts" not in json.loads(pack().canonical_json())


@pytest.mark.parametrize(
    "claimed",
    [
        {"ethnicity": (30, 49, 21)},
        {"region": (7, 41, None, None, None)},
        {"region": (8, 40, None, None, None)},
    ],
)
def test_false_counts_are_refused(tmp_path, pack, broker, monkeypatch, claimed):
    true = writer._shown
    monkeypatch.setattr(writer, "_shown", lambda counts: true(counts) | claimed)
    pack(schema=SCHEMA, table=table())
    with pytest.raises(CorruptError, match="its counts are not those of its manifest"):
        read(tmp_path / "a.pprl", broker)


def test_what_a_writer_hides_besides_is_not_held_against_it(tmp_path, pack, broker, monkeypatch):
    monkeypatch.setattr(
        writer, "_shown", lambda counts: {name: (c[0], *[None] * (len(c) - 1)) for name, c in counts.items()}
    )
    pack(schema=SCHEMA, table=table())
    assert read(tmp_path / "a.pprl", broker)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"region": [7, 40, None, None, None]}, "not those of its strata"),
        ({"ethnicity": [30, 50], "region": [7, 40, None, None, None]}, "not those of its strata"),
        ({"ethnicity": [None, 50, 20], "region": [7, 40, None, None, None]}, "hidden that must be shown"),
        ({"ethnicity": [30, 50, 20], "region": [7, 40, 3, 25, 25]}, "shown that must be hidden"),
        ({"ethnicity": [30, 50, 20], "region": [7, 93, None, None, None]}, "do not add up"),
        ({"ethnicity": [30, 50, 21], "region": [7, 40, None, None, None]}, "do not add up"),
        ({"ethnicity": [30, 50, 19], "region": [7, 40, None, None, None]}, "do not add up"),
        ({"ethnicity": [30, 50, -1], "region": [7, 40, None, None, None]}, "stratum_counts"),
    ],
)
def test_manifests_that_are_refused(pack, counts, message):
    entries = json.loads(pack(schema=SCHEMA, table=table()).canonical_json())
    with pytest.raises(ValueError, match=message):
        Manifest.model_validate(entries | {"stratum_counts": counts})


def test_a_number_of_no_category(pack):
    with pytest.raises(CorruptError, match="a number of no category"):
        pack(schema=SCHEMA, table=table(ethnicity=(30, 50, 19, 1)))


def test_strata_may_not_be_null(tmp_path):
    columns = token_columns(SCHEMA)
    loose = columns.set(len(columns) - 1, pa.field("stratum:region", pa.uint8()))
    batch = a_batch(SCHEMA, 3)
    arrays = [*batch.columns[:-1], pa.array([1, None, 2], pa.uint8())]
    from pprl.package.tokens import TokenReader

    stream = io.BytesIO(as_stream(loose, pa.record_batch(arrays, schema=loose)))
    with pytest.raises(CorruptError, match="not those of its schema"):
        list(TokenReader(stream.read, SCHEMA))
