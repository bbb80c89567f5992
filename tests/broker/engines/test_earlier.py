"""Near pairs as a file, and without records that are to go."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.engines import earlier
from broker.engines.earlier import NearPairs, Search, rows_before

MARKS = {"a": np.arange(10, dtype=np.uint64).reshape(5, 2), "b": np.arange(6, dtype=np.uint64).reshape(3, 2)}


def a_search(left, right, n_probed, pairs, reach=459):
    n_right = len(MARKS[right])
    codes = np.array(sorted(row * n_right + column for row, column in pairs), np.int64)
    return Search.of(left, right, n_probed, reach, codes=codes, n_right=n_right)


def pairs_of(search):
    return set(zip(search.rows.tolist(), search.columns.tolist(), strict=True))


def written(near):
    file = io.BytesIO()
    near.write(file)
    return file.getvalue()


NEAR = NearPairs(
    "f00d",
    MARKS,
    (a_search("a", "b", 4, {(0, 2), (3, 0), (3, 1)}), a_search("b", "b", 3, set(), reach="ab12")),
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "near"
    path.write_bytes(written(NEAR))
    again = NearPairs.read(path)
    assert again.schema == "f00d"
    assert {name: marks.tolist() for name, marks in again.marks.items()} == {
        name: marks.tolist() for name, marks in MARKS.items()
    }
    for search, expected in zip(again.searches, NEAR.searches, strict=True):
        assert pairs_of(search) == pairs_of(expected)
        for name in ("left", "right", "n_probed", "reach", "itself"):
            assert getattr(search, name) == getattr(expected, name)
    assert written(again) == written(NEAR)


@pytest.mark.parametrize("n_bytes", [0, 10, 300, -30])
def test_a_damaged_file_counts_as_none(tmp_path, n_bytes):
    (tmp_path / "near").write_bytes(written(NEAR)[:n_bytes])
    assert NearPairs.read(tmp_path / "near") is None


def test_so_does_one_of_another_version_or_none(tmp_path, monkeypatch):
    assert NearPairs.read(tmp_path / "near") is None
    with monkeypatch.context() as patch:
        patch.setattr(earlier, "_VERSION", 1)
        (tmp_path / "near").write_bytes(written(NEAR))
    assert NearPairs.read(tmp_path / "near") is None


@given(
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 2))),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 4)).filter(lambda pair: pair[0] < pair[1])),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_records_are_taken_out(across, within, stays):
    near = NearPairs("f00d", MARKS, (a_search("a", "b", 4, across), a_search("a", "a", 4, within)))
    now = np.cumsum(stays) - 1
    left = near.without("a", np.array(stays))
    assert left.marks["a"].tolist() == MARKS["a"][stays].tolist()
    assert left.marks["b"].tolist() == MARKS["b"].tolist()
    assert [search.n_probed for search in left.searches] == [sum(stays[:4])] * 2
    assert pairs_of(left.searches[0]) == {(now[a], b) for a, b in across if stays[a]}
    assert pairs_of(left.searches[1]) == {(now[a], now[b]) for a, b in within if stays[a] and stays[b]}
    swapped = NearPairs("f00d", MARKS, (a_search("b", "a", 3, {(b, a) for a, b in across}),)).without(
        "a", np.array(stays)
    )
    assert pairs_of(swapped.searches[0]) == {(b, now[a]) for a, b in across if stays[a]}
    assert swapped.searches[0].n_probed == 3


MARKED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True)


@given(MARKED, MARKED)
def test_rows_before(before, now):
    """Marks that agree by half are as rare as they can be; what is found is right, and all is found without them."""
    both = (np.array(marks, np.uint64).reshape(-1, 2) for marks in (before, now))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earlier, "_AT_ONCE", 5)
        rows = rows_before(*both).tolist()
    alone = {mark[0] for mark in before if [m[0] for m in before].count(mark[0]) == 1}
    for mark, row in zip(now, rows, strict=True):
        assert row == -1 or before[row] == mark
        assert row >= 0 or mark not in before or mark[0] not in alone
