"""A file of people to a file of OPPRL tokens, by spindle-token on a local Spark.

The tokens are those that need only names, sex and birth date: numbers 1 to 6 of version 2.

Timed: reading the CSV file, ``tokenize``, writing Parquet, as one Spark job. Apart: ``start``, the start of
Spark. Not timed: imports, the making of the RSA key.
"""

from __future__ import annotations

from typing import Any

from spindle_token import generate_pem_keys, tokenize
from spindle_token.opprl import OpprlV2

from benchmarks.peers.report import Stopwatch, arguments, report
from benchmarks.peers.spark import start_spark


def main(job: dict[str, Any]) -> None:
    """Do the job: ``records`` (CSV as the site has it), ``out`` (folder to write), ``workers``."""
    private_key, _ = generate_pem_keys()
    columns = {
        OpprlV2.first_name: "given_name",
        OpprlV2.last_name: "surname",
        OpprlV2.gender: "sex",
        OpprlV2.birth_date: "birth_date",
    }
    tokens = [getattr(OpprlV2, f"token{number}") for number in range(1, 7)]
    watch = Stopwatch()
    with watch.part("start"):
        spark = start_spark(job["workers"], **{"spark.sql.files.minPartitionNum": 2 * job["workers"]})
    with watch.part("timed"):
        people = spark.read.csv(job["records"], header=True).select("record_id", *columns.values())
        tokenize(people, columns, tokens, private_key).drop(*columns.values()).write.parquet(job["out"])
    made = spark.read.parquet(job["out"])
    facts = {"n_records": made.count(), "n_columns": len(made.columns)}
    spark.stop()
    watch.cpu_seconds.clear()  # they are spent in Spark's processes
    report(watch, packages=("spindle-token", "pyspark"), **facts)


if __name__ == "__main__":
    main(arguments())
