"""Runs written into a store's ledger, in either database."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import func, select

from broker.journal import verify
from broker.ledger import (
    Records,
    changes_of,
    give_guids,
    guids_for,
    guids_given,
    ledger_key,
    not_withdrawn,
    read_history,
    withdraw,
)
from broker.ledger.bulk import read_records
from broker.ledger.guids import among
from broker.store.tables import (
    ChangeKind,
    Entity,
    EntityChange,
    JournalEntry,
    LedgerRecord,
    RecipientGuid,
    StoreFact,
    WithdrawnRecord,
)
from pprl.errors import ConflictError, GovernanceError

from .projects import guid_of, make_project


@pytest.fixture
def made(store, clock):
    return make_project(store, clock)


def entities(made):
    """Of each ``(dataset, record)``, its entity; records are told by the numbers below 100."""
    numbers = {guid_of(number): number for number in range(100)}
    names = {dataset.key: name for name, dataset in made.datasets.items()}
    with made.store.read() as session:
        rows = session.execute(select(LedgerRecord.dataset_key, LedgerRecord.guid, LedgerRecord.entity_key))
        return {(names[dataset], numbers[guid]): entity for dataset, guid, entity in rows}


def history(made):
    with made.store.read() as session:
        rows = session.scalars(select(EntityChange).order_by(EntityChange.key)).all()
    return [(row.entity_key, row.kind, row.successor_key, row.n_records) for row in rows]


def guids_array(*numbers):
    return np.frombuffer(b"".join(map(guid_of, numbers)), np.uint8).reshape(-1, 16)


def test_a_first_run_and_a_refresh(made):
    done = made.run(
        {"a": {1: 0, 2: 0, 3: 0}, "b": {11: 0, 12: 0}},
        [[("a", 1), ("b", 11)], [("a", 2)], [("a", 3)], [("b", 12)]],
    )
    assert (done.n_records, done.n_added, done.n_entities, done.n_new) == (5, 5, 4, 4)
    first = entities(made)
    assert len(set(first.values())) == 4
    made.clock.forward(days=1)
    # Record 2 changes and is found to be 12's person, 3 goes, 4 comes, 13 joins 1 and 11.
    done = made.run(
        {"a": {1: 0, 2: 9, 4: 0}, "b": {11: 0, 12: 0, 13: 0}},
        [[("a", 4)], [("b", 12), ("a", 2)], [("b", 13), ("b", 11), ("a", 1)]],
    )
    assert (done.n_added, done.n_changed, done.n_removed) == (2, 1, 1)
    assert (done.n_entities, done.n_new, done.n_merged, done.n_split, done.n_emptied) == (3, 1, 1, 0, 1)
    now = entities(made)
    assert now["a", 1] == now["b", 11] == now["b", 13] == first["a", 1]
    older, younger = sorted([first["a", 2], first["b", 12]])
    assert now["a", 2] == now["b", 12] == older
    assert now["a", 4] not in first.values()
    assert history(made) == [
        (younger, ChangeKind.MERGED, older, 1),
        (first["a", 3], ChangeKind.EMPTIED, None, 0),
    ]
    with made.store.read() as session:
        past = read_history(session, made.project.key)
        assert past.current(younger) == past.current(older) == (older,)
        assert past.current(first["a", 3]) == ()
        rows = session.execute(
            select(LedgerRecord.guid, LedgerRecord.changed_at, LedgerRecord.row_digest)
        ).all()
    changed = {guid: (at, digest) for guid, at, digest in rows}
    assert changed[guid_of(1)][0] < made.clock()
    assert changed[guid_of(2)] == (made.clock(), b"\x09" * 32)


def test_an_entity_that_was_split_and_then_merged_leads_to_where_its_records_are(made):
    """Splits of an entity while it lived play no part once it has ended; the clock stands still meanwhile."""
    contents = {"a": {1: 0, 2: 0, 3: 0, 4: 0, 5: 0}}
    made.run(contents, [[("a", 1), ("a", 2), ("a", 3)], [("a", 4), ("a", 5)]])
    first = entities(made)
    made.run(contents, [[("a", 1)], [("a", 2), ("a", 3)], [("a", 4), ("a", 5)]])
    split = entities(made)
    made.run(contents | {"a": {1: 0, 2: 0, 4: 0, 5: 0}}, [[("a", 1)], [("a", 2), ("a", 4), ("a", 5)]])
    with made.store.read() as session:
        past = read_history(session, made.project.key)
    assert past.current(first["a", 1]) == (first["a", 4],)
    assert past.current(split["a", 1]) == (split["a", 1],)
    assert [kind for _, kind, _, _ in history(made)] == [ChangeKind.SPLIT, ChangeKind.MERGED]


def test_the_order_of_the_datasets_plays_no_part(made):
    contents = {"a": {1: 0}, "b": {11: 0}, "c": {21: 0}}
    made.run(contents, [[("a", 1), ("b", 11), ("c", 21)]])
    before = entities(made)
    made.run(dict(reversed(contents.items())), [[("c", 21)], [("b", 11)], [("a", 1)]])
    after = entities(made)
    assert after["a", 1] == before["a", 1]  # the part with the first record, by dataset
    assert len(set(after.values())) == 3


def test_a_run_that_leaves_out_a_dataset(made):
    made.run({"a": {1: 0}, "b": {11: 0}}, [[("a", 1)], [("b", 11)]])
    with pytest.raises(ConflictError, match="leaves out the dataset 'b', of which the ledger holds records"):
        made.run({"a": {1: 0}}, [[("a", 1)]])
    before = entities(made)
    made.run({"a": {1: 0}, "b": {}}, [[("a", 1)]])  # as of a retired one
    assert entities(made) == {("a", 1): before["a", 1]}


def test_every_recipient_has_guids_of_its_own_which_last(made):
    made.run({"a": {1: 0, 2: 0}}, [[("a", 1)], [("a", 2)]])
    keys = np.array(sorted(entities(made).values()))
    with made.store.begin() as session:
        asked = [keys[[1, 0, 1]], keys, keys]
        rita, rob, anna = (
            guids_for(session, made.parties[name].key, made.project.key, some, now=made.clock())
            for name, some in zip(("rita", "rob", "anna"), asked, strict=True)
        )
    assert np.array_equal(rita[0], rita[2])
    assert len({guid.tobytes() for guid in (*rita[:2], *rob, *anna)}) == 6
    made.run({"a": {1: 0, 2: 0, 3: 0}}, [[("a", 1)], [("a", 2)], [("a", 3)]])
    with made.store.begin() as session:
        again = guids_for(session, made.parties["rob"].key, made.project.key, keys, now=made.clock())
        entity, given = guids_given(session, made.parties["rob"].key, made.project.key)
    assert np.array_equal(again, rob)
    assert np.array_equal(given, rob)
    assert entity.tolist() == keys.tolist()


def test_guids_for_very_many_are_given_in_pieces(made, monkeypatch):
    monkeypatch.setattr("broker.ledger.guids.pieces", lambda n: [slice(at, at + 2) for at in range(0, n, 2)])
    made.run({"a": dict.fromkeys(range(7), 0)}, [[("a", number)] for number in range(7)])
    keys = np.array(sorted(entities(made).values()))
    rita = made.parties["rita"].key
    with made.store.begin() as session:
        some = guids_for(session, rita, made.project.key, keys[[5, 1]], now=made.clock())
    given = give_guids(made.store, rita, made.project.key, keys[[3, 0, 1, 2, 4, 6]], now=made.clock())
    assert given[0].tolist() == keys.tolist()
    assert np.array_equal(among(given, keys[[5, 1, 5]]), some[[0, 1, 0]])
    assert len({guid.tobytes() for guid in given[1]}) == 7
    again = give_guids(made.store, rita, made.project.key, keys, now=made.clock())
    assert np.array_equal(again[1], given[1])


def test_what_a_delivery_changes(made):
    made.run({"a": {1: 0, 2: 0, 3: 0}}, [[("a", 1)], [("a", 2)], [("a", 3)]])
    digests = np.array([[0] * 32, [5] * 32, [0] * 32], np.uint8)
    records = Records(made.datasets["a"].key, 0, guids_array(1, 2, 4), digests)
    with made.store.read() as session:
        changes = changes_of(session, records)
        held = read_records(session, made.datasets["a"].key)
    assert (changes.added.tolist(), changes.changed.tolist(), changes.unchanged.tolist()) == ([2], [1], [0])
    assert held.guids[changes.removed].tobytes() == guid_of(3)


def test_a_withdrawal(made):
    made.run({"a": {1: 0, 2: 0}, "b": {11: 0}}, [[("a", 1), ("b", 11)], [("a", 2)]])
    before = entities(made)
    with made.store.begin() as session:
        withdrawal = withdraw(
            session,
            made.datasets["a"],
            guids_array(1, 2, 1, 77),
            party=made.parties["anna"],
            now=made.clock(),
        )
    assert withdrawal.n_records == 2
    assert entities(made) == {("b", 11): before["b", 11]}
    assert history(made) == [(before["a", 2], ChangeKind.EMPTIED, None, 0)]
    # None of them can come back, not even the one that never came.
    with made.store.read() as session:
        mask = not_withdrawn(session, made.datasets["a"].key, guids_array(1, 3, 77))
        assert mask.tolist() == [False, True, False]
        assert not_withdrawn(session, made.datasets["b"].key, guids_array(1, 2)).all()
        kept = session.scalars(select(WithdrawnRecord.guid)).all()
        body = session.scalars(select(JournalEntry.body).order_by(JournalEntry.number.desc())).first()
    assert len(kept) == 3
    assert not {guid_of(1), guid_of(2), guid_of(77)} & set(kept)
    assert '"records":2' in body
    with pytest.raises(
        ConflictError, match="a record was withdrawn while the run was going on; run it again"
    ):
        made.run({"a": {1: 0}, "b": {11: 0}}, [[("a", 1), ("b", 11)]])
    made.run({"a": {}, "b": {11: 0}}, [[("b", 11)]])
    with made.store.begin() as session:
        withdraw(session, made.datasets["a"], guids_array(2, 5), party=made.parties["anna"], now=made.clock())
        assert session.scalar(select(func.count()).select_from(WithdrawnRecord)) == 4
        with pytest.raises(GovernanceError, match="no record is named"):
            withdraw(session, made.datasets["a"], guids_array(), party=made.parties["anna"], now=made.clock())
    with made.store.read() as session:
        assert verify(session).faults == ()


def test_the_ledger_key_is_drawn_once(made):
    with made.store.begin() as session:
        first = ledger_key(session)
        assert first == ledger_key(session)
    with made.store.read() as session:
        assert ledger_key(session) == first
        assert session.get(StoreFact, "ledger_key").value == first.hex()


def test_entities_are_told_from_those_of_other_projects(made):
    made.run({"a": {1: 0}}, [[("a", 1)]])
    with made.store.read() as session:
        assert read_history(session, made.project.key + 1).successors == {}
        assert guids_given(session, made.parties["rita"].key, made.project.key)[0].tolist() == []
        assert session.scalar(select(func.count()).select_from(RecipientGuid)) == 0
        assert session.scalar(select(func.count()).select_from(Entity)) == 1
