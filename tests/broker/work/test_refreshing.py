"""Runs after the first one: only what is new or changed is compared, with the outcome of a run in full."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, select

from broker.engines.earlier import NearPairs
from broker.ledger import near
from broker.ledger.near import NEAR_PAIRS, read_near_pairs
from broker.store.tables import RunFile, StoredFile
from pprl.guid import to_text

from ..service.hospital import Hospital
from ..tokens import guids_of, pack

on_sqlite = pytest.mark.parametrize("where", ["sqlite"], indirect=True)

COST = 0.1
"""Share of all comparisons that a refreshed run of these tests may take."""


@pytest.fixture
def linked(hospital, town) -> Hospital:
    """Both datasets are there, and were linked."""
    for name in "ab":
        hospital.submit(name, hospital.pack(name, town))
    job = run(hospital)
    assert job["result"]["n_compared"] == job["result"]["n_compared_in_full"] > 0
    return hospital


def run(hospital: Hospital, **settings) -> dict:
    """Link; gives the job, which is done."""
    asked = hospital.ask("stella", "POST", f"projects/{hospital.project.id}/runs", json=settings)
    hospital.work()
    job = hospital.ask("stella", "GET", f"jobs/{asked.json()['id']}").json()
    assert job["state"] == "done", job
    return job


def files(hospital: Hospital) -> dict[str, str]:
    """Those of the last run."""
    with hospital.store.read() as session:
        last = select(RunFile.run_key).order_by(RunFile.run_key.desc()).limit(1).scalar_subquery()
        wanted = select(RunFile.name, RunFile.sha256).where(RunFile.run_key == last)
        return dict(session.execute(wanted).all())


def outcome(hospital: Hospital) -> tuple:
    """Links and quality of the last run, without its times."""
    digests = files(hospital)
    links = pq.read_table(hospital.store.files.path(digests["links.parquet"])).to_pylist()
    quality = json.loads(hospital.store.files.path(digests["quality.json"]).read_bytes())
    for one in (quality, *quality["comparisons"]):
        one.pop("seconds", None)
        one.pop("created", None)
    return links, quality


def withdraw(hospital: Hospital, guids, name: str = "a") -> None:
    """Ask for it; a worker will do it."""
    hospital.store.clock.forward(minutes=1)
    who, path = {"a": "anna", "b": "bert"}[name], f"datasets/{hospital.datasets[name].id}/withdrawals"
    asked = hospital.ask(who, "POST", path, json={"records": list(to_text(guids))})
    assert asked.status_code == 202, asked.text


def forget(hospital: Hospital) -> None:
    """Let the next run be one in full."""
    with hospital.store.begin() as session:
        session.execute(delete(RunFile).where(RunFile.name == NEAR_PAIRS))


def cost(job: dict) -> float:
    return job["result"]["n_compared"] / job["result"]["n_compared_in_full"]


def test_a_later_run_compares_what_changed_and_finds_what_one_in_full_finds(linked, town):
    earlier = files(linked)[NEAR_PAIRS]
    # Some change, many go; GUIDs are told by the row.
    pack(
        linked.folder / "a.pprl",
        linked.schema,
        [*town.records[0][:395], *town.records[0][-8:]],
        dataset="a",
        sequence=2,
    )
    linked.submit("a", linked.folder / "a.pprl")
    linked.submit("b", linked.pack("b", town, sequence=2, rows=slice(0, -4)))
    job = run(linked)
    assert 0 < cost(job) < COST
    refreshed = outcome(linked)
    assert len(refreshed[0]) > 100
    assert files(linked)[NEAR_PAIRS] != earlier
    forget(linked)
    assert cost(run(linked)) == 1
    assert outcome(linked) == refreshed


@on_sqlite
def test_other_settings_are_no_reason_to_search_again(linked):
    job = run(linked, threshold=0.9, candidates="keys")
    assert cost(job) == 0
    refreshed = outcome(linked)
    forget(linked)
    assert cost(run(linked, threshold=0.9, candidates="keys")) == 1
    assert outcome(linked) == refreshed


@on_sqlite
def test_what_an_earlier_run_found_is_kept_once(linked):
    run(linked)
    run(linked)
    with linked.store.read() as session:
        (digest,) = session.scalars(select(RunFile.sha256).where(RunFile.name == NEAR_PAIRS))
        stored = list(session.scalars(select(StoredFile.sha256)))
    kept = [sha256 for sha256 in stored if NearPairs.read(linked.store.files.path(sha256))]
    assert kept == [digest]


def test_a_withdrawal_leaves_what_the_next_run_needs(linked, town):
    before = read_near_pairs(linked.store, linked.project.key)
    gone = guids_of("a", len(town.records[0]))[:4]
    withdraw(linked, gone)
    linked.store.clock.forward(minutes=1)
    linked.work()
    left = read_near_pairs(linked.store, linked.project.key)
    assert not linked.store.files.path(before.sha256).exists()
    assert len(left.pairs.marks["a"]) == len(before.pairs.marks["a"]) - 4
    assert sum(len(s.columns) for s in left.pairs.searches) < sum(
        len(s.columns) for s in before.pairs.searches
    )
    job = run(linked)
    assert cost(job) == 0
    refreshed = outcome(linked)
    forget(linked)
    assert cost(run(linked)) == 1
    assert outcome(linked) == refreshed


@on_sqlite
@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_file_that_cannot_be_read_costs_a_run_in_full(linked, town, damage):
    path = linked.store.files.path(files(linked)[NEAR_PAIRS])
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"something else")
    assert cost(run(linked)) == 1
    assert cost(run(linked)) == 0


@on_sqlite
def test_a_withdrawal_clears_away_a_file_that_cannot_be_read(linked, town):
    path = linked.store.files.path(files(linked)[NEAR_PAIRS])
    path.write_bytes(b"something else")
    withdraw(linked, guids_of("a", 1))
    linked.store.clock.forward(minutes=1)
    linked.work()
    assert NEAR_PAIRS not in files(linked)
    assert not path.exists()


def test_two_withdrawals_at_once_both_have_their_records_taken_out(linked, monkeypatch):
    gone = {name: guids_of(name, 3) for name in "ab"}
    for name, guids in gone.items():
        withdraw(linked, guids, name)
    real = near.store_near_pairs

    def store_near_pairs(store, pairs):
        monkeypatch.setattr(near, "store_near_pairs", real)
        near.forget_withdrawn(linked.store, linked.datasets["b"])  # the other one overtakes
        return real(store, pairs)

    before = read_near_pairs(linked.store, linked.project.key).pairs
    monkeypatch.setattr(near, "store_near_pairs", store_near_pairs)
    assert len(near.forget_withdrawn(linked.store, linked.datasets["a"])) == 1
    left = read_near_pairs(linked.store, linked.project.key).pairs
    assert {name: len(marks) for name, marks in left.marks.items()} == {
        name: len(marks) - 3 for name, marks in before.marks.items()
    }
