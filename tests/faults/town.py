"""A real service's world: parties with tokens, packages of a small town, and what each party asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from broker.auth import USEFUL, issue
from broker.governance import (
    add_member,
    create_dataset,
    create_party,
    create_project,
    grant,
    register_site_key,
)
from broker.journal import LOCAL
from broker.store import Store
from broker.store.tables import PartyKind, Role, Use
from broker.work import BrokerKeys
from pprl.guid import to_text
from pprl.package import Identity
from pprl.release import open_release

from ..broker.population import Town
from ..broker.tokens import a_schema, guids_of, pack, site_key

API = "/api/v1"
N_ROWS = 160
MEDIA_TYPE = "application/offset+octet-stream"
SITES = {"a": "anna", "b": "bert"}


class Place:
    """Where a store is, with its keys, and everybody's tokens.

    Parameters
    ----------
    where, files : str, Path or None
        As `open_store` takes them; the store is there and empty.
    folder : Path
        For keys, packages and what is fetched.
    """

    def __init__(self, where: str, files: Path | None, folder: Path) -> None:
        self.where, self.files, self.folder = where, files, folder
        self.keys_folder = folder / "keys"
        self.keys, _ = BrokerKeys.make_missing(self.keys_folder)
        self.schema, self.town = a_schema("fields"), Town()
        self.tokens, self.parties, self.datasets = {}, {}, {}
        self.sequence = {"a": 0, "b": 0}
        self.n_withdrawn = 0

    def populate(self, store: Store) -> None:
        """Make parties, a project, its datasets and a permission."""
        now = store.clock()
        how = {"by": LOCAL, "now": now}
        kinds = {"anna": PartyKind.SITE, "bert": PartyKind.SITE, "olga": PartyKind.OPERATOR}
        kinds |= {"rita": PartyKind.RESEARCHER, "stella": PartyKind.RESEARCHER}
        with store.begin() as session:
            for name, kind in kinds.items():
                party = create_party(session, kind, name=name, recipient=self.identity(name).recipient, **how)
                session.flush()
                self.parties[name] = party
                until = now + timedelta(days=300)
                _, self.tokens[name] = issue(
                    session, party, name="test", scopes=USEFUL[kind], expires_at=until, **how
                )
            self.project = create_project(session, self.schema, **how)
            session.flush()
            roles = {"anna": Role.CONTRIBUTOR, "bert": Role.CONTRIBUTOR}
            roles |= {"rita": Role.RECIPIENT, "stella": Role.STEWARD}
            for name, role in roles.items():
                add_member(session, self.project, self.parties[name], role=role, **how)
            for name, site in SITES.items():
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

    def identity(self, name: str) -> Identity:
        return Identity(name.encode().ljust(32, b"\1"))

    def package(self, name: str) -> bytes:
        """A site's next package."""
        self.sequence[name] += 1
        path = self.folder / f"{name}.pprl"
        path.unlink(missing_ok=True)
        pack(
            path,
            self.schema,
            self.town.records["ab".index(name)][:N_ROWS],
            sequence=self.sequence[name],
            recipient=self.keys.identity.recipient,
            now=datetime.now(UTC),
        )
        return path.read_bytes()

    def next_to_withdraw(self) -> str:
        """The GUID of a record of dataset a that was not withdrawn yet."""
        self.n_withdrawn += 1
        return str(to_text(guids_of("a", N_ROWS))[self.n_withdrawn - 1])


class Asker:
    """Asks a service over HTTP, as any party of a place.

    Parameters
    ----------
    place : Place
    url : str
        Of the service.
    """

    def __init__(self, place: Place, url: str) -> None:
        self.place, self.url = place, url
        self.client = httpx.Client(base_url=url, timeout=60)

    def ask(self, who: str, method: str, path: str, **more) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.place.tokens[who]}", **more.pop("headers", {})}
        return self.client.request(method, f"{API}/{path}", headers=headers, **more)

    def get(self, who: str, path: str) -> dict:
        answer = self.ask(who, "GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def announce(self, name: str, content: bytes) -> dict:
        body = {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
        answer = self.ask(SITES[name], "POST", f"datasets/{self.place.datasets[name].id}/uploads", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def send(self, name: str, upload: str, offset: int, content: bytes) -> httpx.Response:
        headers = {"Upload-Offset": str(offset), "Content-Type": MEDIA_TYPE}
        return self.ask(SITES[name], "PATCH", f"uploads/{upload}", content=content, headers=headers)

    def offset(self, name: str, upload: str) -> int:
        answer = self.ask(SITES[name], "HEAD", f"uploads/{upload}")
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["Upload-Offset"])

    def deliver(self, name: str, content: bytes) -> str:
        """Send a package; gives the id of its intake."""
        upload = self.announce(name, content)["id"]
        assert self.send(name, upload, 0, content).status_code == 204
        return self.get(SITES[name], f"uploads/{upload}")["job"]["id"]

    def link(self) -> str:
        answer = self.ask("stella", "POST", f"projects/{self.place.project.id}/runs", json={})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def release(self) -> str:
        body = {"recipient": self.place.parties["rita"].id}
        answer = self.ask("stella", "POST", f"projects/{self.place.project.id}/releases", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def withdraw(self) -> str:
        path = f"datasets/{self.place.datasets['a'].id}/withdrawals"
        answer = self.ask("anna", "POST", path, json={"records": [self.place.next_to_withdraw()]})
        assert answer.status_code == 202, answer.text
        return answer.json()["job"]["id"]

    def job(self, job_id: str) -> dict:
        return self.get("olga", f"jobs/{job_id}")

    @contextmanager
    def fetched(self, release_id: str) -> Iterator[Path]:
        """All files of a release as its recipient fetches them, each with its digest."""
        import tempfile

        with tempfile.TemporaryDirectory(dir=self.place.folder) as name:
            for file in self.get("rita", f"releases/{release_id}")["files"]:
                got = self.ask("rita", "GET", f"releases/{release_id}/files/{file['name']}")
                assert got.status_code == 200, got.text
                assert hashlib.sha256(got.content).hexdigest() == file["sha256"]
                (Path(name) / file["name"]).write_bytes(got.content)
            yield Path(name)

    def check_release(self, release_id: str) -> None:
        """Open a release as its recipient would."""
        with self.fetched(release_id) as folder:
            opened = open_release(
                folder,
                folder / "opened",
                identity=self.place.identity("rita"),
                broker=self.place.keys.release.public_half,
            )
            assert opened.manifest.release == release_id
