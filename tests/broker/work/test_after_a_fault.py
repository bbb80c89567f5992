"""What a fault in the middle leaves behind, and that it ends right all the same."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.ledger import withdraw
from broker.releases import redaction
from broker.releases.redaction import redact
from broker.store.tables import Dataset, Delivery, DeliveryState, Job, JobState, Party, Withdrawal
from broker.work import Kind, Worker
from broker.work import kinds as kinds_of_jobs
from broker.work.queue import LEASE, MOST_ATTEMPTS, claim, put_back, retry
from pprl.errors import ConflictError, PprlError, StoreBusyError, StoreFullError
from pprl.package import open_package
from pprl.schema.columns import RECORD_GUID, byte_rows

from ..service.hospital import KEYS, Hospital
from ..tokens import guids_of
from .test_queue import ask_for, state_of


class Stop(BaseException):
    """As if the process ended here."""


def upload(hospital: Hospital, town, name: str = "a", **changes) -> str:
    who = {"a": "anna", "b": "bert"}[name]
    content = hospital.pack(name, town, **changes).read_bytes()
    made = hospital.announce(who, name, content).json()["id"]
    assert hospital.send(who, made, 0, content).status_code == 204
    return made


def take_up_again(hospital: Hospital) -> None:
    hospital.store.clock.now += LEASE
    hospital.work()


def told(hospital: Hospital, made: str) -> dict:
    return hospital.ask("anna", "GET", f"uploads/{made}").json()["job"]


def test_a_stop_between_a_file_and_its_row(hospital, town):
    """The package has its name by digest, and no row yet."""
    made, begin = upload(hospital, town), hospital.store.files._begin

    def stop():
        raise Stop

    hospital.store.files._begin = stop
    with pytest.raises(Stop):
        hospital.work()
    hospital.store.files._begin = begin
    take_up_again(hospital)
    assert told(hospital, made)["result"]["state"] == "accepted"


def test_a_busy_database_between_a_file_and_its_row(hospital, town):
    made, begin = upload(hospital, town), hospital.store.files._begin
    failures = [StoreBusyError("locked")]

    @contextmanager
    def busy():
        if failures:
            raise failures.pop()
        with begin() as session:
            yield session

    hospital.store.files._begin = busy
    hospital.work()
    assert told(hospital, made)["state"] == "queued"
    take_up_again(hospital)
    assert told(hospital, made)["result"]["state"] == "accepted"


def test_a_conflict_is_no_refusal(hospital, town, monkeypatch):
    made = upload(hospital, town)
    monkeypatch.setattr("broker.work.intake.redact", raiser(ConflictError("changed meanwhile")))
    hospital.work()
    assert told(hospital, made)["state"] == "queued"
    monkeypatch.undo()
    take_up_again(hospital)
    assert told(hospital, made)["result"]["state"] == "accepted"


def raiser(error: Exception):
    def fail(*_args, **_more):
        raise error

    return fail


def wrapped() -> PprlError:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise PprlError("out.parquet: cannot be written") from None
    except PprlError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [StoreFullError("full"), OSError(errno.ENOSPC, "No space left on device"), wrapped()],
    ids=["store", "file", "told by another"],
)
def test_a_full_disk_is_waited_for(hospital, monkeypatch, error):
    job = ask_for(hospital, Kind.LINK)
    monkeypatch.setitem(kinds_of_jobs.DOERS, Kind.LINK, raiser(error))
    hospital.work()
    with hospital.store.read() as session:
        row = session.get_one(Job, job.key)
        assert (row.state, row.attempts) == (JobState.QUEUED, 1)
        assert "full" in row.error


def test_another_fault_of_a_file_ends_the_job_and_says_so(hospital, monkeypatch):
    job = ask_for(hospital, Kind.LINK)
    monkeypatch.setitem(kinds_of_jobs.DOERS, Kind.LINK, raiser(OSError(errno.EIO, "Input/output error")))
    hospital.work()
    with hospital.store.read() as session:
        row = session.get_one(Job, job.key)
        assert (row.state, row.error) == (JobState.FAILED, "a file cannot be used (Input/output error)")


def test_a_withdrawal_is_not_given_up(hospital):
    job = ask_for(hospital, Kind.WITHDRAW, "a")
    for _ in range(3 * MOST_ATTEMPTS):
        lease, _ = claim(hospital.store, "one")
        put_back(hospital.store, lease, "the disk is full")
        hospital.store.clock.now += timedelta(minutes=10)
    assert state_of(hospital, job) is JobState.QUEUED


def test_a_wait_by_a_clock_that_was_ahead_is_not_waited(hospital):
    hospital.store.clock.now += timedelta(hours=5)
    job = ask_for(hospital, Kind.LINK)
    hospital.store.clock.now -= timedelta(hours=5)
    _, found = claim(hospital.store, "one")
    assert found.id == job.id


def redacted_guids(hospital: Hospital) -> set[bytes]:
    with hospital.store.read() as session:
        row = session.scalars(select(Delivery)).one()
    path = hospital.store.files.path(row.sha256)
    with open_package(path, KEYS.identity, trusted=None, now=hospital.store.clock()) as package:
        return {bytes(guid) for batch in package for guid in byte_rows(batch.column(RECORD_GUID))}


def test_a_slow_redaction_does_not_bring_back_what_another_took_out(hospital, town, monkeypatch):
    """A worker read which records are withdrawn, was held up, and lost its job; meanwhile more were withdrawn."""
    upload(hospital, town)
    hospital.work()
    guids = guids_of("a", len(town.records[0]))

    def withdraw_one(number: int) -> None:
        with hospital.store.begin() as session:
            withdraw(
                session,
                session.get_one(Dataset, hospital.datasets["a"].key),
                guids[number : number + 1],
                party=session.get_one(Party, hospital.parties["anna"].key),
                now=hospital.store.clock(),
                random_bytes=hospital.draw,
            )

    write, keys = redaction._write, {"identity": KEYS.identity, "signing_key": KEYS.signing}
    with hospital.store.read() as session:
        delivery_key = session.scalars(select(Delivery.key)).one()
    withdraw_one(0)

    def held_up(*args, **more):
        monkeypatch.undo()
        withdraw_one(1)
        redact(hospital.store, delivery_key, **keys)
        return write(*args, **more)

    monkeypatch.setattr(redaction, "_write", held_up)
    with pytest.raises(ConflictError):
        redact(hospital.store, delivery_key, **keys)
    left = redacted_guids(hospital)
    assert len(left) == len(guids) - 2
    assert not {bytes(guids[0]), bytes(guids[1])} & left


def test_a_withdrawal_that_another_worker_has_publishes_nothing(hospital, town, monkeypatch):
    upload(hospital, town)
    hospital.work()
    asked = hospital.ask(
        "anna",
        "POST",
        f"datasets/{hospital.datasets['a'].id}/withdrawals",
        json={"records": ["00000000-0000-4000-8000-000000000001"]},
    ).json()
    redact_one = redaction.redact

    def held_up(*args, **more):
        hospital.store.clock.now += LEASE
        assert claim(hospital.store, "another") is not None
        return redact_one(*args, **more)

    monkeypatch.setattr("broker.releases.withdrawal.redact", held_up)
    Worker(hospital.store, KEYS, random_bytes=hospital.draw).work_off(1)
    with hospital.store.read() as session:
        row = session.scalars(select(Withdrawal).where(Withdrawal.id == asked["withdrawal"]["id"])).one()
        assert row.purged_at is None
        assert session.scalars(select(Job.worker).where(Job.id == asked["job"]["id"])).one() == "another"


def test_bytes_sent_again_after_the_last_one_leave_no_file(hospital, town):
    made = upload(hospital, town)
    hospital.work()
    assert hospital.send("anna", made, 0, b"x").status_code == 409
    assert list(hospital.store.uploads.iterdir()) == []


@pytest.mark.parametrize("n_withdrawn", [1, None], ids=["a record", "all records"])
def test_a_stop_after_withdrawn_records_were_taken_out_of_a_delivery(
    hospital, town, monkeypatch, n_withdrawn
):
    """What came is gone then, and what is left of it is what the next attempt goes on with."""
    guids = guids_of("a", len(town.records[0]))
    with hospital.store.begin() as session:
        withdraw(
            session,
            session.get_one(Dataset, hospital.datasets["a"].key),
            guids[:n_withdrawn],
            party=session.get_one(Party, hospital.parties["anna"].key),
            now=hospital.store.clock(),
            random_bytes=hospital.draw,
        )
    made = upload(hospital, town)
    monkeypatch.setattr("broker.work.intake._accept", raiser(StoreBusyError("locked")))
    hospital.work()
    monkeypatch.undo()
    assert told(hospital, made)["state"] == "queued"
    take_up_again(hospital)
    assert told(hospital, made)["result"]["state"] == "accepted"
    with hospital.store.read() as session:
        row = session.scalars(select(Delivery)).one()
    assert (row.state, row.n_records) == (
        DeliveryState.ACCEPTED,
        0 if n_withdrawn is None else len(guids) - 1,
    )


def test_an_intake_that_failed_and_was_given_up_accepts_nothing(hospital, town, monkeypatch):
    """A later one has refused its delivery; begun anew, it takes the package in as if it was the first time."""
    first = upload(hospital, town)
    monkeypatch.setattr("broker.work.intake._accept", raiser(PprlError("a fault")))
    hospital.work()
    monkeypatch.undo()
    assert told(hospital, first)["state"] == "failed"
    upload(hospital, town, sequence=2)
    hospital.work()
    with hospital.store.begin() as session:
        retry(session, session.scalars(select(Job).order_by(Job.key)).first(), now=hospital.store.clock())
    hospital.work()
    assert told(hospital, first)["result"]["state"] == "refused"
    with hospital.store.read() as session:
        states = [(row.sequence, row.state) for row in session.scalars(select(Delivery))]
    assert (2, DeliveryState.ACCEPTED) in states
    assert (1, DeliveryState.ACCEPTED) not in states
