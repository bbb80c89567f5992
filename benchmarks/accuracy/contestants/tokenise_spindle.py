"""Files of cleaned plaintext to OPPRL tokens, version 2, by spindle-token on a local Spark.

All sites use one private key, which gives what tokens of several keys give once they are transcrypted to one.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import functions as f
from spindle_token import generate_pem_keys, tokenize
from spindle_token.opprl import OpprlV2

from benchmarks.peers.report import Stopwatch, arguments, report
from benchmarks.peers.spark import start_spark

_ATTRIBUTES = {
    "given_name": OpprlV2.first_name,
    "surname": OpprlV2.last_name,
    "sex": OpprlV2.gender,
    "birth_date": OpprlV2.birth_date,
    "phone": OpprlV2.phone,
    "national_id": OpprlV2.ssn,
    "email": OpprlV2.email,
}


def main(job: dict[str, Any]) -> None:
    """Do the job.

    ``files`` (site to cleaned CSV), ``kinds`` (of their fields), ``tokens`` (numbers), ``workers``, ``out`` (folder).
    """
    private_key, _ = generate_pem_keys()
    of_kind = {kind: name for name, kind in job["kinds"].items() if kind in _ATTRIBUTES}
    columns = {_ATTRIBUTES[kind]: name for kind, name in of_kind.items()}
    tokens = [getattr(OpprlV2, f"token{number}") for number in job["tokens"]]
    watch = Stopwatch()
    with watch.part("start"):
        spark = start_spark(job["workers"])
    birth = of_kind["birth_date"]
    with watch.part("tokenise"):
        for site, path in job["files"].items():
            people = spark.read.csv(path, header=True).select("record_id", *columns.values())
            dashed = f.regexp_replace(birth, r"^(\d{4})(\d{2})(\d{2})$", "$1-$2-$3")
            made = tokenize(people.withColumn(birth, dashed), columns, tokens, private_key)
            made.drop(*columns.values()).write.parquet(f"{job['out']}/{site}")
    spark.stop()
    report(watch, packages=("spindle-token", "pyspark"))


if __name__ == "__main__":
    main(arguments())
