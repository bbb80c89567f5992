"""Several workers on one store; one that is held up and wakes up too late; clocks that jump."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select, update

from broker.clock import system_clock
from broker.store import open_store
from broker.store.tables import Job, JobState, Release, Run
from broker.work import Worker

from .conftest import N_ROUNDS
from .service import ROOT, Service, environment


@pytest.fixture
def service(place):
    made = Service(place, workers=False)
    made.start()
    yield made
    made.stop()


@contextmanager
def worker_of(place):
    """``pprl-broker work``."""
    command = [sys.executable, "-c", "from broker.cli import main; main()", "work"]
    command += ["--store", place.where, "--keys", str(place.keys_folder)]
    if place.files is not None:
        command += ["--files", str(place.files)]
    log = (place.folder / "worker.log").open("ab")
    with log, subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environment()) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def test_three_workers_do_each_job_once(place, service, asker, ends, store, is_sound):
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(worker_of(place))
        jobs = [asker.deliver(name, place.package(name)) for name in "abab"]
        for job in jobs:  # a run has a lane of its own, and finds nothing before
            assert ends(job)["state"] == "done"
        jobs += [asker.link() if number % 2 == 0 else asker.release() for number in range(2 * N_ROUNDS)]
        for job in jobs:
            done = ends(job)
            assert (done["state"], done["attempts"]) == ("done", 1), done
    is_sound()
    with store.read() as session:
        assert len(session.scalars(select(Run.key)).all()) == N_ROUNDS
        assert len(session.scalars(select(Release.key)).all()) == N_ROUNDS
        rows = session.scalars(select(Job).where(Job.id.in_(jobs)).order_by(Job.key)).all()
    lanes: dict[object, list[Job]] = {}
    for row in rows:
        lanes.setdefault(row.dataset_key if row.kind == "intake" else "project", []).append(row)
    for lane in lanes.values():
        for before, after in pairwise(lane):
            assert before.finished_at <= after.started_at, (
                "two jobs of a lane overlap, or were done out of order"
            )
    assert len(lanes) == 3


def test_a_worker_that_was_held_up_spoils_nothing(place, service, asker, ends, store, is_sound, draw):
    """It is stopped in the middle, its lease ends, another does the job, and it goes on."""
    with worker_of(place):
        for name in "ab":
            ends(asker.deliver(name, place.package(name)))
        ends(asker.link())
        ends(asker.release())
    n_overtaken = 0
    for number in range(N_ROUNDS):
        kind = ("link", "release", "withdraw", "intake")[number % 4]
        with worker_of(place) as slow:
            ask = {"link": asker.link, "release": asker.release, "withdraw": asker.withdraw}
            time.sleep(2)  # it is there
            job = asker.deliver("b", place.package("b")) if kind == "intake" else ask[kind]()
            until = time.monotonic() + 60
            while asker.job(job)["state"] == "queued" and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.3))
            slow.send_signal(signal.SIGSTOP)
            with store.begin() as session:  # as if its minute was over
                running = update(Job).where(Job.id == job, Job.state == JobState.RUNNING)
                lost = session.execute(running.values(lease_until=store.clock())).rowcount
            with worker_of(place):
                done = ends(job)
                assert done["state"] == "done", done
                n_overtaken += lost
                is_sound()
                slow.send_signal(signal.SIGCONT)
                time.sleep(3)
                assert asker.job(job) == done
                is_sound()
    print(f"{n_overtaken} of {N_ROUNDS} jobs were taken from a worker that slept")


class JumpingClock:
    """Jumps by hours, forward and back; not so often that a job loses its worker ten times, which ends it."""

    def __init__(self, seed: int) -> None:
        self._draw, self._lock, self.off = random.Random(seed), threading.Lock(), timedelta(0)
        self.n_jumps = 0

    def __call__(self):
        with self._lock:
            if self.n_jumps < 8 and self._draw.random() < 0.03:
                self.off = timedelta(hours=self._draw.uniform(-6, 6))
                self.n_jumps += 1
            return system_clock() + self.off


def test_clocks_that_jump(place, service, asker, ends, store, is_sound):
    """Two workers on a machine whose clock jumps in the middle of what they do."""
    clock = JumpingClock(1)
    stopping = threading.Event()

    def work() -> None:
        with open_store(place.where, files=place.files, clock=clock) as own:
            Worker(own, place.keys, stopping=stopping).run()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for job in [asker.deliver(name, place.package(name)) for name in "ab"]:
        ends(job)  # a run has a lane of its own, and finds nothing before
    for _ in range(N_ROUNDS):
        asker.link()
        asker.release()
    until, left = time.monotonic() + 300 + 5 * N_ROUNDS, 1
    while left and time.monotonic() < until:
        time.sleep(0.2)
        with store.read() as session:
            over = [JobState.DONE, JobState.FAILED]
            left = len(session.scalars(select(Job.key).where(Job.state.not_in(over))).all())
    stopping.set()
    for thread in threads:
        thread.join()
    print(f"{clock.n_jumps} jumps")
    assert left == 0
    with store.read() as session:
        states = {(job.kind, job.state.value, job.error) for job in session.scalars(select(Job))}
    # A package of tomorrow, or of yesterday, can be refused; nothing fails.
    assert {state for _, state, _ in states} == {"done"}, states
    is_sound()
