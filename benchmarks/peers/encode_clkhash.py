"""Records to filters, by clkhash, in one process.

Timed: ``hash_chunk`` on all records, keys derived. Not timed: reading the file, validation of the values
(switched off, as their cleaning is no part of the case).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from clkhash.clk import hash_chunk
from clkhash.key_derivation import generate_key_lists
from clkhash.schema import from_json_dict

from benchmarks.peers.clk_schema import BITS, SECRET, SIX_FIELDS, clk_schema
from benchmarks.peers.report import Stopwatch, arguments, report


def main(job: dict[str, Any]) -> None:
    """Do the job: ``records`` (cleaned CSV), where given ``kinds`` (of fields), ``bits``, ``filters`` (to write)."""
    schema = from_json_dict(clk_schema(job.get("kinds", SIX_FIELDS), bits=job.get("bits", BITS)))
    with Path(job["records"]).open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))[1:]
    keys = generate_key_lists(
        SECRET, len(schema.fields), key_size=schema.kdf_key_size, hash_algo=schema.kdf_hash
    )
    watch = Stopwatch()
    with watch.part("timed"):
        filters, counts = hash_chunk(records, keys, schema, validate_data=False)
    if job.get("filters"):
        rows = np.frombuffer(b"".join(one.tobytes() for one in filters), dtype=np.uint8)
        np.save(job["filters"], rows.reshape(len(filters), -1))
    report(
        watch,
        packages=("clkhash", "bitarray"),
        n_records=len(records),
        mean_bits_set=sum(counts) / len(counts),
    )


if __name__ == "__main__":
    main(arguments())
