"""One contract for all engines: the same pairs and vectors as the definitions give, whatever fails on the way.

Spark runs as two executors in processes of their own. All that needs it is in few tests here, so that the workers of a
parallel run start it once or twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from broker.engines import Engine
from broker.engines.local import LocalEngine
from broker.engines.refresh import RefreshEngine
from broker.engines.spark import SparkEngine, columns
from broker.engines.spark.session import check_installed
from broker.matching.candidates import MAX_BLOCK_PAIRS, CappedKey, Scope
from broker.matching.dataset import Dataset
from broker.matching.evidence import evidence_for
from broker.matching.pipeline import link
from pprl.errors import LinkageError

from ..tokens import a_dataset, a_schema

COMMON_AND_TWO_VALUED = """
[[match_key]]
parts = ["city"]
[[match_key]]
parts = ["sex"]
[[match_key]]
parts = ["given_name", "either(surname,middle_name)"]
"""


@pytest.fixture(scope="module", params=["local", "refresh", "spark"])
def engine(request, tmp_path_factory) -> Iterator[Engine]:
    if request.param == "local":
        yield LocalEngine(pairs_per_tile=20_000)
        return
    if request.param == "refresh":  # with something to refresh: test_refresh.py
        yield RefreshEngine(LocalEngine(pairs_per_tile=20_000), {}, schema="")
        return
    try:
        check_installed()
    except LinkageError as error:
        pytest.skip(str(error))  # make test must pass on a machine without Java
    folder = tmp_path_factory.mktemp("spark")
    with (
        pytest.MonkeyPatch.context() as patch,
        SparkEngine.start(
            cluster_of_two(folder, patch),
            conf={
                "spark.driver.memory": "1g",
                "spark.sql.autoBroadcastJoinThreshold": "-1",  # shuffle, as large data would
                "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1",  # compile quickly
                "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
            },
        ) as spark,
    ):
        spark._pairs_per_task = 30_000
        patch.setattr(columns, "ROWS_PER_FILE", 100)  # several tasks read a dataset
        yield spark
    assert not list(folder.glob("pprl-spark-*"))


def cluster_of_two(folder: Path, patch: pytest.MonkeyPatch) -> str:
    """A cluster of two executors of this session alone; what they write goes into the folder, not to pyspark's home."""
    import pyspark

    home = folder / "home"
    home.mkdir()
    for entry in Path(pyspark.__file__).parent.iterdir():
        if entry.name != "work":
            (home / entry.name).symlink_to(entry)
    patch.setenv("SPARK_HOME", str(home))
    return "local-cluster[2,1,1024]"


def silent(label, total, *, unit=""):
    return nullcontext(lambda _: None)


def cases(datasets: Callable[[str], list[Dataset]], town) -> Iterator[tuple]:
    """A name, datasets, ``None`` for within, and scope."""
    for profile in ("standard", "fields"):
        left, right = (d.rows(0, 300) for d in datasets(profile))
        yield f"{profile}, across", left, right, Scope(300, 300)
        yield f"{profile}, within, some", left, None, Scope(200, 90)
    left, right = (d.rows(0, 300) for d in datasets("standard"))
    yield "across, some", left, right, Scope(200, 90)
    yield "within", left, None, Scope(300, 300)
    schema = a_schema("tokens", more=COMMON_AND_TWO_VALUED)
    left, right = (a_dataset(schema, rows, name) for rows, name in zip(town.records, "ab", strict=True))
    yield "capped, across", left, right, Scope(200, 0)
    yield "capped, within", left, None, Scope(200, 0)
    yield "capped, within, nobody", left, None, Scope(0, 0)
    nobody = left.rows(0, 0)
    yield "across, nobody", left, nobody, Scope(len(left), len(left))
    yield "nobody, across", nobody, left, Scope(0, 0)


def keys_by_definition(
    left: Dataset, right: Dataset | None, n_left: int
) -> tuple[set, tuple[CappedKey, ...]]:
    """Pairs that share a match key, and what is capped; one value after the other."""
    pairs, capped = set(), []
    for number, key in enumerate(left.schema.match_keys):
        sides = [left, left if right is None else right]
        n_rows = [len(left) if right is None else n_left, len(sides[1])]
        holders = [{}, {}]
        for held, side, n in zip(holders, sides, n_rows, strict=True):
            for row in range(n):
                for value in {int(column[row]) for column in side.keys[number]} - {0}:
                    held.setdefault(value, []).append(row)
        n_values, records = 0, set()
        for value, here in holders[0].items():
            there = holders[1].get(value, [])
            if not there or (right is None and (len(here) < 2 or min(here) >= n_left)):
                continue
            if len(here) * len(there) > MAX_BLOCK_PAIRS:
                n_values += 1
                records |= {(0, row) for row in here} | {(int(right is not None), row) for row in there}
            elif right is None:
                pairs |= {(a, b) for a, b in combinations(here, 2) if a < n_left}
            else:
                pairs |= set(product(here, there))
        if n_values:
            capped.append(CappedKey(key.name, n_values, len(records)))
    return pairs, tuple(capped)


