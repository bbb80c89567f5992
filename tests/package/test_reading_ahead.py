"""A worker opens the payload ahead of the reader: a bounded way, in order, and not longer than the package is open."""

from __future__ import annotations

import threading

import pytest

from pprl.errors import CorruptError
from pprl.package import open_package, reader
from pprl.package.age import read_header
from pprl.package.age.stream import CHUNK_BYTES, NONCE_BYTES, TAG_BYTES, StreamReader

PER_BLOCK, BLOCKS = 2, 3


@pytest.fixture
def opened(monkeypatch):
    """Small blocks; gives the numbers of bytes opened so far, one entry a chunk."""
    monkeypatch.setattr(reader, "_CHUNKS_IN_BLOCK", PER_BLOCK)
    monkeypatch.setattr(reader, "_BLOCKS_AHEAD", BLOCKS)
    chunks = []
    each = StreamReader.__iter__

    def counted(self):
        for chunk in each(self):
            chunks.append(len(chunk))
            yield chunk

    monkeypatch.setattr(StreamReader, "__iter__", counted)
    return chunks


@pytest.fixture
def path(tmp_path, pack, stream, batch):
    """Five batches of about 160 KB."""
    pack(table=stream(*(batch(800, seed) for seed in range(5))))
    return tmp_path / "a.pprl"


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("pprl-unseal")]


def test_ahead_is_bounded(path, broker, now, opened):
    with open_package(path, broker, trusted=None, now=now) as package:
        n_read = 0
        for number, one in enumerate(package):
            n_read += one.nbytes
            # What is read, what is being read, and the blocks ahead; not the whole package at once.
            assert sum(opened) <= n_read + (2 + PER_BLOCK * (BLOCKS + 1)) * CHUNK_BYTES
            if number == 0:
                assert sum(opened) < package.manifest.payload_bytes
        assert sum(opened) > package.manifest.payload_bytes - CHUNK_BYTES
    assert workers() == []


def test_a_pass_left_half_way_gives_way_to_the_next(path, broker, now, opened, batch):
    with open_package(path, broker, trusted=None, now=now) as package:
        abandoned = iter(package)
        assert next(abandoned) == batch(800, 0)
        package.verify()
        assert list(package) == [batch(800, seed) for seed in range(5)]
        with pytest.raises(RuntimeError):
            list(abandoned)


def test_no_worker_outlives_the_package(path, broker, now, opened):
    with open_package(path, broker, trusted=None, now=now) as package:
        half_way = iter(package)
        next(half_way)
        assert len(workers()) == 1
    assert workers() == []
    n_opened = len(opened)
    half_way.close()
    assert len(opened) == n_opened


@pytest.mark.parametrize("chunk", [0, 1, 4, 9])
def test_an_error_ahead_comes_in_its_turn(path, broker, now, opened, batch, chunk):
    with path.open("rb") as file:
        start = read_header(file).n_bytes + NONCE_BYTES
    content = bytearray(path.read_bytes())
    content[start + chunk * (CHUNK_BYTES + TAG_BYTES)] ^= 1
    path.write_bytes(content)
    found = []
    with (
        open_package(path, broker, trusted=None, now=now) as package,
        pytest.raises(CorruptError, match=r"a\.pprl: its payload was changed or is cut off; copy it again$"),
    ):
        found.extend(package)
    # Whole batches before the block of the damage come out, and none that reaches behind the damage.
    size = batch(800).nbytes
    assert (chunk - chunk % PER_BLOCK) * CHUNK_BYTES // size - 1 <= len(found) <= chunk * CHUNK_BYTES // size
    assert found == [batch(800, seed) for seed in range(len(found))]
    assert workers() == []
