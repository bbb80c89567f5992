"""``pprl-broker job``: long work asked for at the machine itself."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from broker.store import open_store
from broker.store.tables import Job
from broker.work import Worker
from pprl.errors import ConflictError, NotFoundError

from ..clocks import SetClock
from ..service.hospital import KEYS, Hospital
from .test_administration import Broker


@pytest.fixture
def hospital(where, tmp_path):
    with open_store(where[0], files=where[1], clock=SetClock()) as store, Hospital(store, tmp_path) as made:
        made.run = Broker(*where)
        yield made


def work(hospital):
    """Do the job that waits, by the clock of this world rather than the machine's."""
    with hospital.store.begin() as session:
        session.execute(update(Job).values(not_before=hospital.store.clock()))
    Worker(hospital.store, KEYS).work_off(1)


def test_a_run_and_a_release(hospital, town):
    for name in "ab":
        hospital.submit(name, hospital.pack(name, town))
    job = hospital.run("job", "link", "town", "--as", "olga")
    (waiting,) = hospital.run.json("job", "list", "--state", "queued")
    assert (waiting["id"], waiting["kind"]) == (job, "link")
    work(hospital)
    (done,) = hospital.run.json("job", "list", "--project", "town", "--state", "done")[-1:]
    assert done["id"] == job, done
    assert done["result"]["run"]
    assert job in hospital.run("job", "list")


def test_cancel_and_retry(hospital):
    job = hospital.run("job", "link", "town", "--as", "stella")
    with pytest.raises(ConflictError, match="only one that failed"):
        hospital.run("job", "retry", job)
    work(hospital)
    (failed,) = hospital.run.json("job", "list", "--state", "failed")
    assert "nothing to link" in failed["error"]
    hospital.run("job", "retry", job)
    hospital.run("job", "cancel", job)
    (cancelled,) = hospital.run.json("job", "list")
    assert cancelled["state"] == "cancelled"


def test_who_may_not(hospital):
    with pytest.raises(NotFoundError):
        hospital.run("job", "link", "town", "--as", "otto")
    with pytest.raises(NotFoundError):
        hospital.run("job", "cancel", "00000000-0000-4000-8000-000000000000")
