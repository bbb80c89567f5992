"""A table as a Parquet file, the same from either database, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.orm import Session

from broker.store.tables.base import UtcTime

_ROWS_AT_ONCE = 20_000
_JSON = {b"holds": b"json"}


def write_table(session: Session, table: sa.Table, path: Path) -> int:
    """Write all rows of a table, ordered by its key.

    Returns
    -------
    int
        How many rows.
    """
    schema = pa.schema([_field(column) for column in table.columns])
    statement = sa.select(table).order_by(*table.primary_key.columns)
    n_rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in session.execute(statement, execution_options={"yield_per": _ROWS_AT_ONCE}).partitions():
            columns = zip(*rows, strict=True)
            arrays = [
                pa.array([_plain(value, column) for value in values], schema.field(column.name).type)
                for values, column in zip(columns, table.columns, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            n_rows += len(rows)
    return n_rows


def insert_table(connection: sa.Connection, name: str, path: Path) -> int:
    """Insert what `write_table` has written, whatever version of the table that was.

    Returns
    -------
    int
        How many rows.
    """
    with pq.ParquetFile(path) as file:
        fields = list(file.schema_arrow)
        table = sa.table(name, *(sa.column(field.name, _type(field)) for field in fields))
        n_rows = 0
        for rows in _rows(file, fields):
            connection.execute(sa.insert(table), rows)
            n_rows += len(rows)
    if connection.dialect.name == "postgresql" and any(field.name == "key" for field in fields):
        # Rows came with their keys; the next one must be above them.
        connection.execute(
            sa.text(
                f"SELECT setval(pg_get_serial_sequence(:name, 'key'), coalesce(max(key), 0) + 1, false) FROM {name}"  # noqa: S608 - a table of ours
            ),
            {"name": name},
        )
    return n_rows


def _rows(file: pq.ParquetFile, fields: Sequence[pa.Field]) -> Iterator[list[dict[str, Any]]]:
    is_json = {field.name for field in fields if _holds_json(field)}
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
        rows = batch.to_pylist()
        for row in rows:
            for name in is_json:
                if row[name] is not None:
                    value = json.loads(row[name])
                    row[name] = sa.JSON.NULL if value is None else value
        yield rows


def _field(column: sa.Column[Any]) -> pa.Field:
    kind: Any = column.type
    nullable = bool(column.nullable)
    if isinstance(kind, sa.JSON):
        return pa.field(column.name, pa.string(), nullable, metadata=_JSON)
    if isinstance(kind, UtcTime):
        return pa.field(column.name, pa.timestamp("us", "UTC"), nullable)
    for of, arrow in (
        (sa.Boolean, pa.bool_()),
        (sa.Integer, pa.int64()),
        (sa.LargeBinary, pa.binary()),
        (sa.String, pa.string()),
    ):
        if isinstance(kind, of):
            return pa.field(column.name, arrow, nullable)
    raise TypeError(f"{column}: no way to write {kind!r} to a file")


def _type(field: pa.Field) -> Any:
    if _holds_json(field):
        return sa.JSON(none_as_null=True)
    if pa.types.is_timestamp(field.type):
        return UtcTime()
    if pa.types.is_boolean(field.type):
        return sa.Boolean()
    if pa.types.is_integer(field.type):
        return sa.BigInteger()
    return sa.LargeBinary() if pa.types.is_binary(field.type) else sa.String()


def _plain(value: Any, column: sa.Column[Any]) -> Any:
    if isinstance(column.type, sa.JSON):
        # What is not nullable and has no value holds the JSON null.
        return None if value is None and column.nullable else json.dumps(value)
    return str(value) if isinstance(column.type, sa.Enum) and value is not None else value


def _holds_json(field: pa.Field) -> bool:
    return (field.metadata or {}).get(b"holds") == b"json"
