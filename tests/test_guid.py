from __future__ import annotations

import io
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.guid import from_characters, from_text, new_guids, to_characters, to_text


@given(st.integers(0, 50), st.binary(min_size=800, max_size=800))
def test_every_guid_is_a_version_4_uuid_with_the_given_bits(n, noise):
    guids = new_guids(n, random_bytes=lambda k: noise[:k])
    assert guids.shape == (n, 16)
    assert guids.dtype == np.uint8
    for number, text in enumerate(to_text(guids)):
        read = uuid.UUID(text)
        assert read.version == 4
        assert read.variant == uuid.RFC_4122
        drawn = uuid.UUID(bytes=noise[16 * number : 16 * number + 16], version=4)
        assert read == drawn


def test_guids_differ():
    texts = to_text(new_guids(1000))
    assert len(set(texts)) == 1000


def test_the_result_may_be_written_to():
    guids = new_guids(2)
    guids[0] = 0
    assert to_text(guids)[0] == "00000000-0000-0000-0000-000000000000"


@given(st.lists(st.uuids()))
def test_text_round_trip(uuids):
    texts = [str(u) for u in uuids]
    assert to_text(from_text(texts)) == texts
    assert from_text(texts).shape == (len(texts), 16)


@given(st.lists(st.uuids()))
def test_characters_round_trip(uuids):
    guids = from_text([str(u) for u in uuids])
    assert np.array_equal(from_characters(to_characters(guids)), guids)
    upper = np.array([list(str(u).upper().encode()) for u in uuids], np.uint8).reshape(-1, 36)
    assert np.array_equal(from_characters(upper), guids)


@given(st.uuids(), st.integers(0, 35), st.integers(0, 255))
def test_characters_that_are_no_guid(drawn, place, character):
    characters = np.array([list(str(drawn).encode())], np.uint8)
    characters[0, place] = character
    try:
        read = (
            uuid.UUID(characters.tobytes().decode("latin-1"))
            if characters[0, [8, 13, 18, 23]].tobytes() == b"----"
            else None
        )
    except ValueError:
        read = None
    if read is None:
        with pytest.raises(ValueError, match="not a GUID"):
            from_characters(characters)
    else:
        assert from_characters(characters).tobytes() == read.bytes


@given(st.lists(st.uuids()))
def test_characters_are_those_of_the_text(uuids):
    characters = to_characters(from_text([str(u) for u in uuids]))
    assert characters.shape == (len(uuids), 36)
    assert characters.flags.c_contiguous
    assert characters.tobytes().decode() == "".join(str(u) for u in uuids)


def test_many_guids_are_drawn_piece_by_piece():
    noise = np.random.default_rng(0).bytes(16 * 150_000)
    left = io.BytesIO(noise)
    guids = new_guids(150_000, random_bytes=left.read)
    drawn = np.frombuffer(noise, dtype=np.uint8).reshape(-1, 16)
    bits = np.array([0xFF] * 6 + [0x0F, 0xFF, 0x3F] + [0xFF] * 7, dtype=np.uint8)
    assert np.array_equal(guids & bits, drawn & bits)
    assert left.read() == b""


def test_a_view_that_is_not_contiguous_is_written_right():
    guids = new_guids(6)
    assert to_text(guids[::2]) == to_text(guids)[::2]


@pytest.mark.parametrize("bad", ["", "not-a-guid", "00000000-0000-0000-0000-00000000000g", None, 99])
def test_what_is_no_guid_is_refused_and_not_repeated(bad):
    with pytest.raises(ValueError, match="not a GUID") as caught:
        from_text([str(uuid.uuid4()), bad])
    assert str(bad) not in str(caught.value) or not str(bad)
