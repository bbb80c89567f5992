"""What is said where Spark, Java or a folder is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.engines.spark import SparkEngine, engine, session
from pprl.errors import LinkageError


def pretend_java(folder: Path, told: str) -> Path:
    """A JAVA_HOME whose java says a version."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    java.chmod(0o755)
    return folder


def refusal(master: str = "local[1]", **options) -> str:
    with pytest.raises(LinkageError) as refused, SparkEngine.start(master, **options):
        pass
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_without_pyspark(monkeypatch):
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    assert refusal() == "the Spark engine needs pyspark; run: pip install 'pprl[spark]'"


@pytest.mark.skipif(session.find_spec("pyspark") is None, reason="pyspark is not installed")
class TestJava:
    def test_missing(self, monkeypatch, tmp_path):
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        assert refusal() == "Spark needs Java; install Java 17 or newer, or set JAVA_HOME to its folder"

    def test_that_does_not_run(self, monkeypatch, tmp_path):
        java = pretend_java(tmp_path, "") / "bin" / "java"
        java.write_text("#!/bin/sh\nexit 1\n")
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        assert "Spark needs Java; install" in refusal()

    @pytest.mark.parametrize(
        ("told", "version"), [('openjdk version "11.0.2" 2019-01-15', 11), ('java version "1.8.0_292"', 8)]
    )
    def test_too_old(self, monkeypatch, tmp_path, told, version):
        monkeypatch.setenv("JAVA_HOME", str(pretend_java(tmp_path, told)))
        assert refusal() == (
            f"Spark needs Java 17 or newer, not {version}; install one, or set JAVA_HOME to its folder"
        )

    @pytest.mark.parametrize(
        ("told", "version"), [('openjdk version "17.0.15"', 17), ('openjdk version "25" 2025-09-16', 25)]
    )
    def test_new_enough(self, monkeypatch, tmp_path, told, version):
        monkeypatch.setenv("JAVA_HOME", str(pretend_java(tmp_path, told)))
        assert session.java_version() == version
        session.check_installed()

    def test_of_an_old_pyspark(self, monkeypatch):
        import pyspark

        monkeypatch.setattr(pyspark, "__version__", "3.5.4")
        assert refusal() == (
            "the Spark engine needs pyspark 4, this is 3.5.4; run: pip install 'pprl[spark]'"
        )


def test_a_cluster_needs_a_folder_that_all_see():
    assert refusal("spark://somewhere:7077") == (
        "the executors of spark://somewhere:7077 and this machine need a folder all of them see; give --spark-shared"
    )


@pytest.mark.parametrize(
    "master", ["spark", "here:7077", "localhost", "http://somewhere:7077", "spark://", ""]
)
def test_what_is_no_master(master, tmp_path):
    assert refusal(master, shared=tmp_path) == (
        f"{master!r} is no Spark master; give local[*], spark://HOST:PORT, yarn or k8s://URL"
    )


@pytest.mark.parametrize(
    "master", ["local", "local[4]", "local[*]", "local-cluster[2,1,1024]", "spark://a:1,b:2", "yarn"]
)
def test_what_is_a_master(master):
    session.check_master(master)


def test_a_shared_folder_is_there(tmp_path):
    assert refusal(shared=tmp_path / "missing") == f"{tmp_path / 'missing'}: is no folder"


def test_a_full_disk_is_told(datasets, tmp_path, monkeypatch):
    def full(dataset, folder):
        raise OSError(28, "words of its own")

    monkeypatch.setattr(engine, "write_dataset", full)
    with SparkEngine(None, shared=tmp_path) as spark, pytest.raises(LinkageError) as refused:
        spark._store(datasets("standard")[0])
    assert str(refused.value) == (
        f"{tmp_path}: cannot hold the tokens while they are linked (No space left on device); "
        "make room, or share another folder"
    )
    assert not list(tmp_path.iterdir())
