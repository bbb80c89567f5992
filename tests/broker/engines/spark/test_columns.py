"""A dataset's columns on their way to Spark and back, without Spark."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.engines.spark import columns
from broker.engines.spark.columns import (
    Layout,
    from_bytes,
    spark_schema,
    to_bytes,
    write_dataset,
    write_pairs,
)
from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import evidence_for


@pytest.fixture(params=["standard", "fields", "tokens"])
def dataset(request, datasets) -> Dataset:
    left, right = datasets(request.param)
    return evidence_for(left, right, (), seed=0).prepare(left)


def assert_same_rows(one: Dataset, two: Dataset) -> None:
    """Everything but the GUIDs."""
    assert (one.name, one.schema, one.duplicate_free) == (two.name, two.schema, two.duplicate_free)
    arrays = [
        {"presence": d.presence, **d.filters, **d.exact, **d.derived}
        | {f"key {k} {c}": column for k, key in enumerate(d.keys) for c, column in enumerate(key)}
        for d in (one, two)
    ]
    assert list(arrays[0]) == list(arrays[1])
    for name, values in arrays[0].items():
        assert values.dtype == arrays[1][name].dtype
        assert np.array_equal(values, arrays[1][name])


@pytest.mark.parametrize("rows", [(0, 40), (17, 33), (5, 5)])
def test_a_batch_is_the_rows_again(dataset, rows):
    layout = Layout.of(dataset)
    batch = from_bytes(to_bytes(layout.to_batch(dataset, *rows)))
    assert batch.column("row").to_pylist() == list(range(*rows))
    again = layout.as_dataset(batch)
    assert_same_rows(again, dataset.rows(*rows))
    assert not again.guids.any()
    for words in again.filters.values():
        assert words.flags.c_contiguous
        assert words.flags.aligned
        assert words.flags.writeable


def test_columns_of_a_pair_s_two_sides_are_told_apart(dataset):
    layout = Layout.of(dataset)
    left, right = layout.to_batch(dataset, 0, 9), layout.to_batch(dataset, 20, 29)
    names = [f"{side}_{name}" for side in "lr" for name in left.schema.names]
    both = pa.record_batch([*left.columns, *right.columns], names=names).slice(2, 5)
    assert_same_rows(layout.as_dataset(both, prefix="l_"), dataset.rows(2, 7))
    assert_same_rows(layout.as_dataset(both, prefix="r_"), dataset.rows(22, 27))


@pytest.mark.parametrize("n_rows", [40, 0])
def test_files_hold_all_rows_and_no_guid(dataset, n_rows, tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "ROWS_PER_FILE", 16)
    some = dataset.rows(0, n_rows)
    write_dataset(some, tmp_path / "tokens")
    paths = sorted((tmp_path / "tokens").iterdir())
    assert len(paths) == (3 if n_rows else 1)
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o700
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    (batch,) = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    assert_same_rows(Layout.of(some).as_dataset(batch), some)
    stored = b"".join(path.read_bytes() for path in paths)
    assert not any(guid.tobytes() in stored for guid in some.guids)


def test_pairs_keep_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "PAIRS_PER_FILE", 4)
    pairs = Pairs(np.arange(10) // 2, np.arange(10) * 3, 99)
    write_pairs(pairs, tmp_path / "pairs")
    tables = [pq.read_table(path) for path in sorted((tmp_path / "pairs").iterdir())]
    assert [len(table) for table in tables] == [4, 4, 2]
    table = pa.concat_tables(tables)
    assert table.column("pair").to_pylist() == list(range(10))
    assert table.column("left").to_pylist() == pairs.left.tolist()
    assert table.column("right").to_pylist() == pairs.right.tolist()


def test_spark_is_told_the_types(dataset):
    told = dict(column.split(" ") for column in spark_schema(Layout.of(dataset).arrow_schema()).split(", "))
    assert told["row"] == "bigint"
    assert told["presence"] == "int"
    assert {told[name] for name in told if name.startswith("f")} <= {"binary"}
    assert {told[name] for name in told if name[0] in "kx" and name[1:2].isdigit()} <= {"bigint"}
    assert {told[name] for name in told if name.startswith("d")} <= {"tinyint"}
