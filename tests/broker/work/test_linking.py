"""Linkage runs of a project: what is permitted, what is kept, what a change of mind does."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from broker.governance import grant, revoke
from broker.ledger.bulk import read_records
from broker.ledger.near import NEAR_PAIRS
from broker.store.tables import (
    Entity,
    Job,
    JobState,
    LedgerRecord,
    Permission,
    Run,
    RunFile,
    StoredFile,
    Use,
)
from broker.work import Worker
from broker.work.queue import claim
from pprl.guid import to_text

from ..service.hospital import KEYS, Hospital
from ..tokens import guids_of, pack


@pytest.fixture
def delivered(hospital, town) -> Hospital:
    """Both datasets are there."""
    for name in "ab":
        hospital.submit(name, hospital.pack(name, town))
    return hospital


def run(hospital: Hospital, **settings) -> dict:
    """Link; gives the job."""
    asked = hospital.ask("stella", "POST", f"projects/{hospital.project.id}/runs", json=settings)
    assert asked.status_code == 202, asked.text
    hospital.work()
    return hospital.ask("stella", "GET", f"jobs/{asked.json()['id']}").json()


def entities(hospital: Hospital) -> int:
    with hospital.store.read() as session:
        return session.scalar(select(func.count()).select_from(Entity).where(Entity.ended_at.is_(None)))


def test_the_ledger_has_what_the_run_found(delivered, town):
    job = run(delivered)
    assert job["state"] == "done", job
    told = delivered.ask("stella", "GET", f"runs/{job['result']['run']}").json()
    assert told["n_records"] == sum(map(len, town.records))
    assert entities(delivered) == told["n_entities"]
    with delivered.store.read() as session:
        held = [read_records(session, delivered.datasets[name].key) for name in "ab"]
        files = dict(session.execute(select(RunFile.name, RunFile.sha256)).all())
    shared = np.intersect1d(held[0].entity, held[1].entity)
    assert len(shared) == told["n_links"]
    assert set(files) >= {"quality.json", "report.html", "links.parquet", "evidence.parquet"}
    with delivered.store.files.open(files["quality.json"]) as file:
        quality = json.load(file)
    assert quality == delivered.ask("stella", "GET", f"runs/{told['id']}/quality").json()
    assert not list(delivered.store.uploads.iterdir())
    assert not list((delivered.store.location.folder / "work").iterdir())


def test_identities_last_over_runs(delivered, town):
    run(delivered)
    with delivered.store.read() as session:
        before = read_records(session, delivered.datasets["a"].key)
    delivered.submit("a", delivered.pack("a", town, sequence=2, rows=slice(5, None)))
    job = run(delivered)
    assert job["state"] == "done", job
    with delivered.store.read() as session:
        after = read_records(session, delivered.datasets["a"].key)
        removed = set(map(bytes, before.guids)) - set(map(bytes, after.guids))
    assert removed == set(map(bytes, guids_of("a", len(town.records[0]))[-5:]))
    stays = {bytes(guid): entity for guid, entity in zip(before.guids, before.entity, strict=True)}
    same = [stays[bytes(guid)] == entity for guid, entity in zip(after.guids, after.entity, strict=True)]
    assert np.mean(same) > 0.95


def test_nothing_is_linked_without_permission(delivered):
    with delivered.store.begin() as session:
        permission = session.scalars(select(Permission)).one()
        revoke(
            session,
            permission,
            revoker=delivered.parties["stella"],
            by="local",
            now=delivered.store.clock(),
        )
    job = run(delivered)
    assert job["state"] == "failed"
    assert "no dataset with a permission" in job["error"]


def test_what_is_permitted_no_more_is_undone_by_the_next_run(delivered, town):
    run(delivered)
    with delivered.store.begin() as session:
        permission = session.scalars(select(Permission)).one()
        revoke(
            session,
            permission,
            revoker=delivered.parties["stella"],
            by="local",
            now=delivered.store.clock(),
        )
        grant(
            session,
            Use.DEDUPLICATE,
            delivered.datasets["a"],
            delivered.datasets["a"],
            approver=delivered.parties["stella"],
            expires_at=delivered.store.clock() + timedelta(days=5),
            by="local",
            now=delivered.store.clock(),
        )
    job = run(delivered)
    # the sites vouch that nobody is twice in a dataset, so that deduplicating leaves nothing to compare
    assert job["state"] == "failed"
    assert "nothing to compare" in job["error"]


def test_nothing_delivered_yet(hospital):
    assert "nothing to link" in run(hospital)["error"]


def test_a_party_that_may_not_any_more_has_its_run_refused(delivered):
    asked = delivered.ask("stella", "POST", f"projects/{delivered.project.id}/runs", json={})
    with delivered.store.begin() as session:
        session.get_one(type(delivered.project), delivered.project.key).closed_at = delivered.store.clock()
    delivered.work()
    job = delivered.ask("stella", "GET", f"jobs/{asked.json()['id']}").json()
    assert (job["state"], "closed" in job["error"]) == ("failed", True)


def test_a_run_is_cancelled_where_it_is(delivered, monkeypatch):
    from broker.work import progress

    monkeypatch.setattr(progress, "RENEW_EVERY_S", 0.01)
    asked = delivered.ask("stella", "POST", f"projects/{delivered.project.id}/runs", json={}).json()
    real = progress.Keeper.check
    stages = []

    def check(keeper):
        stages.append(keeper._stage)
        if len(stages) == 5:
            delivered.ask("stella", "POST", f"jobs/{asked['id']}/cancel")
            while not keeper._cancelled:
                progress.threading.Event().wait(0.01)
        real(keeper)

    monkeypatch.setattr(progress.Keeper, "check", check)
    delivered.work()
    job = delivered.ask("stella", "GET", f"jobs/{asked['id']}").json()
    assert job["state"] == "cancelled"
    with delivered.store.read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 0
        assert session.scalar(select(func.count()).select_from(LedgerRecord)) == 0


def test_records_withdrawn_while_a_run_goes_on_are_not_in_its_outcome(delivered, town, monkeypatch):
    """The run is put back, and done again without them; then the withdrawal is carried out."""
    from broker.work import linking

    gone = guids_of("a", len(town.records[0]))[:2]
    real, texts = linking.write_run, []

    def write_run(*arguments, **more):
        if not texts:
            texts.append(True)
            records = [_text(guid) for guid in gone]
            answer = delivered.ask(
                "anna",
                "POST",
                f"datasets/{delivered.datasets['a'].id}/withdrawals",
                json={"records": records},
            )
            assert answer.status_code == 202, answer.text
        return real(*arguments, **more)

    monkeypatch.setattr(linking, "write_run", write_run)
    job = run(delivered)
    assert job["state"] == "queued"
    delivered.store.clock.forward(minutes=1)
    delivered.work()
    job = delivered.ask("stella", "GET", f"jobs/{job['id']}").json()
    assert job["state"] == "done", job
    told = delivered.ask("stella", "GET", f"runs/{job['result']['run']}").json()
    assert told["n_records"] == sum(map(len, town.records)) - 2
    (withdrawal,) = delivered.ask("anna", "GET", f"datasets/{delivered.datasets['a'].id}/withdrawals").json()[
        "items"
    ]
    assert withdrawal["purged_at"] is not None


def test_a_fault_of_the_program_is_told_without_its_text(delivered, monkeypatch):
    from broker.work import linking

    def link(*arguments, **more):
        raise ZeroDivisionError("Ada Lovelace")

    monkeypatch.setattr(linking, "link", link)
    job = run(delivered)
    assert (job["state"], job["error"]) == (
        "failed",
        "a fault of the program ended it (ZeroDivisionError)",
    )


def test_a_worker_that_woke_up_too_late_spoils_nothing(delivered):
    """Its lease ran out while it slept; another one has done the job."""
    asked = delivered.ask("stella", "POST", f"projects/{delivered.project.id}/runs", json={}).json()
    late = Worker(delivered.store, KEYS)
    lease, job = claim(delivered.store, late.name)
    delivered.store.clock.forward(minutes=2)
    delivered.work()
    with delivered.store.read() as session:
        assert session.scalars(select(Job.state).where(Job.id == asked["id"])).one() is JobState.DONE
    late._do(lease, job)
    with delivered.store.read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1
        assert session.scalars(select(Job.state).where(Job.id == asked["id"])).one() is JobState.DONE


def test_nothing_of_a_withdrawn_record_remains_in_bulk_data(delivered, town):
    run(delivered)
    gone = [_text(guid) for guid in guids_of("a", len(town.records[0]))[:4]]
    delivered.store.clock.forward(minutes=1)
    delivered.ask(
        "anna", "POST", f"datasets/{delivered.datasets['a'].id}/withdrawals", json={"records": gone}
    )
    delivered.store.clock.forward(minutes=1)
    delivered.work()
    with delivered.store.read() as session:
        kept = set(session.scalars(select(RunFile.name)))
        digests = list(session.scalars(select(StoredFile.sha256)))
    assert kept == {"quality.json", "report.html", NEAR_PAIRS}
    raw = [bytes.fromhex(text.replace("-", "")) for text in gone]
    for digest in digests:
        content = delivered.store.files.path(digest).read_bytes()
        assert not any(guid in content for guid in raw)
        assert not any(text.encode() in content for text in gone)


def _text(guid) -> str:
    return to_text(guid.reshape(1, 16))[0]


def test_a_dataset_without_records(delivered):
    """A site that has nobody any more says so by an empty delivery."""
    run(delivered)
    path = delivered.folder / "a.pprl"
    pack(path, delivered.schema, [], dataset="a", sequence=2)
    assert delivered.submit("a", path)["result"]["state"] == "accepted"
    job = run(delivered)
    assert job["state"] == "failed"
    assert "nothing to compare" in job["error"]
