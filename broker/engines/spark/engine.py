"""Spark: match keys by its joins, filters by the compiled loops in its Python workers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from broker.engines import Engine
from broker.engines.spark.columns import (
    Layout,
    from_bytes,
    spark_schema,
    to_bytes,
    write_dataset,
    write_pairs,
)
from broker.engines.spark.session import check_master, is_local, spark_session, spark_work
from broker.matching.candidates import MAX_BLOCK_PAIRS, CappedKey, Pairs, Rows
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Vectors
from pprl.console import Progress
from pprl.errors import LinkageError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

LOCAL_MASTER = "local[*]"
PAIRS_PER_TASK = 20_000_000_000
"""Compared by filter in one task, roughly: some 20 seconds, what is lost with an executor."""
_TILE_BYTES = 64 << 20
_PARTITION_BYTES = 32 << 20
_TOKEN_BYTES = 24
_MAX_DATASETS = 3
_VALUE = ["token", "key"]


@dataclass(frozen=True, slots=True, eq=False)
class _Stored:
    """A dataset as Spark sees it; holds the dataset itself, so that its identity stays its own."""

    dataset: Dataset
    layout: Layout
    folder: Path
    frame: DataFrame


class SparkEngine(Engine):
    """Runs the stages on Spark; the same pairs and vectors as `broker.engines.local.LocalEngine`, to the byte.

    Parameters
    ----------
    session : SparkSession
        Executors need this package and its dependencies, of the same versions. Its number of shuffle partitions is set
        for each stage.
    shared : Path
        An existing folder that this process and all executors see under this name. Tokens are written into a private
        folder in it, which is gone at the end of the ``with`` block.
    pairs_per_task : int
        Pairs compared by filter in one task, roughly.

    See Also
    --------
    start : with a session of its own.
    """

    def __init__(self, session: SparkSession, *, shared: Path, pairs_per_task: int = PAIRS_PER_TASK) -> None:
        self._session, self._pairs_per_task = session, pairs_per_task
        self._folder = Path(tempfile.mkdtemp(prefix="pprl-spark-", dir=shared)).resolve()
        self._stored: list[_Stored] = []
        self._n_folders = 0

    @classmethod
    @contextmanager
    def start(
        cls,
        master: str = LOCAL_MASTER,
        *,
        shared: Path | None = None,
        conf: Mapping[str, str] | None = None,
    ) -> Iterator[Self]:
        """Start Spark for the length of a ``with`` block.

        Parameters
        ----------
        master : str
            This machine by default; ``spark://HOST:PORT``, ``yarn``, ``k8s://URL`` for a cluster.
        shared : Path, optional
            A folder that all executors see under this name; a temporary one where the executors run here.
        conf : mapping of str to str, optional
            Spark settings that go before the engine's own.

        Raises
        ------
        LinkageError
            pyspark or Java is missing, a cluster is given no shared folder, or Spark does not start.
        """
        check_master(master)
        if shared is not None and not shared.is_dir():
            raise LinkageError(f"{shared}: is no folder")
        if shared is None and not is_local(master):
            raise LinkageError(
                f"the executors of {master} and this machine need a folder all of them see; give --spark-shared"
            )
        with tempfile.TemporaryDirectory(prefix="pprl-spark-", dir=shared) as scratch:
            folder = Path(scratch)
            with (
                spark_session(master, scratch=folder, conf=conf or {}) as session,
                cls(session, shared=folder) as engine,
            ):
                yield engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stored.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def compare(self, evidence: Evidence, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """See `Engine.compare`."""
        none = evidence.compare(left.rows(0, 0), right.rows(0, 0), pairs.some(slice(0)))
        vectors = np.empty((len(pairs), none.shape[1]), dtype=np.uint32)
        if not vectors.size:
            return vectors
        with spark_work("comparing candidates"):
            table = self._compared(evidence, left, right, pairs, n_columns=vectors.shape[1])
        numbers = table.column("pair").to_numpy()
        for place in range(vectors.shape[1]):
            vectors[numbers, place] = table.column(f"v{place}").to_numpy().view(np.uint32)
        return vectors

    # Match keys

    @spark_work("joining match keys")
    def pairs_sharing_a_key(
        self, left: Dataset, right: Dataset | None, *, n_left: int
    ) -> tuple[Rows, tuple[CappedKey, ...]]:
        """As `broker.matching.candidates.pairs_sharing_a_key`, each pair once."""
        from pyspark.sql import functions as sql

        itself, other = right is None, left if right is None else right
        if not left.schema.match_keys or not n_left or not len(other):
            return np.empty(0, dtype=np.int64), ()
        self._set_partitions(_TOKEN_BYTES * sum(column.size for key in other.keys for column in key))
        others = _tokens(self._store(other))
        held = (others if itself else _tokens(self._store(left))).where(sql.col("row") < n_left)
        # All that count; of two sides the left one's rows by negative numbers.
        holders = others if itself else others.union(held.withColumn("row", -1 - sql.col("row")))
        over = _over_the_cap(holders, n_left=n_left if itself else None).persist()
        try:
            n_values = _by_key(over)
            if n_values:
                n_records = _by_key(holders.join(over, _VALUE).select("key", "row").distinct())
                held, others = (side.join(over, _VALUE, "left_anti") for side in (held, others))
            held, others = held.withColumnRenamed("row", "left"), others.withColumnRenamed("row", "right")
            found = held.join(others, _VALUE)
            if itself:
                found = found.where(sql.col("left") < sql.col("right"))
            code = sql.col("left") * len(other) + sql.col("right")
            codes: Rows = found.select(code.alias("code")).distinct().toArrow().column("code").to_numpy()
        finally:
            over.unpersist()
        return codes, tuple(
            CappedKey(key.name, n_values[number], n_records[number])
            for number, key in enumerate(left.schema.match_keys)
            if number in n_values
        )

    # Filters

    def near_pairs(
        self, evidence: Evidence, left: Dataset, right: Dataset | None, n_probed: int, *, progress: Progress
    ) -> Rows:
        """Codes of near pairs: probed rows go to all executors in tiles, the right rows lie spread over them."""
        n_right = len(left if right is None else right)
        if not n_probed or not n_right or not evidence.compares_filters:
            return np.empty(0, dtype=np.int64)
        stored = self._store(left if right is None else right)
        n_tasks = self._session.sparkContext.defaultParallelism
        n_rows = max(min(self._pairs_per_task * n_tasks // n_right, _TILE_BYTES // _row_bytes(left)), 1)
        found = []
        with progress("comparing filters", n_probed, unit="rows") as advance:
            for first in range(0, n_probed, n_rows):
                last = min(first + n_rows, n_probed)
                with spark_work("comparing filters"):
                    found.append(self._tile(evidence, left, stored, first, last, itself=right is None))
                advance(last - first)
        return np.concatenate(found)

    def _tile(
        self, evidence: Evidence, left: Dataset, right: _Stored, first: int, last: int, *, itself: bool
    ) -> npt.NDArray[np.int64]:
        """Codes of the near pairs of some left rows."""
        of_left, of_right = (layout.filters_only() for layout in (Layout.of(left), right.layout))
        n_right = len(right.dataset)
        sent = self._session.sparkContext.broadcast(to_bytes(of_left.to_batch(left, first, last)))

        def near(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            some = of_left.as_dataset(from_bytes(sent.value))
            for batch in batches:
                # One thread: Spark gives every core a task.
                rows, columns = evidence.near(some, of_right.as_dataset(batch), n_threads=1)
                left_rows, right_rows = rows + first, batch.column("row").to_numpy()[columns]
                if itself:
                    later = right_rows > left_rows
                    left_rows, right_rows = left_rows[later], right_rows[later]
                yield pa.record_batch({"code": left_rows * n_right + right_rows})

        frame = right.frame.select(*of_right.arrow_schema().names)
        if itself:
            frame = frame.where(f"row > {first}")
        try:
            table = frame.mapInArrow(near, "code bigint").toArrow()
        finally:
            sent.destroy()
        codes: npt.NDArray[np.int64] = table.column("code").to_numpy()
        return codes

    # Pairs

    def _compared(
        self, evidence: Evidence, left: Dataset, right: Dataset, pairs: Pairs, *, n_columns: int
    ) -> pa.Table:
        """Vectors of pairs by their numbers, in any order."""
        of_left, of_right, n_possible = Layout.of(left), Layout.of(right), pairs.n_possible
        sides = [
            frame.toDF(*(f"{side}_{name}" for name in frame.columns))
            for side, frame in (("l", self._store(left).frame), ("r", self._store(right).frame))
        ]
        self._set_partitions(len(pairs) * (_row_bytes(left) + _row_bytes(right)))
        folder = self._new_folder()
        with self._room():
            write_pairs(pairs, folder)

        def compare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                rows = np.arange(batch.num_rows)
                vectors = evidence.compare(
                    of_left.as_dataset(batch, prefix="l_"),
                    of_right.as_dataset(batch, prefix="r_"),
                    Pairs(rows, rows, n_possible),
                ).view(np.int32)
                columns = {f"v{place}": vectors[:, place] for place in range(n_columns)}
                yield pa.record_batch({"pair": batch.column("pair"), **columns})

        schema = "pair bigint, left bigint, right bigint"
        frame = self._session.read.schema(schema).parquet(folder.as_uri())
        frame = frame.join(sides[0], frame["left"] == sides[0]["l_row"])
        frame = frame.join(sides[1], frame["right"] == sides[1]["r_row"])
        vectors = ", ".join(["pair bigint", *(f"v{place} int" for place in range(n_columns))])
        try:
            return frame.mapInArrow(compare, vectors).toArrow()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # Files

    def _store(self, dataset: Dataset) -> _Stored:
        """Write a dataset for Spark, unless it is there; the few used last are kept."""
        for stored in self._stored:
            if stored.dataset is dataset:
                self._stored.remove(stored)
                self._stored.append(stored)
                return stored
        while len(self._stored) >= _MAX_DATASETS:
            shutil.rmtree(self._stored.pop(0).folder, ignore_errors=True)
        folder, layout = self._new_folder(), Layout.of(dataset)
        with self._room():
            write_dataset(dataset, folder)
        schema = spark_schema(layout.arrow_schema())
        stored = _Stored(dataset, layout, folder, self._session.read.schema(schema).parquet(folder.as_uri()))
        self._stored.append(stored)
        return stored

    def _new_folder(self) -> Path:
        self._n_folders += 1
        return self._folder / f"{self._n_folders}"

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise LinkageError(
                f"{self._folder.parent}: cannot hold the tokens while they are linked ({reason}); make room, or share "
                "another folder"
            ) from None

    def _set_partitions(self, n_bytes: int) -> None:
        """Spread what is shuffled over so many tasks that each has a fair part; Spark joins small ones."""
        n_tasks = self._session.sparkContext.defaultParallelism
        n = max(2 * n_tasks, -(-n_bytes // _PARTITION_BYTES))
        self._session.conf.set("spark.sql.shuffle.partitions", str(n))


def _row_bytes(dataset: Dataset) -> int:
    """Of one record's columns."""
    return Layout.of(dataset).row_bytes()


