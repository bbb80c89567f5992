"""Chunks in worker processes: the same results in the same order, and no process left over."""

from __future__ import annotations

import datetime
import multiprocessing
import pickle

import pyarrow as pa
import pytest

from pprl.errors import PprlError
from pprl.guid import new_guids
from pprl.schema import parse_schema
from pprl.site.keys import LinkageKey
from pprl.site.workers import MAX_WORKERS, Recipe, default_workers, encode_chunks

SCHEMA = parse_schema('[linkage]\nproject = "p"\nepoch = "1"\nfields = ["surname", "birth_date"]\n')
RECIPE = Recipe(SCHEMA, LinkageKey("p", "1", b"\x07" * 32).tree(SCHEMA), "dmy", datetime.date(2026, 7, 25))


def a_chunk(number):
    surnames = [f"Name{'abcdefgh'[number]}{letter}" for letter in "uvwxyz"]
    births = [f"{day:02d}/11/1980" for day in range(1, 7)]
    fields = pa.record_batch([pa.array(surnames), pa.array(births)], names=["surname", "birth_date"])
    return fields.slice(number % 3), new_guids(6)[number % 3 :]


def test_processes_give_what_this_process_gives():
    chunks = [a_chunk(number) for number in range(8)]
    alone = list(encode_chunks(chunks, RECIPE, workers=1))
    helped = list(encode_chunks(chunks, RECIPE, workers=2))
    assert [counts for _, counts in helped] == [counts for _, counts in alone]
    assert all(a.equals(b) for (a, _), (b, _) in zip(helped, alone, strict=True))
    assert len(helped) == 8
    assert alone[0][1]["birth_date"].present == 6
    assert multiprocessing.active_children() == []


def test_one_chunk_starts_no_process(monkeypatch):
    monkeypatch.setattr("pprl.site.workers._pool", None)
    ((tokens, _),) = encode_chunks(iter([a_chunk(0)]), RECIPE, workers=4)
    assert tokens.num_rows == 6
    assert list(encode_chunks(iter([]), RECIPE, workers=4)) == []


def test_reading_goes_only_little_ahead():
    taken = []

    def chunks():
        for number in range(8):
            taken.append(number)
            yield a_chunk(number)

    encoded = encode_chunks(chunks(), RECIPE, workers=2)
    next(encoded)
    assert len(taken) == 4
    encoded.close()  # as when what follows fails
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed():
    def chunks():
        yield a_chunk(0)
        yield a_chunk(1)
        yield a_chunk(2)
        for child in multiprocessing.active_children():
            child.kill()
        yield a_chunk(3)

    with pytest.raises(PprlError, match=r"worker process was killed.*--workers 1"):
        list(encode_chunks(chunks(), RECIPE, workers=2))
    assert multiprocessing.active_children() == []


def test_no_process_can_be_started(monkeypatch):
    def refuse(*_):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("pprl.site.workers.ProcessPoolExecutor.submit", refuse)
    with pytest.raises(PprlError, match=r"no worker process can be started .* --workers 1"):
        list(encode_chunks([a_chunk(0), a_chunk(1)], RECIPE, workers=2))


def test_a_recipe_shows_no_key():
    assert b"\x07" * 32 in pickle.dumps(RECIPE)  # which the workers get, by a pipe
    for text in (repr(RECIPE), str(RECIPE)):
        assert "x07" not in text
        assert "07" * 32 not in text


def test_default_workers():
    assert 1 <= default_workers() <= MAX_WORKERS
