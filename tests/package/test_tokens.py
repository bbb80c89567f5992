"""Arrow streams that somebody made to hurt."""

from __future__ import annotations

import io
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.errors import CorruptError, PackageError, TruncatedError
from pprl.package.tokens import MAX_BATCH_BYTES, TokenReader
from pprl.schema.columns import PRESENCE, RECORD_GUID, token_columns


def read(content: bytes, schema) -> TokenReader:
    reader = TokenReader(io.BytesIO(content).read, schema)
    for _ in reader:
        pass
    return reader


def another(columns: pa.Schema, batch: pa.RecordBatch, **options) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, columns, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def test_counts(schema, stream, batch):
    reader = read(stream(batch(10), batch(0), batch(5, 1)), schema)
    assert reader.n_records == 15
    assert list(reader.field_counts) == list(schema.field_names)
    assert all(0 < count < 15 for count in reader.field_counts.values())


def test_thirty_two_fields():
    from pprl.schema import parse_schema

    fields = "\n".join(f'[[field]]\nname = "f{i}"\nkind = "text"' for i in range(32))
    schema = parse_schema(
        f'[linkage]\nproject = "p"\nepoch = "1"\n{fields}\n[[match_key]]\nparts = ["f0", "f1"]\n',
        source="test",
    )
    columns = token_columns(schema)
    batch = pa.record_batch(
        [
            pa.array(
                [bytes(f.type.byte_width)] if pa.types.is_fixed_size_binary(f.type) else [2**32 - 1], f.type
            )
            for f in columns
        ],
        schema=columns,
    )
    assert set(read(another(columns, batch), schema).field_counts.values()) == {1}


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_batches_are_refused_before_they_unfold(schema, stream, batch, codec):
    with pytest.raises(CorruptError, match="compressed batch"):
        read(stream(batch(100), compression=codec), schema)


def test_columns_must_be_those_of_the_schema(schema, batch):
    good, columns = batch(5), token_columns(schema)
    wrong = [
        (columns.remove(1), good.drop_columns([PRESENCE])),
        (columns.append(pa.field("name", pa.string())), good.append_column("name", pa.array(["x"] * 5))),
        (columns.with_metadata({"note": "x"}), good.replace_schema_metadata({"note": "x"})),
        (columns.set(1, pa.field(PRESENCE, pa.uint32(), nullable=True)), None),
        (columns.set(1, pa.field(PRESENCE, pa.uint32(), nullable=False, metadata={"a": "b"})), None),
        (columns.set(0, pa.field("guid", pa.binary(16), nullable=False)), None),
    ]
    for other, table in wrong:
        table = table or pa.record_batch(good.columns, schema=other)
        with pytest.raises(CorruptError, match="not those of its schema"):
            read(another(other, table), schema)


def test_dictionaries_are_refused(schema, batch):
    columns = token_columns(schema)
    last = len(columns) - 1
    coded = batch(5).column(last).dictionary_encode()
    other = columns.set(last, pa.field(columns[last].name, coded.type))
    table = pa.record_batch([*batch(5).columns[:-1], coded], schema=other)
    with pytest.raises(CorruptError):
        read(another(other, table), schema)


def test_empty_values_where_there_may_be_none(schema, batch):
    loose = pa.schema([field.with_nullable(True) for field in token_columns(schema)])
    guids = pa.array([None, *batch(5).column(RECORD_GUID)[1:].to_pylist()], pa.binary(16))
    table = pa.record_batch([guids, *batch(5).columns[1:]], schema=loose)
    # The columns of the good stream, the batch of the loose one: batches do not repeat what may be null.
    good, bad = another(token_columns(schema), batch(5)), another(loose, table)
    assert read(good, schema).n_records == 5
    spliced = good[: n_schema(good)] + bad[n_schema(bad) :]
    with pytest.raises(CorruptError, match="empty value in column record_guid"):
        read(spliced, schema)


def n_schema(content: bytes) -> int:
    return 8 + struct.unpack_from("<i", content, 4)[0]


def test_presence_of_no_field(schema, stream, batch):
    good = batch(5)
    bits = pa.array(np.array([1, 1, 1, 16, 1], dtype=np.uint32))
    table = pa.record_batch([good.columns[0], bits, *good.columns[2:]], schema=token_columns(schema))
    with pytest.raises(CorruptError, match="presence bit of no field"):
        read(stream(table), schema)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", TruncatedError),
        (b"\xff" * 4, TruncatedError),
        (b"\xff" * 4 + struct.pack("<i", 0), CorruptError),
        (b"\xff" * 4 + struct.pack("<i", -8), CorruptError),
        (b"\xff" * 4 + struct.pack("<i", 2**31 - 1), CorruptError),
        (struct.pack("<i", 64) + bytes(100), CorruptError),
        (b"ARROW1\0\0" + bytes(100), CorruptError),
        (b"\xff" * 4 + struct.pack("<i", 8) + b"\xff" * 8, CorruptError),
        (b"\xff" * 4 + struct.pack("<i", 8) + bytes(8), CorruptError),
    ],
)
def test_starts(schema, content, error):
    with pytest.raises(error):
        read(content, schema)


def test_every_cut_is_noticed(schema, stream, batch):
    content = stream(batch(2))
    for length in range(len(content)):
        with pytest.raises((TruncatedError, CorruptError)):
            read(content[:length], schema)
    assert read(content, schema).n_records == 2


def test_claims_of_size_are_checked_before_memory_is_taken(schema, stream, batch):
    n_records = 77_777
    content = stream(batch(n_records))
    with pytest.raises(CorruptError, match="more rows than bytes"):
        read(patched_length(content, n_records, 2**40), schema)
    asked = []

    def source(n_bytes: int) -> bytes:
        asked.append(n_bytes)
        return file.read(n_bytes)

    body = len(content) - n_schema(content)
    file = io.BytesIO(patched_body_length(content, body, 2**50))
    with pytest.raises(CorruptError, match=f"more than {MAX_BATCH_BYTES} bytes"):
        for _ in TokenReader(source, schema):
            pass
    assert max(asked) < 10_000


def patched_length(content: bytes, old: int, new: int) -> bytes:
    """Change the batch's own number of rows, the first such number behind the schema."""
    place = content.index(struct.pack("<q", old), n_schema(content))
    return content[:place] + struct.pack("<q", new) + content[place + 8 :]


def patched_body_length(content: bytes, at_most: int, new: int) -> bytes:
    """Change the length of the batch's body: what is left behind its metadata and before the end mark."""
    start = n_schema(content)
    metadata = struct.unpack_from("<i", content, start + 4)[0]
    n_body = len(content) - start - 8 - metadata - 8
    assert n_body <= at_most
    place = content.index(struct.pack("<q", n_body), start, start + 8 + metadata)
    return content[:place] + struct.pack("<q", new) + content[place + 8 :]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_noise_is_refused_in_our_own_words(schema, stream, batch, data):
    content = bytearray(stream(batch(3)))
    start = n_schema(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, start - 1), st.integers(start, len(content) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    try:
        reader = read(bytes(content), schema)
    except PackageError:
        return
    assert reader.n_records <= 3  # the change was in a token, a GUID or padding
