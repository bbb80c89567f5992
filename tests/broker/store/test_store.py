"""Transactions, and what their errors say."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from broker.store import database, init_store, locate, open_store
from broker.store.tables import Party, PartyKind, StoreFact
from pprl.errors import ConflictError, PprlError, StoreBusyError, StoreError, StoreFullError


def party(store, name="Clinic", **more):
    values = {"id": name, "kind": PartyKind.SITE, "name": name, "created_at": store.clock(), **more}
    return Party(**values)


def names(store):
    with store.read() as session:
        return sorted(session.scalars(sa.select(Party.name)))


def test_a_transaction_is_kept_whole_or_undone(store):
    with store.begin() as session:
        session.add(party(store, "Clinic"))

    def fail():
        with store.begin() as session:
            session.add(party(store, "Registry"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(store) == ["Clinic"]


def test_a_reader_sees_one_state_and_cannot_write(store):
    with store.read() as session:
        count = sa.select(sa.func.count()).select_from(Party)
        assert session.scalar(count) == 0
        with store.begin() as other:
            other.add(party(store))
        assert session.scalar(count) == 0
    with pytest.raises(StoreError), store.read() as session:
        session.add(party(store, "Registry"))
    with pytest.raises(StoreError), store.read() as session:
        session.execute(sa.delete(Party))
    with store.begin() as session:  # the connection is as good as before
        session.add(party(store, "Registry"))
    assert names(store) == ["Clinic", "Registry"]


def test_errors_name_the_constraint_and_no_value(store):
    with store.begin() as session:
        session.add(party(store, "Secret Hospital", id="1"))
    with pytest.raises(ConflictError) as caught, store.begin() as session:
        session.add(party(store, "Secret Hospital", id="2"))
    assert "parties" in str(caught.value)
    assert "name" in str(caught.value)
    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(PprlError) as caught, store.begin() as session:
        session.execute(sa.text("SELECT nonsense FROM parties WHERE name = :x"), {"x": "Secret"})
    assert "Secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_points_nowhere_or_is_unknown_is_refused(store):
    insert_member = "INSERT INTO members (project_key, party_key, role, since) VALUES (7, 7, 'steward', :t)"
    insert_party = "INSERT INTO parties (id, kind, name, created_at) VALUES ('x', 'pirate', 'x', :t)"
    for statement in (insert_member, insert_party):
        with pytest.raises(ConflictError), store.begin() as session:
            session.execute(sa.text(statement), {"t": f"{store.clock():%Y-%m-%d %H:%M:%S}"})


def test_times_are_utc_and_need_a_zone(store):
    there = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=5)))
    with store.begin() as session:
        session.add(party(store, created_at=there))
    with store.read() as session:
        found = session.scalars(sa.select(Party)).one().created_at
    assert found == there
    assert found.utcoffset() == timedelta(0)
    with pytest.raises(StatementError, match="time zone"), store.begin() as session:
        session.add(party(store, "other", created_at=datetime(2026, 3, 1)))


def test_writers_wait_for_each_other(store):
    n_threads, n_rounds = 4, 10

    def work(number):
        for turn in range(n_rounds):
            with store.begin() as session:
                session.add(party(store, f"{number}-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(store)) == n_threads * n_rounds


def test_a_database_held_for_too_long_is_told_as_busy(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with init_store(tmp_path / "s") as store, store.begin() as session:
        session.add(party(store))
        session.flush()
        with open_store(tmp_path / "s") as second:
            assert names(second) == []  # who reads is not held up
            with pytest.raises(StoreBusyError, match="locked"), second.begin() as other:
                other.scalar(sa.select(1))


def test_a_server_that_is_not_there_is_told_as_busy(tmp_path):
    with pytest.raises(StoreBusyError) as caught:
        open_store(f"postgresql://me:hush@/x?host={tmp_path}", files=tmp_path)
    assert "hush" not in str(caught.value)


def test_scrubbing_leaves_nothing_of_a_deleted_row(store):
    with store.begin() as session:
        session.add(StoreFact(name="trace", value="find-me-" * 50))
    with store.begin() as session:
        session.execute(sa.delete(StoreFact).where(StoreFact.name == "trace"))
    store.scrub()
    if store.location.is_sqlite:
        files = [path for path in store.location.folder.iterdir() if path.is_file()]
        assert all(b"find-me-" not in path.read_bytes() for path in files)
    assert store.store_id()


def test_only_the_owner_may_read_a_store(tmp_path):
    with init_store(tmp_path / "s") as store, store.begin() as session:
        session.add(party(store))
        assert (tmp_path / "s").stat().st_mode & 0o077 == 0
        assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "s").rglob("*"))


@pytest.mark.parametrize(
    ("where", "files", "says"),
    [
        ("mysql://x/y", "f", "not supported"),
        ("postgresql://x/y", None, "needs a folder for its files"),
        ("folder", "f", "leave out the folder for files"),
        ("a b://", "f", "malformed"),
    ],
)
def test_a_location_that_cannot_be(where, files, says):
    with pytest.raises(StoreError, match=says):
        locate(where, files=files)


def test_a_location_shows_no_password():
    location = locate("postgresql://me:hush@host/x", files="f")
    assert "hush" not in f"{location} {location!r}"
    assert not location.is_sqlite


def test_a_lost_connection_loses_the_transaction_and_nothing_else(store):
    if store.location.is_sqlite:
        return  # a file cannot hang up

    def lose():
        with store.begin() as session:
            session.add(party(store, "Clinic"))
            session.flush()
            session.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(StoreBusyError) as caught:
        lose()
    assert "Clinic" not in str(caught.value)
    with store.begin() as session:
        session.add(party(store, "Registry"))
    with store.begin() as session:  # one that was lost while nobody used it
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        session.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert names(store) == ["Registry"]


def test_a_full_disk_is_told_from_a_busy_database(store):
    if not store.location.is_sqlite:
        pytest.skip("PostgreSQL looks after its own disk")

    def fill():
        with store.begin() as session:
            n_pages = session.execute(sa.text("PRAGMA page_count")).scalar_one()
            session.execute(sa.text(f"PRAGMA max_page_count = {n_pages}"))
            session.add_all(StoreFact(name=f"fact {number}", value="x" * 100) for number in range(10_000))

    with pytest.raises(StoreFullError, match="full"):
        fill()
    with store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(StoreFact)) == 1


def test_too_many_who_wait_are_told_so(where):
    """They wait for a connection of the pool, not for the database."""
    with open_store(where[0], files=where[1]) as store:
        pool, taken = store.engine.pool, []
        pool._timeout = 0.05
        try:
            with suppress(PoolTimeoutError):
                while True:
                    taken.append(pool.connect())
            with pytest.raises(StoreBusyError, match="too many"):
                names(store)
        finally:
            for connection in taken:
                connection.close()
