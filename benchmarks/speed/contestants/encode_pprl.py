"""Records to tokens, by pprl: hardened filters, and the tokens of as many match keys as the schema asks for.

Timed: ``Encoder.encode`` on all records, with tables of its own still empty. Not timed: reading the file, its
cleaning, and the encoding of 64 records by another encoder, which loads the machine code.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from benchmarks.peers.report import Stopwatch, arguments, report
from pprl.guid import GUID_BYTES
from pprl.schema import load_schema
from pprl.site.encode import Encoder
from pprl.site.keys import LinkageKey


def main(job: dict[str, Any]) -> None:
    """Do the job: ``records`` (cleaned CSV), ``schema``, ``key``."""
    schema = load_schema(job["schema"])
    keys = LinkageKey.load(job["key"]).tree(schema)
    text = csv.ConvertOptions(
        column_types=dict.fromkeys(schema.field_names, pa.string()),
        strings_can_be_null=True,
        include_columns=list(schema.field_names),
    )
    batch = csv.read_csv(job["records"], convert_options=text).combine_chunks().to_batches()[0]
    guids = np.frombuffer(os.urandom(GUID_BYTES * batch.num_rows), dtype=np.uint8).reshape(-1, GUID_BYTES)
    Encoder(schema, keys).encode(batch.slice(0, 64), guids[:64])
    encoder = Encoder(schema, keys)
    watch = Stopwatch()
    with watch.part("timed"):
        tokens = encoder.encode(batch, guids)
    report(watch, packages=("pprl", "numpy", "pyarrow"), n_records=tokens.num_rows)


if __name__ == "__main__":
    main(arguments())
