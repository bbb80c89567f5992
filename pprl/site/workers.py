"""Cleaning and encoding of chunks, in this process or in several; results come in the order of the chunks.

Most of the time of `pprl tokenise` goes into hashing values one by one, which holds the interpreter lock; hence
processes, not threads. They are started only where there is more than one chunk, get the fields without the local ids,
write tokens to the scratch file of this process and look at no other, and end with this process, however it ends.
"""

from __future__ import annotations

import datetime
import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pprl.errors import PprlError
from pprl.guid import GUID_BYTES
from pprl.schema import Schema
from pprl.site.encode import Encoder
from pprl.site.keys import KeyTree
from pprl.site.normalise import DateOrder, FieldCounts, normalise
from pprl.site.shuffle import Cuts, write_rows
from pprl.site.strata import Classified, classify

MAX_WORKERS = 8  # beyond that, reading and sorting in the one process are what takes the time


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records to be encoded.

    Attributes
    ----------
    first_row : int
        Its place in the scratch file, from `GuidOrder.reserve`.
    fields : pyarrow.RecordBatch
        A string column for each field, and for each stratum with a column of its own.
    guids : ndarray of uint8, shape (n, 16)
        The records' GUIDs.
    """

    first_row: int
    fields: pa.RecordBatch
    guids: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A chunk whose tokens are in the scratch file.

    Attributes
    ----------
    first_row : int
        As in the chunk.
    cuts : Cuts
        For `GuidOrder.add`.
    counts : mapping of str to FieldCounts
        What became of the values of each field.
    strata : Classified
        The records' strata, but for their codes, which are in the scratch file.
    """

    first_row: int
    cuts: Cuts
    counts: Mapping[str, FieldCounts]
    strata: Classified


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


def encode_chunks(
    chunks: Iterable[Chunk], recipe: Recipe, *, scratch: int, workers: int
) -> Generator[Encoded]:
    """Clean and encode chunks, and write their tokens to the scratch file.

    Parameters
    ----------
    chunks : iterable of Chunk
        Read ahead of the results by ``workers`` + 1 at most.
    recipe : Recipe
        The same for all.
    scratch : int
        Descriptor of the file.
    workers : int
        Processes; 1 is this one.

    Yields
    ------
    Encoded
        One for each chunk, in order. The same for every number of workers.

    Raises
    ------
    PprlError
        Where a worker cannot be started, or was killed.
    OSError
        Where the scratch file cannot be written.
    """
    chunks = iter(chunks)
    begun = list(itertools.islice(chunks, 1 if workers == 1 else 2))
    everything = itertools.chain(begun, chunks)
    if len(begun) < 2:
        yield from map(_Cook(recipe, scratch), everything)
        return
    with _pool(recipe, scratch, workers) as pool:
        ahead: deque[Future[Encoded]] = deque()
        try:
            for chunk in everything:
                ahead.append(_submit(pool, _Packed.of(chunk)))
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

    def __init__(self, recipe: Recipe, scratch: int) -> None:
        self._recipe, self._encoder, self._scratch = recipe, Encoder(recipe.schema, recipe.keys), scratch

    def __call__(self, chunk: Chunk) -> Encoded:
        recipe = self._recipe
        cleaned = normalise(chunk.fields, recipe.schema, date_order=recipe.date_order, today=recipe.today)
        strata = classify(cleaned.batch, recipe.schema, date_order=recipe.date_order, today=recipe.today)
        tokens = self._encoder.encode(cleaned.batch, chunk.guids, strata=strata.codes)
        cuts = write_rows(self._scratch, chunk.first_row, tokens)
        return Encoded(chunk.first_row, cuts, cleaned.counts, replace(strata, codes={}))


@dataclass(frozen=True, slots=True)
class _Packed:
    """A chunk on its way to a worker, as Arrow messages, which hold its own rows only."""

    first_row: int
    columns: pa.Schema
    fields: bytes
    guids: bytes

    @classmethod
    def of(cls, chunk: Chunk) -> _Packed:
        fields = chunk.fields.serialize().to_pybytes()
        return cls(chunk.first_row, chunk.fields.schema, fields, chunk.guids.tobytes())

    def unpacked(self) -> Chunk:
        guids = np.frombuffer(self.guids, dtype=np.uint8).reshape(-1, GUID_BYTES)
        fields = pa.ipc.read_record_batch(pa.py_buffer(self.fields), self.columns)
        return Chunk(self.first_row, fields, guids)


class _Inherited:
    """A file descriptor that goes along where a process is started with it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __reduce__(self) -> tuple[Callable[[Any], _Inherited], tuple[Any]]:
        return _inherited, (DupFd(self.handle),)


def _inherited(duplicate: Any) -> _Inherited:
    return _Inherited(duplicate.detach())


@contextmanager
def _pool(recipe: Recipe, scratch: int, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes: a fork of this one could inherit a lock of one of Arrow's threads."""
    context = multiprocessing.get_context("spawn")
    begin_with = (recipe, _Inherited(scratch))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=begin_with)
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


def _begin(recipe: Recipe, scratch: _Inherited) -> None:
    global _cook
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _cook = _Cook(recipe, scratch.handle)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_worker(chunk: _Packed) -> Encoded:
    if _cook is None:
        raise AssertionError("a worker has begun with its recipe")
    return _cook(chunk.unpacked())
