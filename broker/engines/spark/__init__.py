"""The Spark engine: the same stages on a cluster."""

from broker.engines.spark.engine import LOCAL_MASTER, SparkEngine

__all__ = ["LOCAL_MASTER", "SparkEngine"]
