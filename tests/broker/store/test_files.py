"""Bulk files: stored whole under their digest, deleted only when nothing points at them."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from broker.store import Fault
from broker.store.files import NewFile, pointers
from broker.store.tables import Job, JobState, Party, PartyKind, Project, Run, RunFile, StoredFile
from pprl.errors import ConflictError, NotFoundError, StoreError

DATA = b"tokens" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def stored(store):
    with store.read() as session:
        rows = set(session.scalars(select(StoredFile.sha256)))
    on_disk = {path.name for path in store.files.folder.glob("??/*")}
    assert rows == on_disk
    assert not list(store.files.folder.glob(".new-*"))
    return rows


def point_at(store, sha256):
    """A run with a file."""
    now = store.clock()
    with store.begin() as session:
        session.add(Party(key=1, id="p", kind=PartyKind.OPERATOR, name="p", created_at=now))
        session.add(
            Project(
                key=1,
                id="x",
                name="x",
                epoch="1",
                schema_json="{}",
                schema_sha256="0" * 64,
                smallest_count=11,
                created_at=now,
            )
        )
        session.flush()
        session.add(
            Job(
                key=1,
                id="j",
                kind="link",
                project_key=1,
                arguments={},
                state=JobState.DONE,
                created_by_key=1,
                created_at=now,
                not_before=now,
                attempts=1,
                stage="",
                n_done=0,
                n_total=0,
            )
        )
        session.flush()
        session.add(
            Run(
                key=1,
                id="r",
                project_key=1,
                job_key=1,
                program="p",
                settings={},
                quality={},
                n_records=0,
                n_links=0,
                n_entities=0,
                created_at=now,
            )
        )
        session.flush()
        session.add(RunFile(run_key=1, name="report.html", sha256=sha256))


def test_put_and_get(store):
    assert store.files.put(io.BytesIO(DATA), sha256=DIGEST) == DIGEST
    assert store.files.put(io.BytesIO(DATA)) == DIGEST
    with store.files.open(DIGEST) as file:
        assert file.read() == DATA
    assert stored(store) == {DIGEST}
    with store.read() as session:
        assert session.scalars(select(StoredFile.n_bytes)).one() == len(DATA)
    assert list(store.files.check()) == []


def test_what_differs_from_its_announcement_is_not_stored(store):
    with pytest.raises(StoreError, match="not what was announced"):
        store.files.put(io.BytesIO(DATA[:-1]), sha256=DIGEST)
    assert stored(store) == set()


def test_a_failed_write_leaves_nothing(store):
    def fail():
        with store.files.new() as file:
            file.write(DATA)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fail()
    assert stored(store) == set()

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="is full"):
        NewFile(Full()).write(DATA)


def test_adopting_a_finished_upload(store):
    path = store.uploads / "upload"
    path.write_bytes(DATA)
    with pytest.raises(StoreError, match="not what was announced"):
        store.files.adopt(path, sha256="0" * 64)
    assert path.exists()
    assert store.files.adopt(path, sha256=DIGEST) == DIGEST
    assert not path.exists()
    assert stored(store) == {DIGEST}
    assert store.files.path(DIGEST).stat().st_mode & 0o077 == 0


def test_a_file_in_use_is_kept(store):
    store.files.put(io.BytesIO(DATA))
    point_at(store, DIGEST)
    with pytest.raises(ConflictError, match="in use"):
        store.files.delete(DIGEST)
    assert store.files.sweep(older_than=store.clock() + timedelta(days=1)) == 0
    assert stored(store) == {DIGEST}


def test_nothing_can_point_at_what_is_not_stored(store):
    with pytest.raises(ConflictError):
        point_at(store, DIGEST)


def test_deleting(store):
    store.files.put(io.BytesIO(DATA))
    assert store.files.delete(DIGEST)
    assert not store.files.delete(DIGEST)
    assert stored(store) == set()
    with pytest.raises(NotFoundError):
        store.files.open(DIGEST)
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.files.open("../../etc/passwd")


def test_sweeping_leaves_what_is_young(store, clock):
    old = store.files.put(io.BytesIO(b"old"))
    clock.forward(days=2)
    young = store.files.put(io.BytesIO(b"young"))
    stray = store.files.path("ab" * 32)
    stray.parent.mkdir(exist_ok=True)
    half = store.files.folder / ".new-x"
    for path in (stray, half):
        path.write_bytes(b"left by a crash")
    before = clock() - timedelta(days=1)
    assert store.files.sweep(older_than=before) == 1 + 0  # the strays are as young as this test
    assert not store.files.path(old).exists()
    for path in (stray, half):
        os.utime(path, (0, 0))
    assert store.files.sweep(older_than=before) == 2
    assert stored(store) == {young}


def test_storing_again_makes_young(store, clock):
    store.files.put(io.BytesIO(DATA))
    clock.forward(days=2)
    store.files.put(io.BytesIO(DATA))
    assert store.files.sweep(older_than=clock() - timedelta(days=1)) == 0
    assert stored(store) == {DIGEST}


def test_faults_are_found(store):
    good, cut, gone = (store.files.put(io.BytesIO(name)) for name in (b"good", b"cut", b"gone"))
    store.files.path(cut).write_bytes(b"cup")
    store.files.path(gone).unlink()
    stray = store.files.path("ab" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"")
    faults = set(store.files.check())
    assert faults == {Fault(cut, "damaged"), Fault(gone, "missing"), Fault("ab" * 32, "stray")}
    assert good not in {fault.sha256 for fault in faults}


def test_storing_and_deleting_at_once(store):
    """Whatever the order, a row has its file."""

    def put():
        for _ in range(15):
            store.files.put(io.BytesIO(DATA))

    def remove():
        for _ in range(15):
            store.files.delete(DIGEST)

    threads = [threading.Thread(target=work) for work in (put, put, remove, remove)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored(store)
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(StoredFile)) in (0, 1)


def test_all_columns_that_point_at_files_are_known():
    assert {str(column) for column in pointers()} == {
        "deliveries.sha256",
        "run_files.sha256",
        "release_files.sha256",
    }