def _tokens(stored: _Stored) -> DataFrame:
    """Rows by the tokens of their match keys: ``row``, ``key``, ``token``; a token that a row holds twice once."""
    from pyspark.sql import functions as sql

    held: list[Column] = []
    for key, n_columns in enumerate(stored.layout.n_key_columns):
        first = sql.col(f"k{key}_0")
        held.append(sql.struct(sql.lit(key).alias("key"), first.alias("token")))
        for place in range(1, n_columns):  # a key has one value or two
            second = sql.col(f"k{key}_{place}")
            again = sql.when(second != first, second).otherwise(0).alias("token")
            held.append(sql.struct(sql.lit(key).alias("key"), again))
    rows = stored.frame.select("row", sql.explode(sql.array(*held)).alias("held"))
    return rows.select("row", "held.key", "held.token").where(sql.col("token") != 0)


def _over_the_cap(holders: DataFrame, *, n_left: int | None) -> DataFrame:
    """Values that too many rows hold: of two sides, or within one where some of the first ``n_left`` rows hold it."""
    from pyspark.sql import functions as sql

    # Most values stand once: rows are spread by value before they are counted, and no part is counted beforehand.
    groups = holders.repartition(*_VALUE).groupBy(_VALUE)
    n, n_held = sql.count("*"), sql.count_if(sql.col("row") < 0)
    if n_left is None:
        counts = groups.agg(((n - n_held) * n_held).alias("size"))
    else:
        counts = groups.agg((n * n).alias("size"), sql.min("row").alias("first"))
        counts = counts.where(sql.col("first") < n_left)
    return counts.where(sql.col("size") > MAX_BLOCK_PAIRS).select(_VALUE)


def _by_key(frame: DataFrame) -> dict[int, int]:
    """Rows by key."""
    counts = frame.groupBy("key").count().toArrow()
    return dict(zip(counts.column("key").to_pylist(), counts.column("count").to_pylist(), strict=True))