def near_by_definition(evidence, left: Dataset, right: Dataset | None, n_probed: int) -> set:
    """Near pairs from one call of the kernel on whole datasets."""
    if not n_probed or not evidence.compares_filters:
        return set()
    rows, columns = evidence.near(left, left if right is None else right)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {(a, b) for a, b in pairs if a < n_probed and (right is not None or a < b)}


def test_candidates_and_vectors_are_those_of_the_definitions(engine, datasets, town, subtests):
    n_pairs, n_capped = 0, 0
    for name, left, right, scope in cases(datasets, town):
        with subtests.test(name):
            evidence = evidence_for(left, right, (), seed=0)
            left, right = evidence.prepare(left), None if right is None else evidence.prepare(right)
            near = near_by_definition(evidence, left, right, scope.n_probed)
            sharing, capped = keys_by_definition(left, right, scope.n_left)
            found = engine.candidates(evidence, left, right, scope, progress=silent)
            pairs = list(zip(found.pairs.left.tolist(), found.pairs.right.tolist(), strict=True))
            assert pairs == sorted(near | sharing)
            assert found.from_filter.tolist() == [pair in near for pair in pairs]
            assert found.from_key.tolist() == [pair in sharing for pair in pairs]
            assert found.capped == capped
            other = left if right is None else right
            assert found.pairs.n_possible == scope.n_possible(len(other), itself=right is None)
            vectors = engine.compare(evidence, left, other, found.pairs)
            assert vectors.dtype == np.uint32
            assert np.array_equal(vectors, evidence.compare(left, other, found.pairs))
            n_pairs, n_capped = n_pairs + len(pairs), n_capped + len(capped)
    assert n_pairs > 1000
    assert n_capped > 2


def test_a_linkage_is_the_same(engine, datasets, linked):
    linkage, expected = link(datasets("fields"), engine=engine), linked("fields")
    for name in ("left", "right", "probability"):
        assert np.array_equal(getattr(linkage.links, name), getattr(expected.links, name))
    assert np.array_equal(linkage.entity, expected.entity)
    assert len(linkage.links.left) > 100


def test_a_killed_executor_changes_nothing(engine, datasets, tmp_path):
    if not isinstance(engine, SparkEngine):
        return  # that one is killed in test_local.py
    left, right = datasets("standard")
    evidence = evidence_for(left, right, (), seed=0)

    class Deadly:
        """The evidence, but the first tasks that use it kill the executors they run on, one of them each time."""

        compares_filters = True

        def __init__(self, folder: Path) -> None:
            self._evidence, self._folder = evidence, folder

        def near(self, *datasets, **options):
            self._kill("near")
            return self._evidence.near(*datasets, **options)

        def compare(self, left, right, pairs):
            if len(pairs):
                self._kill("compare")
            return self._evidence.compare(left, right, pairs)

        def _kill(self, stage: str) -> None:
            import signal

            import psutil

            try:
                (self._folder / stage).mkdir()
            except FileExistsError:
                return
            executor = psutil.Process().parent().parent()  # of the daemon that this process was forked from
            assert any("CoarseGrainedExecutorBackend" in word for word in executor.cmdline())
            os.kill(executor.pid, signal.SIGKILL)

    deadly, whole = Deadly(tmp_path), Scope(len(left), len(left))
    found = engine.candidates(deadly, left, right, whole, progress=silent)
    expected = LocalEngine().candidates(evidence, left, right, whole, progress=silent)
    assert np.array_equal(found.pairs.left, expected.pairs.left)
    assert np.array_equal(found.pairs.right, expected.pairs.right)
    vectors = engine.compare(deadly, left, right, found.pairs)
    assert np.array_equal(vectors, evidence.compare(left, right, found.pairs))
    assert {path.name for path in tmp_path.iterdir()} == {"near", "compare"}


def test_strata_go_with_a_dataset_and_change_nothing(engine, town):
    schema = a_schema("standard", more='[[stratum]]\nkind = "sex"\n')
    sides = [a_dataset(schema, rows, name) for rows, name in zip(town.records, "ab", strict=True)]
    linkage, expected = link(sides, engine=engine), link(sides)
    assert np.array_equal(linkage.links.left, expected.links.left)
    assert linkage.comparisons[0].strata == expected.comparisons[0].strata
    assert len(linkage.comparisons[0].strata) == 2
