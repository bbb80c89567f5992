"""The journal in the store: in the caller's transaction, in one chain, on either database."""

from __future__ import annotations

import json
import multiprocessing
import threading
from datetime import datetime

import pytest
from sqlalchemy import select, text

from broker.journal import BROKER, LOCAL, JournalKey, append, make_checkpoint, read_checkpoints, verify
from broker.store import open_store
from broker.store.tables import JournalEntry, StoreFact
from pprl.errors import JournalError

GUID = "0b0e7a4e-1d1c-4c39-8a44-8b8f0fbb5a1e"
KEY = JournalKey(bytes(range(32)))


def write(store, n=1):
    for _ in range(n):
        with store.begin() as session:
            append(session, "party.created", by=LOCAL, now=store.clock(), subjects={"party": GUID})


def check(store, **more):
    with store.read() as session:
        return verify(session, **more)


def test_an_entry_says_who_did_what_to_what(store):
    with store.begin() as session:
        row = append(
            session,
            "delivery.accepted",
            by=GUID,
            now=store.clock(),
            subjects={"dataset": GUID},
            counts={"records": 12},
            digests={"package": "ab" * 32},
            words={"state": "accepted"},
        )
    assert json.loads(row.body) == {
        "n": 1,
        "act": "delivery.accepted",
        "by": GUID,
        "at": "2026-03-01T12:00:00.000000Z",
        "subjects": {"dataset": GUID},
        "counts": {"records": 12},
        "digests": {"package": "ab" * 32},
        "words": {"state": "accepted"},
    }
    found = check(store)
    assert (found.n_entries, found.last_hash, found.faults) == (1, row.hash, ())


def test_an_act_and_its_entry_are_kept_together(store):
    def fail():
        with store.begin() as session:
            session.add(StoreFact(name="x", value="y"))
            append(session, "store.changed", by=BROKER, now=store.clock())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.read() as session:
        assert session.get(StoreFact, "x") is None
    assert check(store).n_entries == 0
    write(store, 2)
    assert check(store).n_entries == 2


NOT_FOR_A_JOURNAL = [
    {"act": "Party created"},
    {"act": "party"},
    {"by": "Dr. Jones"},
    {"subjects": {"record": "12345"}},
    {"subjects": {"records": [GUID, GUID]}},
    {"subjects": {"records": f"{GUID},{GUID}"}},
    {"subjects": {"Party": GUID}},
    {"counts": {"records": -1}},
    {"counts": {"records": True}},
    {"counts": {"records": 1.5}},
    {"digests": {"package": "AB" * 32}},
    {"digests": {"package": GUID}},
    {"words": {"why": "Jane Doe, born 1970"}},
    {"words": {"token": "x" * 41}},
    {"words": {f"w{n}": "x" for n in range(17)}},
    {"now": datetime(2026, 3, 1)},
]


def test_what_could_be_an_identifier_or_a_token_is_refused(store):
    good = {"act": "party.created", "by": LOCAL, "now": store.clock()}
    for bad in NOT_FOR_A_JOURNAL:
        with pytest.raises(ValueError, match=r"journal|zone"), store.begin() as session:
            append(session, **{**good, **bad})
    assert check(store).n_entries == 0


def test_threads_append_to_one_chain(store):
    threads = [threading.Thread(target=write, args=(store, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = check(store)
    assert (found.n_entries, found.faults) == (40, ())


def in_a_process(where, files, n):
    with open_store(where, files=files) as store:
        write(store, n)


def test_processes_append_to_one_chain(where, store):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=in_a_process, args=(*where, 15)) for _ in range(2)]
    for process in processes:
        process.start()
    write(store, 15)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    found = check(store)
    assert (found.n_entries, found.faults) == (45, ())


def tamper(store, *statements):
    """As an administrator of the database would, who first takes away the triggers."""
    with store.begin() as session:
        if store.location.is_sqlite:
            for act in ("update", "delete"):
                session.execute(text(f"DROP TRIGGER journal_no_{act}"))
        else:
            session.execute(text("DROP TRIGGER journal_no_change ON journal"))
        for statement in statements:
            session.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "at"),
    [
        ("UPDATE journal SET body = replace(body, 'created', 'removed') WHERE number = 3", 3),
        ("DELETE FROM journal WHERE number = 4", 4),
        ("UPDATE journal SET number = 9 WHERE number = 2", 2),
        ("INSERT INTO journal SELECT 7, body, hash FROM journal WHERE number = 5", 7),
        ("INSERT INTO journal SELECT -1, body, hash FROM journal WHERE number = 5", -1),
    ],
)
@pytest.mark.usefixtures("own_database")
def test_changes_in_the_database_are_found(store, statement, at):
    write(store, 6)
    tamper(store, statement)
    assert check(store).faults[0].number == at


@pytest.mark.usefixtures("own_database")
def test_checkpoints_in_and_out_of_the_store(store, tmp_path):
    with pytest.raises(JournalError, match="empty"), store.begin() as session:
        make_checkpoint(session, KEY, now=store.clock())
    write(store, 3)
    with store.begin() as session:
        made = make_checkpoint(session, KEY, now=store.clock())
        assert make_checkpoint(session, KEY, now=store.clock()) == made
    write(store, 2)
    assert made.n == 3
    assert made.is_signed()
    path = tmp_path / "checkpoints"
    path.write_text(f"{made.to_line()}\n\n")
    found = check(store, checkpoints=read_checkpoints(path), trusted=[KEY.public_half])
    assert (found.n_checkpoints, found.covered, found.faults) == (1, 3, ())
    assert found.signers == (str(KEY.public_half),)

    tamper(store, "DELETE FROM journal WHERE number > 4")
    assert check(store).faults == ()  # after the latest checkpoint, a cut leaves no trace
    if store.location.is_sqlite:
        drop = [f"DROP TRIGGER checkpoints_no_{act}" for act in ("update", "delete")]
    else:
        drop = ["DROP TRIGGER checkpoints_no_change ON checkpoints"]
    with store.begin() as session:
        for statement in (*drop, "DELETE FROM checkpoints", "DELETE FROM journal WHERE number > 2"):
            session.execute(text(statement))
    assert check(store).faults == ()
    (fault,) = check(store, checkpoints=[made]).faults
    assert fault.number == 3
    assert "cut" in fault.what


OF_NUMBERS = '{"store":1,"n":1,"hash":"","at":"","signer":"","signature":""}'


@pytest.mark.parametrize("line", ["{}", "x", "[]", OF_NUMBERS, "[" * 99999])
def test_a_file_that_holds_no_checkpoints(tmp_path, line):
    path = tmp_path / "checkpoints"
    path.write_text(f"\n{line}\n")
    with pytest.raises(JournalError, match="line 2"):
        read_checkpoints(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(JournalError, match="cannot be read"):
        read_checkpoints(tmp_path / "x")


def test_the_journal_is_read_by_pages(store, monkeypatch):
    monkeypatch.setattr("broker.journal.verification._ROWS_AT_ONCE", 3)
    write(store, 7)
    done = []
    assert check(store, advance=done.append).n_entries == 7
    assert sum(done) == 7
    with store.read() as session:
        assert len(session.scalars(select(JournalEntry)).all()) == 7
