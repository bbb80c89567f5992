"""The order of the GUIDs, through the scratch file, against a naive sort."""

from __future__ import annotations

import os
import random
import tempfile

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.guid import new_guids
from pprl.site import shuffle
from pprl.site.shuffle import GuidOrder, write_rows

COLUMNS = pa.schema(
    [
        pa.field("record_guid", pa.binary(16), nullable=False),
        pa.field("presence", pa.uint32(), nullable=False),
        pa.field("filter", pa.binary(2), nullable=False),
        pa.field("key", pa.uint64()),
    ]
)


def a_batch(guids):
    rows = [
        {
            "record_guid": guid,
            "presence": guid[0],
            "filter": guid[2:4],
            "key": (1 << 63) + guid[0] if guid[1] % 3 else None,
        }
        for guid in guids
    ]
    return pa.RecordBatch.from_pylist(rows, schema=COLUMNS)


def random_guids(n):
    return [row.tobytes() for row in new_guids(n, random_bytes=random.Random(1).randbytes)]


def guids_of(batches):
    return [guid for batch in batches for guid in batch.column("record_guid").to_pylist()]


@pytest.fixture
def scratch():
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def ordered(scratch, *chunks):
    order = GuidOrder(COLUMNS, scratch)
    places = [order.reserve(len(chunk)) for chunk in chunks]
    for place, chunk in reversed(list(zip(places, chunks, strict=True))):  # whoever is ready first
        order.add(place, write_rows(scratch, place, chunk))
    return order


@given(st.lists(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20), max_size=6))
def test_against_a_naive_sort(chunks):
    with tempfile.TemporaryFile() as file:
        order = ordered(file.fileno(), *map(a_batch, chunks))
        out, again = list(order), list(order)
    everything = sorted(guid for guids in chunks for guid in guids)
    assert order.n_rows == len(everything)
    assert guids_of(out) == everything
    assert again == out
    if everything:
        assert len(out) == 1
        assert out[0].equals(a_batch(everything))


def test_a_slice_of_a_batch(scratch):
    guids = random_guids(1000)
    assert guids_of(ordered(scratch, a_batch(guids).slice(3, 600))) == sorted(guids[3:603])


def test_batches_stay_small(scratch, monkeypatch):
    monkeypatch.setattr(shuffle, "ROWS_PER_BATCH", 64)
    guids = random_guids(1000)
    few, many = [bytes([7]) + guid[1:] for guid in guids[:200]], guids[200:]  # one first byte for 200
    batches = list(ordered(scratch, a_batch(few), a_batch(many)))
    assert guids_of(batches) == sorted(few + many)
    assert max(batch.num_rows for batch in batches) == 64
    assert len(batches) < 30


def test_a_scratch_file_that_was_cut_short(scratch):
    order = ordered(scratch, a_batch(random_guids(100)))
    os.truncate(scratch, 1000)
    with pytest.raises(OSError, match="cut short"):
        list(order)


def test_the_order_is_of_bytes_not_of_numbers(scratch):
    guids = [bytes([0, 255] + [0] * 14), bytes([1] + [0] * 15)]
    assert guids_of(ordered(scratch, a_batch(guids[::-1]))) == guids


def test_guids_that_begin_alike(scratch):
    guids = [bytes(8) + bytes([number]) * 8 for number in range(100)]
    random.Random(3).shuffle(guids)
    assert guids_of(ordered(scratch, a_batch(guids))) == sorted(guids)
