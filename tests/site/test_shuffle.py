"""The order of the GUIDs, in memory and through the scratch file, against a naive sort."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.guid import new_guids
from pprl.site import shuffle
from pprl.site.shuffle import GuidOrder

COLUMNS = pa.schema(
    [
        pa.field("record_guid", pa.binary(16), nullable=False),
        pa.field("key", pa.uint64()),
        pa.field("filter", pa.binary(2), nullable=False),
    ]
)


def a_batch(guids):
    rows = [
        {"record_guid": guid, "key": guid[0] if guid[1] % 3 else None, "filter": guid[2:4]} for guid in guids
    ]
    return pa.RecordBatch.from_pylist(rows, schema=COLUMNS)


def guids_of(batches):
    return [guid for batch in batches for guid in batch.column("record_guid").to_pylist()]


@given(
    st.lists(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20), max_size=6),
    st.integers(0, 130),
)
def test_against_a_naive_sort(chunks, rows_in_memory):
    with GuidOrder(COLUMNS, folder=Path(), rows_in_memory=rows_in_memory) as order:
        for guids in chunks:
            order.add(a_batch(guids))
        out = list(order)
    everything = sorted(guid for guids in chunks for guid in guids)
    assert order.n_rows == len(everything)
    assert guids_of(out) == everything
    if everything:
        assert pa.Table.from_batches(out).equals(pa.Table.from_batches([a_batch(everything)]))


@pytest.mark.parametrize("rows_in_memory", [0, 10_000])
def test_a_slice_of_a_batch(tmp_path, rows_in_memory):
    guids = [row.tobytes() for row in new_guids(1000, random_bytes=random.Random(1).randbytes)]
    with GuidOrder(COLUMNS, folder=tmp_path, rows_in_memory=rows_in_memory) as order:
        order.add(a_batch(guids).slice(3, 600))
        assert guids_of(order) == sorted(guids[3:603])


def test_batches_stay_small(tmp_path, monkeypatch):
    monkeypatch.setattr(shuffle, "ROWS_PER_BATCH", 64)
    guids = [row.tobytes() for row in new_guids(1000, random_bytes=random.Random(1).randbytes)]
    for rows_in_memory in (100, 1000):
        with GuidOrder(COLUMNS, folder=tmp_path, rows_in_memory=rows_in_memory) as order:
            order.add(a_batch(guids))
            sizes = [batch.num_rows for batch in order]
        assert sum(sizes) == 1000
        assert max(sizes) <= 64


def test_the_scratch_file_has_no_name(tmp_path):
    with GuidOrder(COLUMNS, folder=tmp_path, rows_in_memory=0) as order:
        order.add(a_batch([bytes(16)]))
        assert list(tmp_path.iterdir()) == []
    with GuidOrder(COLUMNS, folder=tmp_path / "nowhere", rows_in_memory=1) as order:
        order.add(a_batch([bytes(16)]))  # none is needed


def test_the_order_is_of_bytes_not_of_numbers():
    guids = np.frombuffer(bytes([0, 255] + [0] * 14 + [1] + [0] * 15), np.uint8).reshape(2, 16)
    assert shuffle._order(guids).tolist() == [0, 1]
