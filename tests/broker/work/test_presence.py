"""Workers that are gone are told from those that are only slow."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

from broker.store.tables import Job, JobState
from broker.work import Kind
from broker.work.presence import present, take_from_the_gone
from broker.work.queue import claim

from .test_queue import ask_for, state_of

HOLDER = """
    import fcntl, os, sys, time
    handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    print("there", flush=True)
    time.sleep(60)
"""


def test_a_job_of_a_worker_that_was_killed_is_taken_up_at_once(hospital):
    job = ask_for(hospital, Kind.LINK)
    (hospital.store.location.folder / "workers").mkdir(parents=True)
    path = hospital.store.location.folder / "workers" / "one"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(HOLDER), path], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"there\n"
        claim(hospital.store, "one")
        process.send_signal(signal.SIGSTOP)
        assert take_from_the_gone(hospital.store) == 0  # slow, not gone
        assert claim(hospital.store, "two") is None
    finally:
        process.kill()
        process.communicate()
    assert take_from_the_gone(hospital.store) == 1
    assert not path.exists()
    _, again = claim(hospital.store, "two")
    assert (again.id, again.attempts) == (job.id, 2)


def test_a_worker_that_is_there_keeps_its_job(hospital):
    job = ask_for(hospital, Kind.LINK)
    with present(hospital.store, "one"):
        claim(hospital.store, "one")
        assert take_from_the_gone(hospital.store) == 0
    assert state_of(hospital, job) is JobState.RUNNING
    assert list((hospital.store.location.folder / "workers").iterdir()) == []


def test_one_that_shows_no_lock_is_left_to_its_lease(hospital):
    ask_for(hospital, Kind.LINK)
    claim(hospital.store, "elsewhere")
    assert take_from_the_gone(hospital.store) == 0
    with hospital.store.read() as session:
        assert session.query(Job).one().lease_until > hospital.store.clock()


def test_without_a_folder_for_locks_there_are_leases(hospital):
    assert hospital.store.uploads.is_dir()  # makes the folder above
    (hospital.store.location.folder / "workers").write_bytes(b"")
    with present(hospital.store, "one"):
        ask_for(hospital, Kind.LINK)
        claim(hospital.store, "one")
        assert take_from_the_gone(hospital.store) == 0
