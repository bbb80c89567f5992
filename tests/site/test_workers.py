"""Chunks in worker processes: the same results in the same order, and no process left over."""

from __future__ import annotations

import datetime
import multiprocessing
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pprl.errors import PprlError
from pprl.schema import parse_schema
from pprl.schema.columns import token_columns
from pprl.site.keys import LinkageKey
from pprl.site.shuffle import GuidOrder
from pprl.site.workers import MAX_WORKERS, Chunk, Recipe, default_workers, encode_chunks

SCHEMA = parse_schema('[linkage]\nproject = "p"\nepoch = "1"\nfields = ["surname", "birth_date"]\n')
RECIPE = Recipe(SCHEMA, LinkageKey("p", "1", b"\x07" * 32).tree(SCHEMA), "dmy", datetime.date(2026, 7, 25))


def a_chunk(number):
    surnames = [f"Name{'abcdefgh'[number]}{letter}" for letter in "uvwxyz"]
    births = [f"{day:02d}/11/1980" for day in range(1, 7)]
    fields = pa.record_batch([pa.array(surnames), pa.array(births)], names=["surname", "birth_date"])
    guids = np.full((6, 16), number, np.uint8)
    guids[:, 15] = range(6)
    return Chunk(6 * number, fields.slice(number % 3), guids[number % 3 :])


@pytest.fixture
def scratch():
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def encoded(chunks, *, workers):
    """Counts, and all tokens in order, as from the scratch file."""
    with tempfile.TemporaryFile() as file:
        rows, counts = GuidOrder(token_columns(SCHEMA), file.fileno()), []
        for done in encode_chunks(chunks, RECIPE, scratch=file.fileno(), workers=workers):
            rows.add(done.first_row, done.cuts)
            counts.append(done.counts)
        return counts, list(rows)


def test_processes_give_what_this_process_gives():
    chunks = [a_chunk(number) for number in range(8)]
    alone, helped = encoded(chunks, workers=1), encoded(chunks, workers=2)
    assert helped == alone
    counts, batches = alone
    assert len(counts) == 8
    assert counts[0]["birth_date"].present == 6
    assert sum(batch.num_rows for batch in batches) == 6 + 5 + 4 + 6 + 5 + 4 + 6 + 5
    assert multiprocessing.active_children() == []


def test_one_chunk_starts_no_process(monkeypatch):
    monkeypatch.setattr("pprl.site.workers._pool", None)
    (counts,), (batch,) = encoded(iter([a_chunk(0)]), workers=4)
    assert batch.num_rows == counts["surname"].present == 6
    assert encoded(iter([]), workers=4) == ([], [])


def test_a_worker_that_cannot_write_says_why():
    with Path("/dev/full").open("wb") as full, pytest.raises(OSError, match="No space left on device"):
        list(encode_chunks([a_chunk(0), a_chunk(1)], RECIPE, scratch=full.fileno(), workers=2))
    assert multiprocessing.active_children() == []


def test_reading_goes_only_little_ahead(scratch):
    taken = []

    def chunks():
        for number in range(8):
            taken.append(number)
            yield a_chunk(number)

    encoded = encode_chunks(chunks(), RECIPE, scratch=scratch, workers=2)
    next(encoded)
    assert len(taken) == 4
    encoded.close()  # as when what follows fails
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed(scratch):
    def chunks():
        yield a_chunk(0)
        yield a_chunk(1)
        yield a_chunk(2)
        for child in multiprocessing.active_children():
            child.kill()
        yield a_chunk(3)

    with pytest.raises(PprlError, match=r"worker process was killed.*--workers 1"):
        list(encode_chunks(chunks(), RECIPE, scratch=scratch, workers=2))
    assert multiprocessing.active_children() == []


def test_no_process_can_be_started(scratch, monkeypatch):
    def refuse(*_):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("pprl.site.workers.ProcessPoolExecutor.submit", refuse)
    with pytest.raises(PprlError, match=r"no worker process can be started .* --workers 1"):
        list(encode_chunks([a_chunk(0), a_chunk(1)], RECIPE, scratch=scratch, workers=2))


def test_a_recipe_shows_no_key():
    assert b"\x07" * 32 in pickle.dumps(RECIPE)  # which the workers get, by a pipe
    for text in (repr(RECIPE), str(RECIPE)):
        assert "x07" not in text
        assert "07" * 32 not in text


def test_default_workers():
    assert 1 <= default_workers() <= MAX_WORKERS
