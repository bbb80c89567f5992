"""The stream that is made while it is read: what Arrow reads from it, twice, in reads of any size."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.site.ahead import made_ahead
from pprl.site.arrow_stream import ArrowStream

COLUMNS = pa.schema([pa.field("guid", pa.binary(16), nullable=False), pa.field("key", pa.uint64())])


def a_batch(n):
    return pa.record_batch(
        [
            pa.array([bytes([i]) * 16 for i in range(n)], pa.binary(16)),
            pa.array([i or None for i in range(n)], pa.uint64()),
        ],
        schema=COLUMNS,
    )


@given(st.lists(st.integers(1, 9), max_size=4), st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_it_reads_like_a_file_and_again(sizes, reads):
    batches = [a_batch(n) for n in sizes]
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, COLUMNS) as writer:
        for batch in batches:
            writer.write_batch(batch)
    done = []
    stream = ArrowStream(COLUMNS, batches, advance=done.append)
    begun = b"".join(stream.read(size) for size in reads)
    assert stream.tell() == len(begun)
    stream.seek(0)
    assert stream.tell() == 0
    content = b"".join(iter(lambda: stream.read(reads[0]), b""))
    assert stream.tell() == len(content)
    assert pa.ipc.open_stream(content).read_all() == pa.Table.from_batches(batches, COLUMNS)
    assert content == sink.getvalue()
    assert content.startswith(begun)
    assert stream.read(1) == b""
    assert done[-len(sizes) :] == sizes


def test_reads_are_filled_over_the_ends_of_messages():
    stream = ArrowStream(COLUMNS, [a_batch(3), a_batch(5)])
    first = stream.read(100)
    whole = first + stream.read(10**9)
    assert len(first) == 100
    stream.seek(0)
    assert stream.read(10**9) == whole


def test_there_is_no_way_but_to_the_start():
    with pytest.raises(ValueError, match="only be read from its start, not from 8"):
        ArrowStream(COLUMNS, []).seek(8)


def test_items_made_ahead_keep_their_order_and_their_error():
    def items():
        yield from range(5)
        raise OSError("the disk is gone")

    ahead = made_ahead(items())
    assert [next(ahead) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_one_item_is_made_ahead():
    made = []

    def items():
        for number in range(5):
            made.append(number)
            yield number

    ahead = made_ahead(items())
    assert next(ahead) == 0
    ahead.close()
    assert made == [0, 1]
