"""Who may take up which job, and what becomes of those whose worker is gone."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.store.tables import Job, JobState
from broker.work import Kind, cancel, enqueue
from broker.work.queue import (
    LEASE,
    MOST_ATTEMPTS,
    LeaseLost,
    claim,
    fail,
    put_back,
    release_all,
    renew,
    retry,
)
from pprl.errors import ConflictError

from ..service.hospital import Hospital


def ask_for(hospital: Hospital, kind: Kind, dataset: str | None = None) -> Job:
    with hospital.store.begin() as session:
        return enqueue(
            session,
            kind,
            by=hospital.parties["stella"],
            project=hospital.project if dataset is None else None,
            dataset=None if dataset is None else hospital.datasets[dataset],
            arguments={},
            now=hospital.store.clock(),
            random_bytes=hospital.draw,
        )


def state_of(hospital: Hospital, job: Job) -> JobState:
    with hospital.store.read() as session:
        return session.scalars(select(Job.state).where(Job.key == job.key)).one()


def finish(hospital: Hospital, lease) -> None:
    with hospital.store.begin() as session:
        lease.finish(session, {}, now=hospital.store.clock())


def test_a_lane_goes_in_order(hospital):
    first, second = ask_for(hospital, Kind.LINK), ask_for(hospital, Kind.RELEASE)
    lease, job = claim(hospital.store, "one")
    assert job.id == first.id
    assert claim(hospital.store, "two") is None
    finish(hospital, lease)
    _, job = claim(hospital.store, "two")
    assert job.id == second.id


def test_intakes_of_several_datasets_go_beside_each_other_and_beside_a_run(hospital):
    jobs = [ask_for(hospital, Kind.LINK)]
    jobs += [ask_for(hospital, Kind.INTAKE, name) for name in ("a", "b", "a")]
    taken = [claim(hospital.store, f"worker {number}") for number in range(3)]
    assert [job.id for _, job in taken] == [job.id for job in jobs[:3]]
    assert claim(hospital.store, "another") is None


def test_a_worker_takes_its_kinds_only(hospital):
    ask_for(hospital, Kind.LINK)
    assert claim(hospital.store, "one", kinds=[Kind.INTAKE]) is None
    assert claim(hospital.store, "one", kinds=[Kind.LINK]) is not None


def test_a_job_whose_worker_is_gone_is_taken_up_again(hospital):
    job = ask_for(hospital, Kind.LINK)
    lost, _ = claim(hospital.store, "one")
    assert claim(hospital.store, "two") is None
    hospital.store.clock.now += LEASE
    lease, again = claim(hospital.store, "two")
    assert again.id == job.id
    assert again.attempts == 2
    with pytest.raises(LeaseLost):
        finish(hospital, lost)
    with pytest.raises(LeaseLost):
        renew(hospital.store, lost, stage="", n_done=0, n_total=0)
    finish(hospital, lease)
    assert state_of(hospital, job) is JobState.DONE


def test_a_lease_that_is_renewed_lasts(hospital):
    ask_for(hospital, Kind.LINK)
    lease, job = claim(hospital.store, "one")
    for _ in range(3):
        hospital.store.clock.now += LEASE / 2
        assert not renew(hospital.store, lease, stage="comparing", n_done=3, n_total=4)
    assert claim(hospital.store, "two") is None
    told = hospital.ask("stella", "GET", f"jobs/{job.id}").json()
    assert (told["stage"], told["n_done"], told["n_total"]) == ("comparing", 3, 4)


def test_a_clock_that_was_ahead_does_not_hold_a_job_for_ever(hospital):
    ask_for(hospital, Kind.LINK)
    hospital.store.clock.now += timedelta(days=365)
    claim(hospital.store, "one")
    hospital.store.clock.now -= timedelta(days=365)
    assert claim(hospital.store, "two") is not None


def test_a_job_that_kills_its_workers_is_given_up(hospital):
    job = ask_for(hospital, Kind.LINK)
    for number in range(MOST_ATTEMPTS):
        assert claim(hospital.store, f"worker {number}") is not None
        hospital.store.clock.now += LEASE
    assert claim(hospital.store, "another") is None
    assert state_of(hospital, job) is JobState.FAILED


def test_a_job_that_is_put_back_waits_the_longer_the_oftener(hospital):
    job, waits = ask_for(hospital, Kind.LINK), []
    for _ in range(4):
        lease, _ = claim(hospital.store, "one")
        put_back(hospital.store, lease, "the store is busy")
        with hospital.store.read() as session:
            due = session.scalars(select(Job.not_before).where(Job.key == job.key)).one()
        waits.append(due - hospital.store.clock())
        assert claim(hospital.store, "one") is None
        hospital.store.clock.now = due
    assert waits == sorted(waits)
    assert waits[0] < waits[-1] <= timedelta(minutes=10)


def test_an_earlier_job_that_is_begun_again_and_a_later_one_left_behind_do_not_block_each_other(hospital):
    first, second = ask_for(hospital, Kind.LINK), ask_for(hospital, Kind.LINK)
    lease, _ = claim(hospital.store, "one")
    fail(hospital.store, lease, "no memory")
    claim(hospital.store, "one")
    with hospital.store.begin() as session:
        retry(session, session.get_one(Job, first.key), now=hospital.store.clock())
    hospital.store.clock.now += LEASE
    lease, job = claim(hospital.store, "two")
    assert job.id == second.id
    finish(hospital, lease)
    _, job = claim(hospital.store, "two")
    assert job.id == first.id


def test_cancelling(hospital):
    waiting, running = ask_for(hospital, Kind.INTAKE, "a"), ask_for(hospital, Kind.LINK)
    clearing = ask_for(hospital, Kind.WITHDRAW, "b")
    lease, _ = claim(hospital.store, "one", kinds=[Kind.LINK])
    for job in (waiting, running):
        assert hospital.ask("stella", "POST", f"jobs/{job.id}/cancel").status_code == 202
    assert state_of(hospital, waiting) is JobState.CANCELLED
    assert state_of(hospital, running) is JobState.RUNNING
    assert renew(hospital.store, lease, stage="", n_done=0, n_total=0)
    assert hospital.ask("stella", "POST", f"jobs/{waiting.id}/cancel").status_code == 409
    assert hospital.ask("stella", "POST", f"jobs/{clearing.id}/cancel").status_code == 409
    with hospital.store.begin() as session, pytest.raises(ConflictError):
        cancel(session, session.get_one(Job, clearing.key), by="local", now=hospital.store.clock())


def test_a_worker_that_is_told_to_stop_lets_go(hospital):
    job = ask_for(hospital, Kind.LINK)
    claim(hospital.store, "one")
    assert release_all(hospital.store, "two") == 0
    assert release_all(hospital.store, "one") == 1
    _, again = claim(hospital.store, "two")
    assert (again.id, again.attempts) == (job.id, 1)


def test_several_workers_take_each_job_once(hospital):
    jobs = [ask_for(hospital, Kind.INTAKE, name) for name in "abababab"]
    taken, lock = [], threading.Lock()

    def work(name: str) -> None:
        for _ in range(20):
            claimed = claim(hospital.store, name)
            if claimed is not None:
                with lock:
                    taken.append(claimed[1].id)
                finish(hospital, claimed[0])

    threads = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(job.id for job in jobs)
