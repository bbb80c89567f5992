"""Writing a population to files: blocks are made by several processes, and stand in the files in one order.

What is in a file depends on nothing but the population and the format: work is handed out in groups of a fixed
number of blocks, each of which becomes a stretch of the CSV file or a row group of the Parquet file.
"""

from __future__ import annotations

import io
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.population.generator import Population
from benchmarks.population.tables import name_tables
from pprl.console import Advance
from pprl.errors import PprlError
from pprl.files import new_folder

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("csv", "parquet")

_GROUP_BLOCKS = 8
_WAITING_PER_WORKER = 2

Task = tuple[int, tuple[int, ...]]
"""A site's index, or -1 for the truth, and blocks."""


def write(
    population: Population,
    out: str | Path,
    *,
    format: str = "csv",
    workers: int = 1,
    advance: Advance | None = None,
) -> dict[str, Path]:
    """Write a file for each site, the truth and a description into a folder.

    Parameters
    ----------
    population : Population
        What is written.
    out : path
        The folder, which appears when all is written; one written by this before is replaced.
    format : {"csv", "parquet"}
        Of sites and truth.
    workers : int
        Processes; the files do not depend on it.
    advance : callable, optional
        Called with the number of blocks just written, of `n_steps`.

    Returns
    -------
    dict of str to Path
        The sites' names, ``truth`` and ``population`` (JSON: parameters and counts).

    Raises
    ------
    PprlError
        Where the format is not known or the folder cannot be written.
    """
    if format not in FORMATS:
        raise PprlError(f"no format {format!r}; there are {' and '.join(FORMATS)}")
    if workers < 1:
        raise PprlError(f"{workers} workers; at least 1 is needed")
    names = [site.name for site in population.sites]
    digest = name_tables(population.names).digest  # made here, before several processes would
    workers = min(workers, -(-population.n_blocks // _GROUP_BLOCKS))
    with new_folder(out) as folder, _Runner(population, format, workers) as run:
        for which, name in [*enumerate(names), (-1, "truth")]:
            order = population.block_order(which).tolist() if which >= 0 else range(population.n_blocks)
            tasks = _groups(which, list(order))
            with (folder / f"{name}.{format}").open("wb") as file:
                sink = _sink(file, format)
                for (_, blocks), made in zip(tasks, run(tasks), strict=True):
                    sink.write(made)
                    if advance is not None:
                        advance(len(blocks))
                sink.close()
        (folder / "population.json").write_text(json.dumps(_description(population, digest), indent=1) + "\n")
    files = {name: Path(out) / f"{name}.{format}" for name in (*names, "truth")}
    return files | {"population": Path(out) / "population.json"}


def n_steps(population: Population) -> int:
    """Return how many blocks `write` writes: each once for every site and the truth."""
    return population.n_blocks * (len(population.sites) + 1)


class _CsvSink:
    def __init__(self, file: Any) -> None:
        self._file, self._started = file, False

    def write(self, made: bytes) -> None:
        """Append a stretch; the header that each begins with is kept once."""
        self._file.write(made if not self._started else memoryview(made)[made.index(b"\n") + 1 :])
        self._started = True

    def close(self) -> None:
        """Nothing is left to write."""


class _ParquetSink:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._writer: Any = None

    def write(self, made: bytes) -> None:
        """Append a row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.ipc.open_stream(made).read_all()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table, row_group_size=max(len(table), 1))

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


def _sink(file: Any, format: str) -> _CsvSink | _ParquetSink:
    return _CsvSink(file) if format == "csv" else _ParquetSink(file)


def _groups(which: int, order: list[int]) -> list[Task]:
    return [(which, tuple(order[at : at + _GROUP_BLOCKS])) for at in range(0, len(order), _GROUP_BLOCKS)]


class _Runner:
    """Runs tasks in order, in this process or in several that are kept over all files."""

    def __init__(self, population: Population, format: str, workers: int) -> None:
        self._population, self._format, self._workers = population, format, workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Callable[[list[Task]], Iterator[bytes]]:
        if self._workers > 1:
            # not forked: pyarrow's threads would not come along
            self._pool = ProcessPoolExecutor(self._workers, mp_context=multiprocessing.get_context("spawn"))
        return self._run

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _run(self, tasks: list[Task]) -> Iterator[bytes]:
        if self._pool is None:
            for task in tasks:
                yield _made(self._population, self._format, task)
            return
        waiting: deque[Future[bytes]] = deque()
        left = iter(tasks)
        for task in left:
            waiting.append(self._pool.submit(_made, self._population, self._format, task))
            if len(waiting) >= self._workers * _WAITING_PER_WORKER:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _made(population: Population, format: str, task: Task) -> bytes:
    """Return a group of blocks as the bytes of a CSV or Arrow stream."""
    import pyarrow as pa

    which, blocks = task
    tables = [population.truth(b) if which < 0 else population.records(which, b) for b in blocks]
    return _as_csv(pa.concat_tables(tables)) if format == "csv" else _as_arrow(pa.concat_tables(tables))


def _as_csv(table: pa.Table) -> bytes:
    import pyarrow.csv as pa_csv

    sink = io.BytesIO()
    sink.write((",".join(table.column_names) + "\n").encode())
    # nothing that is made has a comma, quote or line break in it; the writer would refuse it
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    pa_csv.write_csv(table, sink, options)
    return sink.getvalue()


def _as_arrow(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


def _description(population: Population, names_digest: str) -> dict[str, Any]:
    attendance = population.attendance
    return {
        "people": population.n_people,
        "seed": population.seed,
        "overlap": population.overlap,
        "shared_people": attendance.n_shared,
        "names": population.names,
        "names_sha256": names_digest,
        "truth": "pairs" if population.truth_is_pairs else "clusters",
        "sites": [
            {
                "people": int(attendance.n_members[number]),
                "records": int(attendance.n_records[number]),
                **asdict(site),
            }
            for number, site in enumerate(population.sites)
        ],
    }
