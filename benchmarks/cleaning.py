"""A site's file in pprl's normal forms, for peers that do no cleaning of their own."""

from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from pprl.schema import Schema
from pprl.site.normalise import DateOrder, normalise
from pprl.site.readers import InputFiles, InputFormat
from pprl.site.readers.columns import LOCAL_ID

ID = "record_id"
"""The column of record ids in a cleaned file."""


def clean(
    source: Path, target: Path, *, schema: Schema, input_format: InputFormat, date_order: DateOrder = "ymd"
) -> None:
    """Write a site's own record id and the schema's fields in normal forms, empty where a value is missing.

    Parameters
    ----------
    source : Path
        The site's file, read as ``pprl tokenise`` reads it.
    target : Path
        CSV file to write: `ID` and the fields in the schema's order.
    schema : Schema
        Whose fields are wanted.
    input_format, date_order
        As the site states them.

    Raises
    ------
    InputError
        As ``pprl tokenise``.
    """
    columns = [LOCAL_ID, *schema.field_names]
    options = csv.WriteOptions(quoting_style="needed")
    header = pa.schema([(name, pa.string()) for name in (ID, *schema.field_names)])
    with csv.CSVWriter(target, header, write_options=options) as writer:
        for batch in InputFiles([source], schema, input_format=input_format).batches():
            cleaned = normalise(batch, schema, date_order=date_order, today=datetime.date.today()).batch
            writer.write_batch(_renamed(cleaned, columns, header))


def _renamed(batch: pa.RecordBatch, columns: list[str], header: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [batch.column(name).cast(pa.string()) for name in columns], schema=header
    )
