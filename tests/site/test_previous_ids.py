"""GUIDs that last over deliveries: against a dict, and what is refused."""

from __future__ import annotations

import random
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.errors import InputError
from pprl.files import scratch_file
from pprl.guid import new_guids, to_text
from pprl.site import previous_ids
from pprl.site.ids_file import HEADER, ids_lines
from pprl.site.previous_ids import PreviousIds

A, B = "0b2c6a0e-8d2e-4f6b-9f5e-111111111111", "0b2c6a0e-8d2e-4f6b-9f5e-222222222222"


def fresh(n, seed=1):
    return new_guids(n, random_bytes=random.Random(seed).randbytes)


def write(path, local_ids, guids):
    path.write_bytes(HEADER + ids_lines(guids, pa.array(local_ids, pa.string())))


def read(path, stack, **settings):
    scratch, ordered = (stack.enter_context(scratch_file(Path(tempfile.gettempdir()))) for _ in range(2))
    return PreviousIds(path, scratch, ordered, **settings)


def kept(previous, *chunks):
    """The GUIDs that chunks of local ids get, beside the fresh ones they had."""
    found = {}
    for number, chunk in enumerate(chunks):
        before = fresh(len(chunk), seed=100 + number)
        after = before.copy()
        previous.keep(pa.array(chunk, pa.string()), after)
        found |= dict(zip(chunk, zip(to_text(before), to_text(after), strict=True), strict=True))
    return found


LOCAL_IDS = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool), unique=True
)


@given(before=LOCAL_IDS.filter(len), now=LOCAL_IDS, seed=st.integers(0, 99))
def test_known_ids_keep_their_guids_and_others_get_fresh_ones(tmp_path_factory, before, now, seed):
    path = tmp_path_factory.mktemp("ids") / "last.ids.csv"
    order = [text for text in before if "\0" not in text and "\r" not in text] or ["x"]
    now = [*now, *order[: seed % (len(order) + 1)]]
    now = list(dict.fromkeys(now))
    guids = fresh(len(order))
    write(path, order, guids)
    known = dict(zip(order, to_text(guids), strict=True))
    half = len(now) // 2
    with ExitStack() as stack:
        previous = read(path, stack)
        for local_id, (drawn, given_out) in kept(previous, now[:half], now[half:]).items():
            assert given_out == known.get(local_id, drawn)
        assert previous.n_ids == len(order)
        assert previous.n_kept == len(set(now) & set(order))


def test_many_ids_in_chunks(tmp_path):
    """More than the pieces of the scratch files, read in several blocks."""
    local_ids = [f"{number:07d}" for number in range(150_000)]
    guids = fresh(len(local_ids))
    write(tmp_path / "last.ids.csv", local_ids, guids)
    order = np.random.default_rng(1).permutation(len(local_ids))
    after = fresh(len(local_ids), seed=2)
    bytes_read = []
    with ExitStack() as stack:
        previous = read(tmp_path / "last.ids.csv", stack, advance=bytes_read.append)
        previous.keep(pa.array([local_ids[number] for number in order]), after)
        assert previous.n_kept == len(local_ids)
    assert np.array_equal(after, guids[order])
    assert sum(bytes_read) == (tmp_path / "last.ids.csv").stat().st_size


def test_ids_whose_first_halves_of_the_hash_agree(tmp_path, monkeypatch):
    """What never happens: only the second half tells them apart."""

    def poor(local_ids):
        halves = np.zeros((len(local_ids), 2), ">u8")
        halves[:, 1] = [int(text) for text in local_ids.to_pylist()]
        halves[:, 0] = halves[:, 1] // 4
        return halves.view(np.uint8)

    monkeypatch.setattr(previous_ids, "_hashes", poor)
    local_ids = [str(number) for number in range(0, 40, 2)]
    guids = fresh(len(local_ids))
    write(tmp_path / "last.ids.csv", local_ids, guids)
    known = dict(zip(local_ids, to_text(guids), strict=True))
    with ExitStack() as stack:
        previous = read(tmp_path / "last.ids.csv", stack)
        found = kept(previous, [str(number) for number in range(50)])
    assert {local: given for local, (drawn, given) in found.items() if given != drawn} == known


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "last.csv: there is no such file"),
        ("", "last.csv: the file is empty; a header and records are needed"),
        ("record_guid,local_id\n", "last.csv: holds no ids"),
        (
            "MRN,surname\n7,Weber\n",
            "last.csv: is no ids file, which begins with record_guid,local_id; name the one that was written with the "
            "last package",
        ),
        (
            f"record_guid,local_id\n{A},7\n\n{B[:-1]},9\n",
            "last.csv, row 4, column 'record_guid': not a GUID; 36 characters are expected; "
            "name the ids file as it was written",
        ),
        (
            f"record_guid,local_id\n{A},7\n{B[:-1]}g,9\n",
            "last.csv, row 3, column 'record_guid': not a GUID; 36 characters are expected; "
            "name the ids file as it was written",
        ),
        (
            f"record_guid,local_id\n{A},7\n,9\n",
            "last.csv, row 3, column 'record_guid': not a GUID; 36 characters are expected; "
            "name the ids file as it was written",
        ),
        (
            f"record_guid,local_id\n{A},7\n{B},\n",
            "last.csv, row 3, column 'local_id': no local id; name the ids file as it was written",
        ),
        (
            f"record_guid,local_id\n{A},7\n{B},7\n",
            "last.csv, row 3, column 'local_id': the local id stands in row 2 already; name the ids file as it was "
            "written",
        ),
        (
            f"record_guid,local_id\n{A},7\n{A.upper()},9\n",
            "last.csv, row 3, column 'record_guid': the GUID stands in row 2 already; "
            "name the ids file as it was written",
        ),
        (
            f"record_guid,local_id\n{A},7,8\n",
            "last.csv, row 2: expected 2 values as in the header, found 3; quote values that hold the delimiter",
        ),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "last.csv").write_text(content)
    with ExitStack() as stack, pytest.raises(InputError) as caught:
        read("last.csv", stack)
    assert str(caught.value) == message


def test_a_folder(tmp_path):
    with ExitStack() as stack, pytest.raises(InputError, match="is a folder; name the file"):
        read(tmp_path, stack)
