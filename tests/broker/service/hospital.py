"""Everybody around a broker, each with a token and a client."""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta
from pathlib import Path

from fastapi.testclient import TestClient

from broker.auth import USEFUL, Authenticator, issue
from broker.governance import (
    add_member,
    create_dataset,
    create_party,
    create_project,
    grant,
    register_site_key,
)
from broker.journal import LOCAL, JournalKey
from broker.service.app import create_app
from broker.service.context import Broker, Settings
from broker.store import Store
from broker.store.tables import PartyKind, Role, Use
from broker.work import BrokerKeys, Worker
from pprl.package import Identity, SigningKey
from pprl.release.keys import ReleaseKey

from ..population import Town
from ..tokens import BROKER, NOW, a_schema, pack, site_key

KEYS = BrokerKeys(
    identity=BROKER,
    signing=SigningKey(b"\3" * 32),
    release=ReleaseKey(b"\4" * 32),
    journal=JournalKey(b"\5" * 32),
)
API = "/api/v1"


class Hospital:
    """A service over a store.

    ``anna`` and ``bert`` are sites with the datasets ``a`` and ``b``; ``rita`` is a researcher who may have their
    links; ``stella`` is the steward, ``olga`` the operator; ``otto`` is a researcher and in no project.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        store.clock.now = NOW
        self.schema = a_schema("standard")
        self.draw = random.Random(0).randbytes
        self.parties, self.tokens, self.ids = {}, {}, {}
        with store.begin() as session:
            self._populate(session)
        self.broker = Broker(
            store, KEYS, Authenticator(), Settings("https://broker.example.org"), random_bytes=self.draw
        )
        self.app = create_app(self.broker)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def _populate(self, session) -> None:
        now, how = self.store.clock(), {"by": LOCAL, "now": self.store.clock()}
        kinds = {
            "anna": PartyKind.SITE,
            "bert": PartyKind.SITE,
            "rita": PartyKind.RESEARCHER,
            "stella": PartyKind.RESEARCHER,
            "otto": PartyKind.RESEARCHER,
            "olga": PartyKind.OPERATOR,
        }
        for name, kind in kinds.items():
            recipient = self.identity(name).recipient
            party = create_party(session, kind, name=name, recipient=recipient, **how)
            session.flush()
            self.parties[name] = party
            _, self.tokens[name] = issue(
                session,
                party,
                name="test",
                scopes=USEFUL[kind],
                expires_at=now + timedelta(days=300),
                random_bytes=self.draw,
                **how,
            )
        self.project = create_project(session, self.schema, **how)
        session.flush()
        for name, role in (
            ("anna", Role.CONTRIBUTOR),
            ("bert", Role.CONTRIBUTOR),
            ("rita", Role.RECIPIENT),
            ("stella", Role.STEWARD),
        ):
            add_member(session, self.project, self.parties[name], role=role, **how)
        self.datasets = {}
        for name, site in (("a", "anna"), ("b", "bert")):
            register_site_key(session, self.parties[site], site_key(name).verify_key, **how)
            self.datasets[name] = create_dataset(
                session, self.project, self.parties[site], name=name, stable_guids=True, **how
            )
        session.flush()
        grant(
            session,
            Use.LINK,
            *self.datasets.values(),
            recipients=[self.parties["rita"]],
            approver=self.parties["stella"],
            expires_at=now + timedelta(days=300),
            **how,
        )

    def __enter__(self) -> Hospital:
        self.client.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.__exit__(*exception)

    def identity(self, name: str) -> Identity:
        return Identity(name.encode().ljust(32, b"\1"))

    def ask(self, who: str | None, method: str, path: str, **more):
        """One request of a party's; answers are as they come."""
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.request(
            method, path if path.startswith("/") else f"{API}/{path}", headers=headers, **more
        )

    def work(self, most: int = 10) -> int:
        """Do the jobs that wait."""
        return Worker(self.store, KEYS, random_bytes=self.draw).work_off(most)

    def pack(self, name: str, town: Town, *, rows: slice = slice(None), **changes) -> Path:
        """A site's package of its part of a town."""
        path = self.folder / f"{name}.pprl"
        records = town.records["ab".index(name)][rows]
        pack(path, self.schema, records, dataset=name, **changes)
        return path

    def announce(self, who: str, dataset: str, content: bytes, **more):
        body = {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
        return self.ask(who, "POST", f"datasets/{self.datasets[dataset].id}/uploads", json=body, **more)

    def send(self, who: str, upload: str, offset: int, content: bytes):
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return self.ask(who, "PATCH", f"uploads/{upload}", content=content, headers=headers)

    def submit(self, dataset: str, path: Path) -> dict:
        """Send a package and take it in; gives the job."""
        who = {"a": "anna", "b": "bert"}[dataset]
        content = path.read_bytes()
        upload = self.announce(who, dataset, content).json()["id"]
        sent = self.send(who, upload, 0, content)
        assert sent.status_code == 204, sent.text
        self.work()
        return self.ask(who, "GET", f"uploads/{upload}").json()["job"]
