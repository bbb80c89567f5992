"""A Spark session for the broker: quiet, closed to the network where it is local, gone at the end."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pprl.errors import LinkageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MIN_JAVA = 17

_CONF = {
    "spark.app.name": "pprl-broker",
    "spark.driver.maxResultSize": "0",  # results are pairs, their size is known and wanted
    "spark.eventLog.enabled": "false",
    "spark.io.encryption.enabled": "true",  # what is spilled and shuffled holds tokens
    "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": "128m",  # small parts need no sorting
    "spark.sql.catalogImplementation": "in-memory",  # no Hive
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_LOCAL_CONF = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "2g",
}
_LOG = """\
status = error
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %p %c{1}: %m%n
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
logger.shell.name = org.apache.spark.api.python.PythonGatewayServer
logger.shell.level = error
"""
"""Without the last two lines Spark would set the level to that of an interactive shell, and say so."""


def is_local(master: str) -> bool:
    """Whether a master's executors run on this machine."""
    return master.startswith("local")


def check_master(master: str) -> None:
    """Tell a master that Spark knows from one that it does not.

    Raises
    ------
    LinkageError
        It is none.
    """
    if not re.match(r"(local(\[.+\]|-cluster\[.+\])?|yarn)$|spark://.|k8s://.", master):
        raise LinkageError(
            f"{master!r} is no Spark master; give local[*], spark://HOST:PORT, yarn or k8s://URL"
        )


@contextmanager
def spark_session(master: str, *, scratch: Path, conf: Mapping[str, str]) -> Iterator[SparkSession]:
    """Start Spark, and stop it at the end with the Java machine it runs in.

    Parameters
    ----------
    master : str
        ``local[*]``, ``spark://HOST:PORT``, ``yarn``, ``k8s://URL`` and so on.
    scratch : Path
        A private folder for Spark's own files, where it is local.
    conf : mapping of str to str
        Spark settings that go before those made here.

    Raises
    ------
    LinkageError
        pyspark or Java is missing or too old, Spark runs in this process already, or it does not start.
    """
    check_installed()
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is not None:
        raise LinkageError("Spark runs in this process already; stop it, or make the engine of its session")
    settings = dict(_CONF)
    environment = {}
    if is_local(master):
        (scratch / "log4j2.properties").write_text(_LOG, encoding="utf-8")
        settings |= _LOCAL_CONF | {
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={(scratch / 'log4j2.properties').as_uri()}",
            "spark.local.dir": str(scratch / "local"),
            "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        }
        environment = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        if not master.startswith("local-cluster"):  # Spark makes up a secret of its own only in this mode
            settings["spark.authenticate"] = "true"
    builder = SparkSession.builder.master(master)
    for name, value in (settings | dict(conf)).items():
        builder = builder.config(name, value)
    with _environment(environment), _own_interrupts():
        try:
            with expected_warnings():
                session = builder.getOrCreate()
        except Exception as error:
            _stop_java()
            raise LinkageError(
                f"Spark did not start at {master} ({condition(error)}); its log tells why"
            ) from error
    try:
        with _own_words():
            yield session
    finally:
        session.stop()
        _stop_java()


def check_installed() -> None:
    """Find pyspark and Java.

    Raises
    ------
    LinkageError
        One of them is missing or too old.
    """
    if find_spec("pyspark") is None:
        raise LinkageError("the Spark engine needs pyspark; run: pip install 'pprl[spark]'")
    import pyspark

    if int(pyspark.__version__.partition(".")[0]) < 4:
        raise LinkageError(
            f"the Spark engine needs pyspark 4, this is {pyspark.__version__}; run: pip install 'pprl[spark]'"
        )
    version = java_version()
    if version is None:
        raise LinkageError(
            f"Spark needs Java; install Java {MIN_JAVA} or newer, or set JAVA_HOME to its folder"
        )
    if version < MIN_JAVA:
        raise LinkageError(
            f"Spark needs Java {MIN_JAVA} or newer, not {version}; install one, or set JAVA_HOME to its folder"
        )


def java_version() -> int | None:
    """Major version of the Java that Spark would use, or None where there is none that runs."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if java is None:
        return None
    try:
        told = subprocess.run(
            [java, "-version"], capture_output=True, text=True, check=True, timeout=60
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else None


@contextmanager
def spark_work(what: str) -> Iterator[None]:
    """Turn Spark's exceptions into one line.

    Raises
    ------
    LinkageError
        Spark gave up.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        with expected_warnings():
            yield
    except (PySparkException, Py4JError) as error:
        # Spark's own message may be long, and quote values.
        raise LinkageError(f"Spark gave up {what} ({condition(error)}); its log tells why") from None


def condition(error: Exception) -> str:
    """The name of an error of Spark, without its message."""
    from pyspark.errors import PySparkException

    name = error.getCondition() if isinstance(error, PySparkException) else None
    return name or type(error).__name__


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Silence what pyspark warns of and what does not matter here."""
    with warnings.catch_warnings():
        # Columns go by Arrow alone, never by pandas.
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        # pyspark starts Java by a fork.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        # Under encryption pyspark hands a broadcast value to Java through a socket that it leaves to the collector.
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        yield


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that Java and the executors are started with, unless they are set already."""
    added = {name: value for name, value in changes.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Keep this process's way with an interrupt, which pyspark would replace by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _own_words() -> Iterator[None]:
    """Keep py4j from logging the traceback of an interrupt, which it does by the root logger."""

    def not_of_py4j(record: logging.LogRecord) -> bool:
        return "py4j" not in Path(record.pathname).parts

    root = logging.getLogger()
    root.addFilter(not_of_py4j)
    try:
        yield
    finally:
        root.removeFilter(not_of_py4j)


def _stop_java() -> None:
    """End the Java machine, which pyspark would keep, with its settings, for the next session."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is None:
        return
    SparkContext._gateway = SparkContext._jvm = None
    gateway.shutdown()
    process = gateway.proc
    process.stdin.close()  # it ends when its input does
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
