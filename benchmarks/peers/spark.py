"""A local Spark for the peers that need one."""

from __future__ import annotations

import os
import sys
from typing import Any

from pyspark.sql import SparkSession


def start_spark(workers: int, **more: Any) -> SparkSession:
    """Start it.

    Parameters
    ----------
    workers : int
        Threads.
    more
        Further settings: ``{"spark.sql.files.minPartitionNum": 4}``.
    """
    os.environ["PYSPARK_PYTHON"] = sys.executable  # for Spark's workers
    settings: dict[str, Any] = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "3g",
        "spark.driver.host": "localhost",
        "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    }
    builder = SparkSession.builder.master(f"local[{workers}]")
    for name, value in (settings | more).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
