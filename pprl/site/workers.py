"""Cleaning and encoding of chunks, in this process or in several; results come in the order of the chunks.

Most of the time of `pprl tokenise` goes into loops of Python over distinct values, which hold the interpreter lock;
hence processes, not threads. They are started only where there is more than one chunk, get the fields without the
local ids, look at no file, and end with this process, however it ends.
"""

from __future__ import annotations

import datetime
import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pprl.errors import PprlError
from pprl.guid import GUID_BYTES
from pprl.schema import Schema
from pprl.site.encode import Encoder
from pprl.site.keys import KeyTree
from pprl.site.normalise import DateOrder, FieldCounts, normalise

MAX_WORKERS = 8  # beyond that, reading and sorting in the one process are what takes the time

Chunk = tuple[pa.RecordBatch, npt.NDArray[np.uint8]]
"""A string column for each field, and the records' GUIDs, shape (n, 16)."""
Encoded = tuple[pa.RecordBatch, Mapping[str, FieldCounts]]
"""Tokens, and what became of the values of each field."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a chunk needs to become tokens.

    Attributes
    ----------
    schema : Schema
        The linkage schema.
    keys : KeyTree
        The linkage key's tree for it; secret, but for `repr`.
    date_order : {"ymd", "dmy", "mdy"}
        How dates in figures with the year last are read.
    today : datetime.date
        Birth dates after it are invalid.
    """

    schema: Schema
    keys: KeyTree
    date_order: DateOrder
    today: datetime.date


def default_workers() -> int:
    """The processors this process may use, at most `MAX_WORKERS`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MAX_WORKERS)


def encode_chunks(chunks: Iterable[Chunk], recipe: Recipe, *, workers: int) -> Generator[Encoded]:
    """Clean and encode chunks.

    Parameters
    ----------
    chunks : iterable of (pyarrow.RecordBatch, ndarray)
        Read ahead of the results by ``workers`` + 1 at most.
    recipe : Recipe
        The same for all.
    workers : int
        Processes; 1 is this one.

    Yields
    ------
    tuple of (pyarrow.RecordBatch, mapping)
        One for each chunk, in order. The same for every number of workers.

    Raises
    ------
    PprlError
        Where a worker cannot be started, or was killed.
    """
    chunks = iter(chunks)
    begun = list(itertools.islice(chunks, 1 if workers == 1 else 2))
    everything = itertools.chain(begun, chunks)
    if len(begun) < 2:
        cook = _Cook(recipe)
        yield from (cook(fields, guids) for fields, guids in everything)
        return
    with _pool(recipe, workers) as pool:
        ahead: deque[Future[Encoded]] = deque()
        try:
            for fields, guids in everything:
                ahead.append(_submit(pool, _Packed.of(fields, guids)))
                if len(ahead) > workers + 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool:
            raise PprlError(
                "a worker process was killed, for want of memory perhaps; try again with --workers 1"
            ) from None


class _Cook:
    """A recipe with its encoder, whose tables serve all chunks."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._encoder = recipe, Encoder(recipe.schema, recipe.keys)

    def __call__(self, fields: pa.RecordBatch, guids: npt.NDArray[np.uint8]) -> Encoded:
        recipe = self._recipe
        cleaned = normalise(fields, recipe.schema, date_order=recipe.date_order, today=recipe.today)
        return self._encoder.encode(cleaned.batch, guids), cleaned.counts


@dataclass(frozen=True, slots=True)
class _Packed:
    """A chunk on its way to a worker, as Arrow messages, which hold its own rows only."""

    columns: pa.Schema
    fields: bytes
    guids: bytes

    @classmethod
    def of(cls, fields: pa.RecordBatch, guids: npt.NDArray[np.uint8]) -> _Packed:
        return cls(fields.schema, fields.serialize().to_pybytes(), guids.tobytes())

    def unpacked(self) -> Chunk:
        guids = np.frombuffer(self.guids, dtype=np.uint8).reshape(-1, GUID_BYTES)
        return pa.ipc.read_record_batch(pa.py_buffer(self.fields), self.columns), guids


@contextmanager
def _pool(recipe: Recipe, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes: a fork of this one could inherit a lock of one of Arrow's threads."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(recipe,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, chunk: _Packed) -> Future[Encoded]:
    # This may start a process. An interrupt at the keyboard goes to all of them: the workers, who inherit the mask,
    # leave it to this one.
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_in_worker, chunk)
    except OSError as error:
        raise PprlError(f"no worker process can be started ({error.strerror}); try --workers 1") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


_cook: _Cook | None = None


def _begin(recipe: Recipe) -> None:
    global _cook
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _cook = _Cook(recipe)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_worker(chunk: _Packed) -> Encoded:
    if _cook is None:
        raise AssertionError("a worker has begun with its recipe")
    return _cook(*chunk.unpacked())
