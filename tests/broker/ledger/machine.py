"""A ledger over time: refreshes, mergers, splits and withdrawals in any order, beside a model of them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from broker.ledger import guids_for, guids_given, read_history, withdraw
from broker.ledger.bulk import living_entities
from broker.store import open_store
from broker.store.tables import LedgerRecord

from ..clocks import SetClock
from .projects import guid_of, make_project

NAMES = "abc"
RECIPIENTS = ("rita", "rob", "anna")


class Ledger(RuleBasedStateMachine):
    """Beside the ledger, a model: which records there are, and what each recipient was ever told."""

    template: Path

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.template, self.folder / "store")
        self.clock = SetClock()
        self.store = open_store(self.folder / "store", clock=self.clock)
        self.made = make_project(self.store, self.clock)
        self.contents = {name: {} for name in NAMES}
        self.groups = []
        self.withdrawn = {name: set() for name in NAMES}
        self.told = {name: {} for name in RECIPIENTS}  # GUID to the records it stood for
        self.n_records = 0

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)

    def run(self, groups):
        self.groups = [group for group in groups if group]
        self.made.run(self.contents, self.groups)

    @rule(data=st.data(), move=st.booleans())
    def refresh(self, data, move):
        """Records come, change and go; the rest stay grouped as they were."""
        if move:
            self.clock.forward(hours=1)
        for name in NAMES:
            records = self.contents[name]
            gone = data.draw(st.sets(st.sampled_from(sorted(records)), max_size=2)) if records else set()
            changed = data.draw(st.sets(st.sampled_from(sorted(records)), max_size=2)) if records else set()
            for record in changed:
                records[record] = (records[record] + 1) % 256
            for record in gone:
                del records[record]
            self.groups = [[r for r in group if r[0] != name or r[1] in records] for group in self.groups]
            for _ in range(data.draw(st.integers(0, 3))):
                self.n_records += 1
                records[self.n_records] = 0
                self.groups.append([(name, self.n_records)])
        before = self.entities()
        self.run(self.groups)
        after = self.entities()
        # Nobody was joined or parted, so that every entity that has a record left goes on.
        assert all(after[record] == before[record] for record in set(before) & set(after))

    @rule(data=st.data())
    def regroup(self, data):
        """A run finds other groups among the same records."""
        records = [record for group in self.groups for record in group]
        at = [data.draw(st.integers(0, max(0, len(records) - 1))) for _ in records]
        groups = [[] for _ in records]
        for record, number in zip(records, at, strict=True):
            groups[number].append(record)
        before = self.entities()
        self.run(groups)
        after = self.entities()
        was, now = self.members(before), self.members(after)
        for entity, members in was.items():
            if members in now.values():  # unchanged
                assert now[entity] == members
        for entity, members in now.items():
            if entity not in was:
                continue
            # What goes on living under an identity has at least one of its records.
            assert members & was[entity]

    @rule(data=st.data())
    def withdraw_some(self, data):
        name = data.draw(st.sampled_from(NAMES))
        if not self.contents[name]:
            return
        some = data.draw(st.sets(st.sampled_from(sorted(self.contents[name])), min_size=1, max_size=3))
        guids = self.as_array(some)
        with self.store.begin() as session:
            withdraw(
                session, self.made.datasets[name], guids, party=self.made.parties["olga"], now=self.clock()
            )
        self.forget(name, some)

    def as_array(self, records):
        return np.frombuffer(b"".join(map(guid_of, records)), np.uint8).reshape(-1, 16)

    def forget(self, name, some):
        """In the model."""
        self.withdrawn[name] |= some
        for record in some:
            del self.contents[name][record]
        self.groups = [[r for r in group if r not in {(name, s) for s in some}] for group in self.groups]
        self.groups = [group for group in self.groups if group]

    @rule(recipient=st.sampled_from(RECIPIENTS))
    def tell(self, recipient):
        """A recipient is given the GUIDs of all that live."""
        key = self.made.parties[recipient].key
        members = self.members(self.entities())
        if not members:
            return
        entities = sorted(members)
        with self.store.begin() as session:
            guids = guids_for(session, key, self.made.project.key, entities, now=self.clock())
        told = self.told[recipient]
        for entity, guid in zip(entities, guids, strict=True):
            assert told.setdefault(guid.tobytes(), entity) == entity
        assert len(set(told.values())) == len(told)

    def entities(self):
        names = {dataset.key: name for name, dataset in self.made.datasets.items()}
        with self.store.read() as session:
            rows = session.execute(
                select(LedgerRecord.dataset_key, LedgerRecord.guid, LedgerRecord.entity_key)
            )
            return {(names[dataset], guid): entity for dataset, guid, entity in rows}

    def members(self, entities):
        members = {}
        for record, entity in entities.items():
            members.setdefault(entity, set()).add(record)
        return members

    @invariant()
    def every_record_is_in_an_entity_that_lives(self):
        entities = self.entities()
        assert set(entities) == {(n, guid_of(r)) for n, records in self.contents.items() for r in records}
        with self.store.read() as session:
            assert sorted(set(entities.values())) == living_entities(session, self.made.project.key).tolist()
        groups = {
            frozenset((name, guid_of(record)) for name, record in group) for group in self.groups if group
        }
        assert {frozenset(members) for members in self.members(entities).values()} == groups

    @invariant()
    def every_guid_ever_given_has_an_answer(self):
        living = set(self.entities().values())
        with self.store.read() as session:
            history = read_history(session, self.made.project.key)
            for recipient, told in self.told.items():
                entity, guids = guids_given(session, self.made.parties[recipient].key, self.made.project.key)
                kept = dict(zip((guid.tobytes() for guid in guids), entity.tolist(), strict=True))
                assert kept.items() >= told.items()  # releases give GUIDs as well
                for one in told.values():
                    current = history.current(one)
                    assert set(current) <= living  # itself, others, or none: a tombstone
                    assert (current == (one,)) == (one in living)

    @invariant()
    def no_two_recipients_share_a_guid(self):
        everything = [guid for told in self.told.values() for guid in told]
        assert len(set(everything)) == len(everything)
