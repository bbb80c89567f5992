"""Token tables as arrays, in memory and in a scratch file: the same arrays, and nothing left on the disk."""

from __future__ import annotations

import errno
import mmap
import os
import re
import stat
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker import intake, token_arrays
from broker.intake import Register, take_in
from broker.matching.dataset import Dataset
from broker.token_arrays import TokenArrays, drop_pages, row_bytes
from pprl.errors import CorruptError, PprlError
from pprl.files import scratch_file
from pprl.guid import new_guids
from pprl.schema.columns import token_columns

from .tokens import BROKER, NOW, a_schema, as_dataset, encode, pack

PROFILES = ["standard", "fields", "tokens"]


@pytest.fixture(scope="module")
def records(town):
    return town.records[0][:50]


def arrays_of(dataset: Dataset) -> dict[str, np.ndarray]:
    keys = [column for columns in dataset.keys for column in columns]
    return {
        "guids": dataset.guids,
        "presence": dataset.presence,
        **dataset.filters,
        **dataset.exact,
        **dict(enumerate(keys)),
    }


def filled(schema, batches, *, folder=None) -> dict[str, np.ndarray]:
    n_records = sum(batch.num_rows for batch in batches)
    if folder is None:
        arrays = TokenArrays(schema, n_records, file=None, folder=Path())
        for batch in batches:
            arrays.append(batch)
        return arrays.finish()
    with scratch_file(folder) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
        arrays = TokenArrays(schema, n_records, file=file, folder=folder)
        for batch in batches:
            arrays.append(batch)
        return arrays.finish()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("where", ["memory", "file"])
def test_batches_of_any_shape_give_the_same_arrays(tmp_path, records, profile, where):
    schema = a_schema(profile)
    whole = encode(schema, records, "a")
    cuts = [0, 0, 1, 18, 18, 31, 50]
    batches = [whole.slice(start, stop - start) for start, stop in pairwise(cuts)]
    assert any(batch.column(0).offset for batch in batches)
    found = filled(schema, batches, folder=tmp_path if where == "file" else None)
    expected = as_dataset(schema, whole, "a")
    assert list(found) == token_columns(schema).names
    for array, wanted in zip(found.values(), arrays_of(expected).values(), strict=True):
        assert array.dtype == wanted.dtype
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable
        np.testing.assert_array_equal(array, wanted)
    assert list(tmp_path.iterdir()) == []  # the arrays are alive, the file has no name


def test_null_is_zero(records):
    batch = encode(a_schema("fields"), [{}, *records], "a")
    nullable = [field.name for field in token_columns(a_schema("fields")) if field.nullable]
    found = filled(a_schema("fields"), [batch])
    assert nullable
    for name in nullable:
        assert batch.column(name)[0].as_py() is None
        assert found[name][0] == 0


def test_a_record_takes_what_its_columns_do(records):
    schema = a_schema("fields")
    found = filled(schema, [encode(schema, records, "a")])
    assert sum(array.nbytes for array in found.values()) == len(records) * row_bytes(schema)


def test_fewer_records_than_said(records):
    schema = a_schema()
    arrays = TokenArrays(schema, len(records) + 1, file=None, folder=Path())
    arrays.append(encode(schema, records, "a"))
    with pytest.raises(ValueError, match="50 records came of 51"):
        arrays.finish()


def test_letting_go_of_pages_keeps_the_content(tmp_path, records):
    schema = a_schema()
    batch = encode(schema, records, "a")
    found, kept = filled(schema, [batch], folder=tmp_path), filled(schema, [batch])
    found["presence"][3] += 1
    drop_pages(*found.values(), *kept.values(), found["record_guid"][5:])
    kept["presence"][3] += 1
    for name, array in found.items():
        np.testing.assert_array_equal(array, kept[name])


@pytest.fixture
def two(tmp_path, records):
    """Two packages of 50 records, the folder for scratch, and the bytes of the tokens of one."""
    for name in "ab":
        pack(tmp_path / f"{name}.pprl", a_schema(), records)
    (tmp_path / "scratch").mkdir()
    return [tmp_path / "a.pprl", tmp_path / "b.pprl"], tmp_path / "scratch", 50 * row_bytes(a_schema())


def take(paths, **more):
    register = Register(paths[0].with_name("register.json"))
    return take_in(paths, BROKER, trusted=None, register=register, now=NOW, **more)


def in_file(dataset: Dataset) -> bool:
    kinds = {isinstance(array.base, mmap.mmap) for array in arrays_of(dataset).values()}
    assert len(kinds) == 1
    return kinds.pop()


