"""The tables of a run against a slow twin, in batches of any size, and when they cannot be written."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker import tables
from broker.matching.dataset import Dataset
from broker.matching.entities import Links
from broker.matching.pipeline import Linkage
from broker.release import write_run
from broker.tables import ENTITIES, LINKS, entity_batches, link_batches, write_table
from pprl.errors import PprlError
from pprl.guid import new_guids, to_text

from .tokens import NOW, a_schema, pack


def a_linkage(sizes: dict[str, int], seed: int = 0) -> Linkage:
    """Datasets of these sizes, random entities over them and a link for every two neighbours in one."""
    rng = np.random.default_rng(seed)
    datasets = tuple(
        Dataset(
            name, a_schema(), new_guids(n, random_bytes=rng.bytes), np.zeros(n, np.uint32), {}, {}, (), False
        )
        for name, n in sizes.items()
    )
    n = sum(sizes.values())
    _, first, drawn = np.unique(rng.integers(0, max(1, n // 2), n), return_index=True, return_inverse=True)
    entity = np.argsort(np.argsort(first))[drawn]  # numbered in the order of their first records
    by_entity = np.lexsort((np.arange(n), entity))
    joined = np.flatnonzero(entity[by_entity][1:] == entity[by_entity][:-1])
    links = Links(by_entity[joined], by_entity[joined + 1], rng.uniform(0.5, 1, len(joined)))
    return Linkage(datasets, (), links, entity, 0, 0.5)


def records(linkage: Linkage) -> list[tuple[str, str]]:
    return [(d.name, text) for d in linkage.datasets for text in to_text(d.guids)]


def entities_slowly(linkage: Linkage, random_bytes) -> list[tuple[str, ...]]:
    guids = to_text(new_guids(len(set(linkage.entity.tolist())), random_bytes=random_bytes))
    pairs = zip(linkage.entity.tolist(), records(linkage), strict=True)
    return sorted((guids[number], *record) for number, record in pairs)


def links_slowly(linkage: Linkage) -> list[tuple[str | float, ...]]:
    named, links = records(linkage), linkage.links
    rows = sorted(zip(links.left.tolist(), links.right.tolist(), links.probability.tolist(), strict=True))
    return [(*named[left], *named[right], min(round(p, 6), 0.999999)) for left, right, p in rows]


def rows_of(batches) -> list[tuple]:
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


SIZES = st.dictionaries(
    st.sampled_from(["b", "a", "a-long-name", "Z", "0"]), st.integers(0, 25), min_size=1, max_size=4
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIZES, st.integers(0, 2**32), st.sampled_from([1, 7, 1000]))
def test_rows_are_those_of_the_twin(monkeypatch, sizes, seed, rows_per_batch):
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", rows_per_batch)
    linkage = a_linkage(sizes, seed)

    def random_bytes():
        return np.random.default_rng(seed).bytes

    entities = list(entity_batches(linkage, random_bytes=random_bytes()))
    assert rows_of(entities) == entities_slowly(linkage, random_bytes())
    links = list(link_batches(linkage))
    assert rows_of(links) == links_slowly(linkage)
    for batches, schema in ((entities, ENTITIES), (links, LINKS)):
        for batch in batches:
            assert 0 < batch.num_rows <= rows_per_batch
            assert batch.schema.equals(schema)
            batch.validate(full=True)


@pytest.mark.parametrize("place", [0, 7, 8, 15])
def test_guids_that_differ_in_one_byte_only(place):
    """Which a good source never draws: the order must not hang on the first bytes."""
    linkage = a_linkage({"a": 60, "b": 40})

    def poor(n_bytes: int) -> bytes:
        drawn = np.zeros((n_bytes // 16, 16), dtype=np.uint8)
        drawn[:, place] = np.random.default_rng(1).permutation(60)[: len(drawn)]
        return drawn.tobytes()

    assert rows_of(entity_batches(linkage, random_bytes=poor)) == entities_slowly(linkage, poor)


def test_every_record_of_one_entity():
    linkage = a_linkage({"b": 30, "a": 30})
    alone = Linkage(linkage.datasets, (), linkage.links, np.zeros(60, dtype=np.int64), 0, 0.5)
    found = rows_of(entity_batches(alone))
    assert len({guid for guid, *_ in found}) == 1
    assert [tuple(record) for _, *record in found] == sorted(records(alone))


def test_twins_are_written_batch_by_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", 16)
    linkage, done = a_linkage({"b": 30, "a": 20}), []
    write_table(tmp_path / "entities", ENTITIES, entity_batches(linkage), advance=done.append)
    assert done == [16, 16, 16, 2]
    found = pq.ParquetFile(tmp_path / "entities.parquet")
    assert [found.metadata.row_group(i).num_rows for i in range(4)] == done
    assert found.schema_arrow.equals(ENTITIES)
    table = found.read()
    assert pa.csv.read_csv(tmp_path / "entities.csv").equals(table)
    text = "".join(",".join(row.values()) + "\n" for row in table.to_pylist())
    assert (tmp_path / "entities.csv").read_text() == "entity_guid,dataset,record_guid\n" + text


def test_a_table_without_rows(tmp_path):
    write_table(tmp_path / "links", LINKS, [])
    assert (tmp_path / "links.csv").read_text().split("\n") == [",".join(LINKS.names), ""]
    assert pq.read_table(tmp_path / "links.parquet").equals(LINKS.empty_table())


@pytest.fixture
def full_disk(monkeypatch):
    """``full_disk("links.csv")``: writing the file of this name finds the disk full."""
    before = Path.open

    def begin(name: str) -> None:
        def fill(self: Path, *args, **more):
            return before(Path("/dev/full") if self.name == name else self, *args, **more)

        monkeypatch.setattr(Path, "open", fill)

    return begin


@pytest.mark.parametrize("name", ["links.csv", "links.parquet", "entities.csv", "entities.parquet"])
@pytest.mark.parametrize("n_records", [10, 4000])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, full_disk, monkeypatch, name, n_records):
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", 500)
    manifest = pack(tmp_path / "a.pprl", a_schema(), [{"surname": "lee", "birth_date": "19800513"}] * 3)
    full_disk(name)
    with pytest.raises(PprlError) as caught:
        write_run(
            a_linkage({"a": n_records}), [manifest], tmp_path / "run", seed=0, intake_seconds=0, now=NOW
        )
    assert str(caught.value) == f"{tmp_path / 'run'}: cannot be written (No space left on device)"
    assert [path.name for path in tmp_path.iterdir()] == ["a.pprl"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pprl-parquet")]


def test_an_error_while_rows_are_made(tmp_path):
    def batches():
        yield from entity_batches(a_linkage({"a": 10}))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(tmp_path / "entities", ENTITIES, batches())


def test_errors_of_the_system_pass_as_they_are(tmp_path, full_disk):
    full_disk("entities.parquet")
    with pytest.raises(OSError, match="No space left") as caught:
        write_table(tmp_path / "entities", ENTITIES, entity_batches(a_linkage({"a": 4000})))
    assert caught.value.errno == errno.ENOSPC
