"""Backup and restore: one state of a store in use, into either database."""

from __future__ import annotations

import io
import json
import shutil
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from broker.journal import LOCAL, append, verify
from broker.store import open_store
from broker.store.backup import restore, write_backup
from broker.store.tables import ApiToken, Base, IdempotencyKey, Party, PartyKind, StoredFile
from pprl.errors import StoreError

from ..governance.world import World


def content(store):
    """All rows of all tables."""
    with store.read() as session:
        return {
            table.name: [
                tuple(row) for row in session.execute(sa.select(table).order_by(*table.primary_key.columns))
            ]
            for table in Base.metadata.sorted_tables
        }


def fill(store):
    """Something in most tables, and odd values among it."""
    digest = store.files.put(io.BytesIO(b"sealed" * 1000))
    with store.begin() as session:
        world = World(session, store)
        world.delivery.sha256 = digest
        world.delivery.quality = {"ü": [1, None, {"x": 0.5}]}
        party, now = world["owner"].key, store.clock()
        session.add(
            ApiToken(
                id="t",
                party_key=party,
                name="'; --",
                token_sha256="ab" * 32,
                scopes=[],
                created_at=now,
                expires_at=now + timedelta(microseconds=1),
            )
        )
        for name, answer in (("null", None), ("text", "null"), ("number", 0), ("list", [])):
            session.add(
                IdempotencyKey(
                    party_key=party,
                    name=name,
                    request_sha256="0" * 64,
                    status=200,
                    answer=answer,
                    created_at=now,
                    expires_at=now,
                )
            )
    return digest


def test_a_backup_makes_the_same_store_in_either_database(store, nowhere, tmp_path, clock):
    digest = fill(store)
    made = write_backup(store, tmp_path / "backup", now=clock())
    assert made == json.loads((tmp_path / "backup" / "backup.json").read_text())
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    assert made["files"] == {"number": 1, "bytes": 6000}
    before = content(store)
    with restore(nowhere[0], tmp_path / "backup", files=nowhere[1], clock=clock) as other:
        assert content(other) == before
        assert other.store_id() == store.store_id()
        assert list(other.files.check()) == []
        with other.files.open(digest) as file:
            assert file.read() == b"sealed" * 1000
        with other.begin() as session:  # and it goes on: with new keys, and the journal's next entry
            session.add(Party(id="new", kind=PartyKind.SITE, name="new", created_at=clock()))
            append(session, "store.restored", by=LOCAL, now=clock())
        with other.read() as session:
            found = verify(session)
        assert found.faults == ()
        assert found.n_entries == len(before["journal"]) + 1
    assert not list(store.files.folder.glob(".backup-*"))


def test_a_backup_is_one_state_of_a_store_in_use(store, nowhere, tmp_path, clock):
    """Every party has a file of its name's digest, made before it and deleted after it."""
    stop, errors = threading.Event(), []

    def work():
        try:
            number = 0
            while not stop.is_set():
                number += 1
                digest = store.files.put(io.BytesIO(str(number).encode()))
                with store.begin() as session:
                    append(session, "party.created", by=LOCAL, now=clock())
                    session.add(Party(id=str(number), kind=PartyKind.SITE, name=digest, created_at=clock()))
                if number > 5:
                    with store.begin() as session:
                        old = session.scalars(sa.select(Party).order_by(Party.key)).first()
                        append(session, "party.removed", by=LOCAL, now=clock())
                        session.delete(old)
                    store.files.delete(old.name)
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(4):
            write_backup(store, tmp_path / str(number), now=clock())
    finally:
        stop.set()
        thread.join()
    assert errors == []
    with restore(nowhere[0], tmp_path / "3", files=nowhere[1]) as other, other.read() as session:
        parties = set(session.scalars(sa.select(Party.name)))
        files = set(session.scalars(sa.select(StoredFile.sha256)))
        assert parties <= files
        assert len(parties) in range(5, 8)
        assert verify(session).faults == ()
        assert list(other.files.check()) == []


def test_only_an_empty_place_takes_a_backup(store, where, nowhere, tmp_path, clock):
    fill(store)
    write_backup(store, tmp_path / "backup", now=clock())
    with pytest.raises(StoreError, match="exists already"):
        write_backup(store, tmp_path / "backup", now=clock())
    before = content(store)
    with pytest.raises(StoreError, match="holds a store already"):
        restore(where[0], tmp_path / "backup", files=where[1])
    if where[1]:  # another folder for files does not make the database empty
        with pytest.raises(StoreError, match="holds a store already"):
            restore(where[0], tmp_path / "backup", files=tmp_path / "elsewhere")
        assert not (tmp_path / "elsewhere" / "files").exists()
    assert content(store) == before
    assert list(store.files.check()) == []


DAMAGES = [
    (lambda b: (b / "backup.json").unlink(), "cannot be read"),
    (lambda b: (b / "backup.json").write_text("{}"), "not the list of a backup"),
    (lambda b: (b / "backup.json").write_text("[" * 100_000), "not the list of a backup"),
    (lambda b: edit(b, version=2), "newer version"),
    (lambda b: edit(b, database="r9999"), "newer version"),
    (lambda b: edit(b, tables=[]), "not the list of a backup"),
    (lambda b: edit(b, tables=[*listed(b), {"name": "../x", "rows": 0, "sha256": ""}]), "not the list"),
    (lambda b: edit(b, tables=[{**one, "rows": 99} for one in listed(b)]), "another number of rows"),
    (lambda b: cut(b / "tables" / "parties.parquet"), "damaged"),
    (lambda b: (b / "tables" / "parties.parquet").unlink(), "missing"),
    (lambda b: cut(next(b.glob("files/??/*"))), "damaged"),
    (lambda b: next(b.glob("files/??/*")).unlink(), "missing"),
]


def test_a_damaged_backup_leaves_no_store(store_template, nowhere, tmp_path, clock):
    shutil.copytree(store_template, tmp_path / "store")
    good, bad = tmp_path / "good", tmp_path / "bad"
    with open_store(tmp_path / "store", clock=clock) as store:
        fill(store)
        write_backup(store, good, now=clock())
    for damage, says in DAMAGES:
        shutil.copytree(good, bad)
        damage(bad)
        with pytest.raises(StoreError, match=says):
            restore(nowhere[0], bad, files=nowhere[1])
        with pytest.raises(StoreError, match="holds no store"):
            open_store(nowhere[0], files=nowhere[1])
        assert not list(tmp_path.glob("new-store*/files"))
        shutil.rmtree(bad)
    # And the place is as good as before.
    restore(nowhere[0], good, files=nowhere[1]).close()


def listed(backup):
    return json.loads((backup / "backup.json").read_text())["tables"]


def edit(backup, **entries):
    path = backup / "backup.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def test_a_missing_file_fails_the_backup(store, tmp_path, clock):
    digest = fill(store)
    store.files.path(digest).unlink()
    with pytest.raises(StoreError, match="missing"):
        write_backup(store, tmp_path / "backup", now=clock())
    assert not (tmp_path / "backup").exists()
    assert not list(store.files.folder.glob(".backup-*"))
