"""Parquet files: any column of single values comes as text."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pprl.errors import InputError
from pprl.site.readers import read_input


def table_of(n=3, **columns):
    base = {
        "id": pa.array(range(n), pa.int64()),
        "given_name": ["Zoë"] * n,
        "surname": ["Quux"] * n,
        "birth_date": ["1980-05-03"] * n,
        "postcode": ["02139"] * n,
    }
    return pa.table(base | columns)


@pytest.fixture
def read(tmp_path, schema):
    def read(table, *, row_group_size=None, **settings):
        path = tmp_path / "in.parquet"
        pq.write_table(table, path, row_group_size=row_group_size)
        with read_input(path, schema, **({"id_column": "id"} | settings)) as file:
            return list(file)

    return read


DAY = datetime.date(1980, 5, 3)
NOON = datetime.datetime(1980, 5, 3, 12, 30)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array(["02139", "", None]), ["02139", None, None]),
        (pa.array(["02139", "", None], pa.large_string()), ["02139", None, None]),
        (pa.array(["02139", "x", None]).dictionary_encode(), ["02139", "x", None]),
        (pa.array([b"02139", b"", None]), ["02139", None, None]),
        (pa.array([2139, -1, None]), ["2139", "-1", None]),
        (pa.array([2**63, 0, None], pa.uint64()), ["9223372036854775808", "0", None]),
        (pa.array([2000.0, 5551234567.0, None]), ["2000", "5551234567", None]),
        (pa.array([2000.5, float("nan"), -3.0]), ["2000.5", None, "-3"]),
        (pa.array([2000.0, None, float("inf")], pa.float32()), ["2000", None, "inf"]),
        (pa.array([Decimal("12"), None, Decimal("7")], pa.decimal128(5, 0)), ["12", None, "7"]),
        (pa.array([DAY, None, DAY], pa.date32()), ["1980-05-03", None, "1980-05-03"]),
        (pa.array([DAY, None, DAY], pa.date64()), ["1980-05-03", None, "1980-05-03"]),
        (
            pa.array([NOON, None, NOON], pa.timestamp("ns")),
            ["1980-05-03 12:30:00", None, "1980-05-03 12:30:00"],
        ),
        (pa.array([NOON] * 3, pa.timestamp("us", tz="UTC")), ["1980-05-03 12:30:00"] * 3),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.nulls(3), [None] * 3),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_columns_become_text(read, values, text):
    (batch,) = read(table_of(postcode=values))
    assert batch.column("postcode").type == pa.string()
    assert batch.column("postcode").to_pylist() == text


def test_a_day_is_that_of_the_columns_own_time_zone(read):
    midnight = datetime.datetime(1980, 5, 3, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=10)))
    values = pa.array([midnight] * 3, pa.timestamp("s", tz="+10:00"))
    (batch,) = read(table_of(birth_date=values))
    assert batch.column("birth_date")[0].as_py() == "1980-05-03 00:00:00"


def test_ids_of_any_type(read):
    (batch,) = read(table_of())
    assert batch.column("local_id").to_pylist() == ["0", "1", "2"]
    (batch,) = read(table_of(), id_column=None)
    assert batch.column("local_id").to_pylist() == ["1", "2", "3"]


def test_chunks_have_the_size_asked_for_whatever_the_row_groups(read):
    batches = read(table_of(10), row_group_size=3, rows_per_chunk=4)
    assert [batch.num_rows for batch in batches] == [4, 4, 2]
    assert [v for batch in batches for v in batch.column("local_id").to_pylist()] == [
        str(n) for n in range(10)
    ]


@pytest.mark.parametrize(
    ("columns", "row", "column", "says"),
    [
        ({"postcode": [["a"]] * 3}, None, "postcode", "is of type list"),
        ({"postcode": [{"a": 1}] * 3}, None, "postcode", "is of type struct"),
        ({"postcode": [datetime.timedelta(1)] * 3}, None, "postcode", "is of type duration"),
        ({"postcode": [b"\xff"] * 3}, None, "postcode", "cannot be read as text (it is of type binary)"),
        ({"id": [1, None, 3]}, 2, "id", "the local id is missing"),
        ({"id": ["a", "b", "a"]}, 3, "id", "stands in row 1 already"),
    ],
)
def test_bad_columns_are_named(read, columns, row, column, says):
    with pytest.raises(InputError) as caught:
        read(table_of(**columns))
    assert says in str(caught.value)
    assert (caught.value.row, caught.value.column) == (row, column)


def test_no_records_and_damaged_files(read, tmp_path, schema):
    with pytest.raises(InputError, match="no records"):
        read(table_of(0))
    good = tmp_path / "good.parquet"
    pq.write_table(table_of(1000), good)
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(good.read_bytes()[:-20])
    with pytest.raises(InputError, match="is cut short, damaged, or not a Parquet file"):
        read_input(bad, schema)
    bad.write_bytes(good.read_bytes()[:4] + bytes(400) + good.read_bytes()[404:])
    with pytest.raises(InputError, match="is damaged"), read_input(bad, schema, id_column="id") as file:
        list(file)


def test_progress_ends_at_the_size_of_the_file(tmp_path, schema):
    path = tmp_path / "in.parquet"
    pq.write_table(table_of(100), path)
    done = []
    with read_input(path, schema, rows_per_chunk=7, advance=done.append) as file:
        assert sum(batch.num_rows for batch in file) == 100
    assert sum(done) == file.n_bytes == path.stat().st_size
