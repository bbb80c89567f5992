"""A service in whose store there is one subject of each kind, and everybody who may be something to it."""

from __future__ import annotations

import random
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

from fastapi.testclient import TestClient

from broker.auth import USEFUL, AccessKey, AccessTokens, Authenticator, Scope, issue
from broker.gen3 import aliases, drs, metadata
from broker.journal import LOCAL
from broker.service.app import create_app
from broker.service.context import Broker, Settings
from broker.store import Store
from broker.store.tables import Party, RunFile
from pprl.guid import new_guid
from pprl.package import Identity, SigningKey

from ..governance.world import World
from .hospital import KEYS

SCHEMA = '[linkage]\nproject = "kidney"\nepoch = "1"\nfields = ["given_name", "surname", "birth_date"]\n'


@cache
def access_key() -> AccessKey:
    """One for all tests: making it takes a while."""
    return AccessKey.new()


class Everybody:
    """The service over a `World`, with a token for each of its parties.

    Parameters
    ----------
    store : Store
        Empty.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.draw = random.Random(0).randbytes
        with store.files.new() as file:
            file.write(b"sealed")
        with store.begin() as session:
            self.world = world = World(session, store)
            for row in (world.job, world.run, world.delivery, world.upload, world.withdrawal, world.release):
                row.id = new_guid(self.draw)
            world.upload.expires_at = world.now + timedelta(days=7)
            world.delivery.settled_at = world.now
            world.file.id, world.file.name = new_guid(self.draw), "matches.csv.age"
            world.file.sha256, world.file.n_bytes = file.sha256, file.n_bytes
            world.release.published_at = world.now
            session.add(RunFile(run_key=world.run.key, name="report.html", sha256=file.sha256))
            self.record, _ = metadata.create(
                session, "dg.1/record", {"a": 1}, prefix="dg.1/", by=world["named"], now=world.now
            )
            aliases.add_aliases(session, self.record, ["another/name"])
            for name in ("operator", "owner", "named"):
                world[name].recipient = str(Identity(name.encode().ljust(32, b"\1")).recipient)
            self.tokens, self.token_ids = {}, {}
            for name, party in world.parties.items():
                if party.disabled_at is None:
                    self.tokens[name] = self._token(session, name, USEFUL[party.kind], "test")
            # Disabled after its token was made.
            world["disabled"].disabled_at = None
            self.tokens["disabled"] = self._token(session, "disabled", USEFUL[world["disabled"].kind], "test")
            world["disabled"].disabled_at = world.now
        store.clock.now = world.now
        access = AccessTokens(access_key(), "https://broker.example.org")
        self.broker = Broker(
            store,
            KEYS,
            Authenticator(access=access),
            Settings("https://broker.example.org"),
            random_bytes=self.draw,
        )
        self.app = create_app(self.broker)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def _token(self, session, name: str, scopes, label: str) -> str:
        row, text = issue(
            session,
            self.world[name],
            name=label,
            scopes=scopes,
            expires_at=self.world.now + timedelta(days=300),
            by=LOCAL,
            now=self.world.now,
            random_bytes=self.draw,
        )
        if label == "test":  # more than could be asked for, so that the rules alone decide
            row.scopes = sorted(set(Scope) - {Scope.METRICS} | set(scopes))
        session.flush()
        self.token_ids.setdefault(name, row.id)
        return text

    def token_with(self, name: str, scopes) -> str:
        """Another token of a party's."""
        with self.store.begin() as session:
            self.world.parties[name] = session.get_one(Party, self.world[name].key)
            return self._token(session, name, scopes, f"with {new_guid(self.draw)}")

    def ask(self, token: str | None, method: str, path: str, **more):
        """One request."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.client.request(method, path, headers=headers, **more)

    @contextmanager
    def undone(self):
        """Let nothing that requests write stay: each transaction is undone once it has ended well."""
        begin = self.store.begin

        @contextmanager
        def dry():
            with begin() as session:
                yield session
                session.flush()
                session.expunge_all()  # what was read of it stays as it is
                session.rollback()

        self.store.begin = self.store.files._begin = dry
        try:
            yield
        finally:
            del self.store.begin
            self.store.files._begin = begin


def bodies(world: World, draw) -> dict[str, dict | list]:
    """A request's body for the routes that take one."""
    later = (world.now + timedelta(days=30)).isoformat()
    return {
        "recipient": {"recipient": str(Identity(b"\2" * 32).recipient)},
        "site-key": {"public": str(SigningKey(b"\6" * 32).verify_key)},
        "party": {"kind": "site", "name": "new"},
        "token": {"name": "new", "scopes": ["read"], "expires_at": later},
        "project": {"schema": SCHEMA},
        "member": {"party": world["stranger"].id, "role": "contributor"},
        "dataset": {"name": "second"},
        "upload": {"sha256": "1" * 64, "n_bytes": 5},
        "withdrawal": {"records": [new_guid(draw)]},
        "permission": {
            "use": "link",
            "left": world.dataset.id,
            "right": world.other_dataset.id,
            "recipients": [world["named"].id],
            "expires_at": later,
        },
        "run": {},
        "release": {"recipient": world["named"].id},
        "api-key": {"api_key": "none"},
        "objects": {"bulk_object_ids": [world.file.id]},
        "batch": [{"guid": "dg.1/new", "data": {"b": 2}}],
        "record": {"b": 2},
        "aliases": {"aliases": ["more"]},
    }


def paths(everybody: Everybody) -> dict[str, str]:
    """The ids that stand in paths."""
    world = everybody.world
    return {
        "party_id": world["owner"].id,
        "token_id": everybody.token_ids["owner"],
        "project_id": world.project.id,
        "dataset_id": world.dataset.id,
        "delivery_id": world.delivery.id,
        "upload_id": world.upload.id,
        "withdrawal_id": world.withdrawal.id,
        "permission_id": world.permission.id,
        "run_id": world.run.id,
        "job_id": world.job.id,
        "release_id": world.release.id,
        "name": world.file.name,
        "object_id": world.file.id,
        "access_id": drs.ACCESS_ID,
        "guid": everybody.record.guid,
        "alias": "another/name",
    }
