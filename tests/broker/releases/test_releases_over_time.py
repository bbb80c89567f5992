"""Any sequence of runs, releases and withdrawals, each recipient applying delta after delta.

Every GUID that a recipient ever read is in its table now, or superseded by one that is, or ended; and nothing of a
withdrawn record is left in bulk files.
"""

from __future__ import annotations

import csv
import uuid

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from broker.ledger import withdraw
from broker.releases.builder import build_release
from broker.releases.withdrawal import carry_out
from broker.store.tables import ReleaseFile
from pprl.package import SigningKey
from pprl.release import ReleaseKey, open_release

from ..ledger.machine import NAMES, Ledger
from ..ledger.projects import guid_of, text_of
from ..tokens import BROKER
from .test_releases import fetch
from .test_withdrawal import bulk_texts

KEY = ReleaseKey(b"\x07" * 32)
SITES = {"anna": "a", "bert": "b", "cleo": "c"}
RECIPIENTS = ("rita", "anna", "bert")


class Releases(Ledger):
    """Beside the ledger, what each recipient has on its disk, and every GUID it ever read."""

    def __init__(self):
        super().__init__()
        self.tables = {}
        self.known = {}
        self.read = {name: set() for name in RECIPIENTS}

    @rule(recipient=st.sampled_from(RECIPIENTS))
    def release(self, recipient):
        """A release is published; the recipient applies its delta, or unseals it where it has none before."""
        self.clock.forward(minutes=1)
        release = build_release(
            self.store,
            self.made.project,
            self.made.parties[recipient],
            key=KEY,
            by=self.made.parties["olga"],
        )
        self.take(recipient, release)

    def take(self, recipient, release):
        fetched = fetch(self.made, release, self.folder / f"{release.id}-fetched")
        out = self.folder / recipient
        identity, broker = self.made.identity(recipient), KEY.public_half
        open_release(fetched, self.folder / "whole", identity=identity, broker=broker)
        previous = out if recipient in self.tables else None
        open_release(fetched, out, identity=identity, broker=broker, previous=previous)
        for name in ("matches.csv", "superseded.csv"):
            assert (out / name).read_bytes() == (self.folder / "whole" / name).read_bytes()
        self.tables[recipient] = self.now(recipient)
        self.read[recipient] |= {row["entity_guid"] for row in self.tables[recipient][0]}
        if recipient in SITES:
            self.check_own_rows(recipient)

    def now(self, recipient):
        found = []
        for name in ("matches", "superseded"):
            with (self.folder / recipient / f"{name}.csv").open(newline="") as file:
                found.append(list(csv.DictReader(file)))
        return found

    def check_own_rows(self, recipient):
        """A site has all of its records, and only those; two have one GUID where they are one person's."""
        name = SITES[recipient]
        table = {row["record_guid"]: row["entity_guid"] for row in self.tables[recipient][0]}
        assert set(table) == {text_of(record) for record in self.contents[name]}
        entities = self.entities()
        for one, guid in table.items():
            for other, same in table.items():
                together = entities[name, uuid.UUID(one).bytes] == entities[name, uuid.UUID(other).bytes]
                assert (guid == same) == together
        # As long as an entity lives, its GUID is the same.
        for record, guid in table.items():
            entity = entities[name, uuid.UUID(record).bytes]
            assert self.known.setdefault((recipient, entity), guid) == guid

    def withdraw_some(self, data):
        raise NotImplementedError

    @rule(data=st.data())
    def withdraw_and_carry_out(self, data):
        """Records are withdrawn; all recipients take the release that follows."""
        name = data.draw(st.sampled_from(NAMES))
        if not self.contents[name]:
            return
        some = data.draw(st.sets(st.sampled_from(sorted(self.contents[name])), min_size=1, max_size=2))
        self.clock.forward(minutes=1)
        guids = self.as_array(some)
        with self.store.begin() as session:
            withdrawal = withdraw(
                session, self.made.datasets[name], guids, party=self.made.parties["olga"], now=self.clock()
            )
        self.clock.forward(minutes=1)
        releases = carry_out(
            self.store,
            withdrawal,
            identity=BROKER,
            signing_key=SigningKey(b"\x09" * 32),
            release_key=KEY,
        )
        self.forget(name, some)
        for release in releases:
            recipient = next(
                n for n, party in self.made.parties.items() if party.key == release.recipient_key
            )
            self.take(recipient, release)

    @invariant()
    def every_guid_ever_read_has_an_answer(self):
        for recipient, (table, superseded) in self.tables.items():
            current = {row["entity_guid"] for row in table}
            answers = {}
            for row in superseded:
                answers.setdefault(row["previous_entity_guid"], set()).add(row["entity_guid"])
            assert self.read[recipient] == current | set(answers)
            assert not current & set(answers)
            for successors in answers.values():
                assert successors == {""} or successors <= current

    @invariant()
    def nothing_of_a_withdrawn_record_is_left(self):
        needles = {
            needle
            for records in self.withdrawn.values()
            for record in records
            for needle in (guid_of(record), text_of(record).encode())
        }
        if not needles:
            return
        with self.store.read() as session:
            deltas = set(session.scalars(select(ReleaseFile.sha256).where(ReleaseFile.role == "delta")))
        for digest, raw in bulk_texts(self.made):
            # A site's own delta says which of its rows to delete.
            assert digest in deltas or not any(needle in raw for needle in needles)
        for recipient in self.tables:
            raw = (self.folder / recipient / "matches.csv").read_bytes()
            assert not any(needle in raw for needle in needles)

    @invariant()
    def no_recipient_has_what_anothers_has(self):
        entities = [guid for read in self.read.values() for guid in read]
        assert len(set(entities)) == len(entities)


def test_over_time(store_template):
    Releases.template = store_template
    run_state_machine_as_test(
        Releases,
        settings=settings(
            max_examples=6,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