@pytest.mark.parametrize(
    ("times", "expected"), [(0, [True, True]), (1, [False, True]), (1.9, [False, True]), (2, [False, False])]
)
def test_packages_are_held_in_memory_as_long_as_they_fit(two, times, expected):
    paths, scratch, n_bytes = two
    found = take(paths, scratch=scratch, bytes_in_memory=int(times * n_bytes))
    assert [in_file(delivery.dataset) for delivery in found] == expected
    for one, other in zip(found, take(paths), strict=True):
        assert not in_file(other.dataset)
        wanted = arrays_of(other.dataset)
        for name, array in arrays_of(one.dataset).items():
            np.testing.assert_array_equal(array, wanted[name])
    assert list(scratch.iterdir()) == []


def test_scratch_goes_beside_the_register_where_nothing_else_is_said(two, monkeypatch):
    paths, _, _ = two
    asked = []
    monkeypatch.setattr(intake, "scratch_file", lambda folder: asked.append(folder) or scratch_file(folder))
    take(paths[:1], bytes_in_memory=0)
    assert asked == [paths[0].parent]


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_a_full_disk_is_one_clear_error(two, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    paths, scratch, _ = two
    monkeypatch.setattr(os, call, full)
    with pytest.raises(PprlError) as caught:
        take(paths, scratch=scratch, bytes_in_memory=0)
    assert re.fullmatch(
        rf"{re.escape(str(scratch))}: cannot hold 0\.0 GB of tokens while they are linked "
        r"\(No space left on device\); make room, or have them in a folder on another disk",
        str(caught.value),
    )
    assert list(scratch.iterdir()) == []
    assert not paths[0].with_name("register.json").exists()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_disk_that_cannot_reserve_room(two, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "no")

    paths, scratch, _ = two
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert in_file(take(paths, scratch=scratch, bytes_in_memory=0)[0].dataset)


def test_a_disk_that_takes_little_at_a_time(two, monkeypatch):
    paths, scratch, _ = two
    write = os.pwrite
    monkeypatch.setattr(token_arrays.os, "pwrite", lambda file, data, place: write(file, data[:1000], place))
    for one, other in zip(take(paths, scratch=scratch, bytes_in_memory=0), take(paths), strict=True):
        wanted = arrays_of(other.dataset)
        for name, array in arrays_of(one.dataset).items():
            np.testing.assert_array_equal(array, wanted[name])


def test_a_folder_that_is_not_there(two):
    paths, scratch, _ = two
    with pytest.raises(PprlError, match="elsewhere: cannot be written"):
        take(paths, scratch=scratch / "elsewhere", bytes_in_memory=0)


def test_damage_leaves_nothing(two):
    paths, scratch, _ = two
    content = bytearray(paths[1].read_bytes())
    content[-20] ^= 1
    paths[1].write_bytes(content)
    with pytest.raises(CorruptError, match=r"b\.pprl"):
        take(paths, scratch=scratch, bytes_in_memory=0)
    assert list(scratch.iterdir()) == []


# GUIDs of few different bytes, so that halves and wholes meet.
FEW = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30)


@given(FEW)
@example([(1, 2), (1, 3), (2, 2)])
@example([(1, 2), (2, 1), (1, 2)])
def test_equal_guids_are_found_in_any_order(halves):
    guids = np.zeros((len(halves), 16), dtype=np.uint8)
    for row, (first, second) in zip(guids, halves, strict=True):
        row[7], row[15] = first, second
    texts = [row.tobytes() for row in guids]
    assert intake._has_equal(guids) == (len(set(texts)) < len(texts))
    assert intake._ascending(guids) == all(one < other for one, other in pairwise(texts))


def test_order_is_seen_over_the_cuts(monkeypatch):
    monkeypatch.setattr(intake, "_ROWS_AT_ONCE", 7)
    guids = new_guids(50, random_bytes=np.random.default_rng(3).bytes)
    guids = guids[np.lexsort(guids.T[::-1])]
    assert intake._ascending(guids)
    for place in range(49):
        changed = guids.copy()
        changed[place] = guids[place + 1]
        assert not intake._ascending(changed)


@pytest.mark.parametrize("where", ["memory", "file"])
def test_a_package_in_another_order_is_accepted(two, records, where):
    (path, _), scratch, _ = two
    batch = encode(a_schema(), records, "a")
    rows = np.random.default_rng(1).permutation(50)
    pack(path, a_schema(), records, batches=[batch.take(rows)])
    (found,) = take([path], scratch=scratch, bytes_in_memory=0 if where == "file" else 2**30)
    assert not intake._ascending(found.dataset.guids)
    expected = as_dataset(a_schema(), batch, "a")
    np.testing.assert_array_equal(found.dataset.guids, expected.guids[rows])
