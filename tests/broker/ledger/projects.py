"""A project in a store, with sites, researchers and runs, made row by row."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field

import numpy as np

from broker.ledger import Records, record_run
from broker.store import Store
from broker.store.tables import (
    Dataset,
    Delivery,
    DeliveryState,
    Member,
    Party,
    PartyKind,
    Permission,
    PermissionRecipient,
    Project,
    Role,
    Run,
    Use,
)
from pprl.package import Identity

from ..clocks import SetClock
from ..tokens import a_schema


def guid_of(number: int) -> bytes:
    """A version-4 GUID for a record of a test."""
    return uuid.UUID(int=random.Random(number).getrandbits(128), version=4).bytes


@dataclass
class Made:
    """A project and what is needed to work with it."""

    store: Store
    clock: SetClock
    project: Project
    parties: dict[str, Party]
    datasets: dict[str, Dataset]
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    n_runs: int = 0

    def guid(self) -> str:
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    def identity(self, name: str) -> Identity:
        return Identity(name.encode().ljust(32, b"\1"))

    def run(self, contents: dict[str, dict[int, int]], groups: list[list[tuple[str, int]]]):
        """Record a run: of each dataset, record numbers with what they hold; groups of ``(dataset, record)``."""
        self.n_runs += 1
        group_of = {record: number for number, group in enumerate(groups) for record in group}
        names = {}
        with self.store.begin() as session:
            datasets, group = [], []
            for name, records in contents.items():
                ordered = sorted(records, key=guid_of)
                delivery = Delivery(
                    id=self.guid(),
                    dataset_key=self.datasets[name].key,
                    sequence=self.n_runs,
                    state=DeliveryState.ACCEPTED,
                    sha256=None,
                    payload_sha256="0" * 64,
                    manifest_json=json.dumps({"sequence": self.n_runs}),
                    n_records=len(records),
                    received_by_key=self.datasets[name].site_key,
                    received_at=self.clock(),
                )
                session.add(delivery)
                session.flush()
                datasets.append(
                    Records(
                        self.datasets[name].key,
                        delivery.key,
                        np.frombuffer(b"".join(map(guid_of, ordered)), np.uint8).reshape(-1, 16),
                        np.array([[records[record]] * 32 for record in ordered], np.uint8).reshape(-1, 32),
                    )
                )
                group += [names.setdefault(group_of[name, record], len(names)) for record in ordered]
            run = Run(
                id=self.guid(),
                project_key=self.project.key,
                program="test",
                settings={},
                quality={},
                n_records=len(group),
                n_links=0,
                n_entities=len(names),
                created_at=self.clock(),
            )
            session.add(run)
            session.flush()
            return record_run(
                session, self.project, run, datasets, np.array(group, np.int64), by="local", now=self.clock()
            )


def make_project(store: Store, clock: SetClock, *, researchers=("rita", "rob"), links=True) -> Made:
    """Sites anna, bert and cleo with a dataset each, two researchers who may have all links of all datasets."""
    draw = random.Random(0)

    def public_id():
        return str(uuid.UUID(int=draw.getrandbits(128), version=4))

    made = Made(store, clock, None, {}, {})
    schema = a_schema("standard")
    now = clock()
    with store.begin() as session:
        made.project = Project(
            id=public_id(),
            name=schema.project,
            epoch=schema.epoch,
            schema_json="{}",
            schema_sha256="0" * 64,
            smallest_count=5,
            created_at=now,
        )
        session.add(made.project)
        session.flush()
        kinds = {
            "anna": PartyKind.SITE,
            "bert": PartyKind.SITE,
            "cleo": PartyKind.SITE,
            "olga": PartyKind.OPERATOR,
        }
        kinds |= dict.fromkeys(researchers, PartyKind.RESEARCHER)
        roles = {
            PartyKind.SITE: Role.CONTRIBUTOR,
            PartyKind.RESEARCHER: Role.RECIPIENT,
            PartyKind.OPERATOR: Role.STEWARD,
        }
        for name, kind in kinds.items():
            party = Party(
                id=public_id(),
                kind=kind,
                name=name,
                recipient=str(made.identity(name).recipient),
                created_at=now,
            )
            session.add(party)
            session.flush()
            made.parties[name] = party
            session.add(
                Member(project_key=made.project.key, party_key=party.key, role=roles[kind], since=now)
            )
        for name, site in (("a", "anna"), ("b", "bert"), ("c", "cleo")):
            made.datasets[name] = Dataset(
                id=public_id(),
                project_key=made.project.key,
                site_key=made.parties[site].key,
                name=name,
                stable_guids=True,
                created_at=now,
            )
            session.add(made.datasets[name])
        session.flush()
    if links:
        for pair in ("aa", "bb", "cc"):
            allow(made, pair, *researchers, {"a": "anna", "b": "bert", "c": "cleo"}[pair[0]])
        for pair in ("ab", "ac", "bc"):
            allow(made, pair, *researchers)
    return made


def allow(made: Made, pair: str, *recipients: str, days: float = 400) -> Permission:
    """Permit to link two datasets (or to deduplicate one) and to release it to some."""
    left, right = sorted(made.datasets[name].key for name in pair)
    now = made.clock()
    with made.store.begin() as session:
        permission = Permission(
            id=made.guid(),
            project_key=made.project.key,
            left_key=left,
            right_key=right,
            use=Use.DEDUPLICATE if left == right else Use.LINK,
            approved_by_key=made.parties["olga"].key,
            approved_at=now,
            expires_at=now.replace(year=now.year + int(days // 365) + 1),
        )
        session.add(permission)
        session.flush()
        for name in recipients:
            session.add(
                PermissionRecipient(permission_key=permission.key, recipient_key=made.parties[name].key)
            )
    return permission


def text_of(number: int) -> str:
    """The GUID of a record as text."""
    return str(uuid.UUID(bytes=guid_of(number)))
