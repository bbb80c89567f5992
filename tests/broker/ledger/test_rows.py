"""What changed between two deliveries, against dicts."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from broker.ledger.rows import (
    compare_deliveries,
    find,
    row_digests,
    row_marks,
    withdrawn_marks,
)

KEY = bytes(range(32))
DELIVERIES = st.dictionaries(st.integers(0, 40), st.integers(0, 2), max_size=20)


def arrays(delivery):
    guids = np.array([[0] * 7 + [record] + [0] * 8 for record in delivery], np.uint8).reshape(-1, 16)
    digests = np.array([[content] * 32 for content in delivery.values()], np.uint8).reshape(-1, 32)
    return guids, digests


@given(DELIVERIES, DELIVERIES)
def test_changes_as_dicts_tell_them(before, now):
    changes = compare_deliveries(*arrays(before), *arrays(now))
    old, new = list(before), list(now)
    assert [new[row] for row in changes.added] == [r for r in new if r not in before]
    assert [new[row] for row in changes.changed] == [r for r in new if r in before and before[r] != now[r]]
    assert [new[row] for row in changes.unchanged] == [r for r in new if before.get(r) == now[r]]
    assert [old[row] for row in changes.removed] == [r for r in old if r not in now]
    assert [old[at] if at >= 0 else None for at in changes.earlier] == [
        r if r in before else None for r in new
    ]


@given(
    st.lists(st.binary(min_size=16, max_size=16), unique=True), st.lists(st.binary(min_size=16, max_size=16))
)
def test_finding(among, wanted):
    wanted = [*wanted, *among[::2]]
    both = (np.frombuffer(b"".join(some), np.uint8).reshape(-1, 16) for some in (among, wanted))
    assert find(*both).tolist() == [among.index(guid) if guid in among else -1 for guid in wanted]


COLUMNS = pa.schema(
    [
        pa.field("record_guid", pa.binary(16), nullable=False),
        pa.field("presence", pa.uint32(), nullable=False),
        pa.field("filter:record", pa.binary(3), nullable=False),
        pa.field("key:a", pa.uint64()),
        pa.field("stratum:b", pa.uint8(), nullable=False),
    ]
)


def a_batch(rows):
    names = COLUMNS.names
    return pa.RecordBatch.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=COLUMNS)


ROWS = st.tuples(
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=3, max_size=3),
    st.none() | st.integers(1, 2**64 - 1),
    st.integers(0, 255),
)


@given(st.lists(ROWS, max_size=8), st.integers(0, 8))
def test_digests_are_of_the_tokens_alone(rows, start):
    digests = row_digests(a_batch(rows).slice(start), KEY)
    for row, digest in zip(rows[start:], digests, strict=True):
        raw = row[1].to_bytes(4, "little") + row[2] + (row[3] or 0).to_bytes(8, "little") + bytes([row[4]])
        expected = hashlib.blake2b(raw, key=KEY, digest_size=32, person=b"pprl row").digest()
        assert digest.tobytes() == expected


def test_marks_of_withdrawn_records_tell_nothing_of_them():
    guids = np.arange(48, dtype=np.uint8).reshape(3, 16)
    marks = withdrawn_marks(guids, KEY)
    assert marks.shape == (3, 16)
    assert len({mark.tobytes() for mark in marks}) == 3
    assert not (marks == withdrawn_marks(guids, bytes(32))).all(axis=1).any()
    assert np.array_equal(marks[1:], withdrawn_marks(guids[1:], KEY))


def test_marks_of_rows_are_of_guid_and_tokens_and_tell_neither():
    guids = np.arange(32, dtype=np.uint8).reshape(2, 16)[[0, 0, 1, 1]]
    digests = row_digests(a_batch([(b"x" * 16, n, b"abc", 1, 0) for n in (1, 2)]), KEY)[[0, 1, 0, 1]]
    marks = row_marks(guids, digests)
    assert marks.shape == (4, 2)
    assert len({mark.tobytes() for mark in marks}) == 4
    assert np.array_equal(marks[2:], row_marks(guids[2:], digests[2:]))
    assert not any(guid.tobytes()[:8] in marks.tobytes() for guid in guids)
