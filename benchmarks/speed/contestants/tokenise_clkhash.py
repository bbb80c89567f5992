"""A file of people to a file of filters, by clkhash, with processes of its own.

Timed: ``generate_clk_from_csv`` and writing the filters as JSON in base64, which is what the command of
anonlink's client does around it. Not timed: imports, reading the schema. Validation of the values is off, as
they come cleaned: clkhash does no cleaning.
"""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

from clkhash.clk import generate_clk_from_csv
from clkhash.schema import from_json_dict
from clkhash.serialization import serialize_bitarray

from benchmarks.peers.clk_schema import SECRET, SIX_FIELDS, clk_schema
from benchmarks.peers.report import Stopwatch, arguments, report


def main(job: dict[str, Any]) -> None:
    """Do the job: ``records`` (cleaned CSV), ``out`` (file to write), ``workers``."""
    schema = from_json_dict(clk_schema(SIX_FIELDS))
    watch = Stopwatch()
    with watch.part("timed"):
        with Path(job["records"]).open(encoding="utf-8", newline="") as file:
            filters = generate_clk_from_csv(
                file, SECRET, schema, validate=False, progress_bar=False, max_workers=job["workers"]
            )
        with Path(job["out"]).open("w", encoding="utf-8") as out:
            json.dump({"clks": [serialize_bitarray(one) for one in filters]}, out)
        for worker in multiprocessing.active_children():  # clkhash leaves them to themselves
            worker.join()
    report(watch, packages=("clkhash", "bitarray"), n_records=len(filters))


if __name__ == "__main__":
    main(arguments())
