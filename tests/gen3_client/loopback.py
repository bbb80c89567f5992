"""A broker's service on a loopback address, in its own process; and Gen3's client, in an environment of its own."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from broker.gen3.crosswalk import Crosswalk, Identifier, crosswalk_files
from broker.releases.builder import build_release
from broker.store import init_store
from broker.store.tables import ReleaseFile
from broker.work import BrokerKeys
from pprl.release import open_release

from ..broker.clocks import SetClock
from ..broker.ledger.projects import make_project
from . import certificates

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-gen3"
BROKER = [sys.executable, "-c", "from broker.cli import main; main()"]

MIDRC = Identifier("https://data.midrc.org", "gen3_node_property", "Case.submitter_id", "The case")
BDC = Identifier(
    "https://gen3.biodatacatalyst.nhlbi.nih.gov", "gen3_node_property", "Subject.submitter_id", "The subject"
)
CROSSWALK = Crosswalk(
    Identifier("https://broker.example.org", "pprl_entity", "Entity GUID", "Of one recipient"),
    {"a": MIDRC, "b": BDC},
    methodologies=("Probabilistic, privacy-preserving",),
    guid_prefix="dg.TEST/",
)
PREFIX = "dg.TEST/"


class Party:
    """A party with credentials for the client, which runs in a home of its own; a new party where none is named."""

    def __init__(self, service: Service, name: str | None = None) -> None:
        self.service, self.home = service, service.folder / f"home-{next(service.numbers)}"
        self.home.mkdir()
        if name is None:
            name = self.home.name
            service.broker("party", "add", "researcher", name)
        self.credentials = self.home / "credentials.json"
        until = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
        token = ("--name", self.home.name, "--until", until, "--out", self.credentials)
        service.broker("gen3", "key", name, "--url", service.url, *token)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.defpath}",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "REQUESTS_CA_BUNDLE": str(self.service.authority),
            "SSL_CERT_FILE": str(self.service.authority),
            # It tries what fails three times by default, with pauses: 401 for every value that it looks for.
            "GEN3SDK_MAX_RETRIES": "1",
        }

    def gen3(self, *words: object, auth: str | None = None) -> str:
        """Run the client; gives what it says."""
        done = subprocess.run(
            ["gen3", "--auth", auth or str(self.credentials), *map(str, words)],
            cwd=self.home,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, code: str) -> str:
        """Run a program with the client's library."""
        done = subprocess.run(
            [ENVIRONMENT / "bin" / "python", "-c", code],
            cwd=self.home,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish(self, path: Path, info: Path | None = None, **more) -> str:
        with_info = () if info is None else ("--info", info)
        return self.gen3("objects", "crosswalk", "publish", path, "-m", "By tokens", *with_info, **more)

    def read(self, **more) -> list[dict[str, str]]:
        """The crosswalk that the client reads."""
        self.gen3("objects", "crosswalk", "read", "--output-file", "read.csv", **more)
        with (self.home / "read.csv").open(newline="") as file:
            return list(csv.DictReader(file))


class Service:
    """A store with a project, in which rita was given a release; and the service over it."""

    def __init__(self, folder: Path, scheme: str) -> None:
        self.folder, self.scheme, self.numbers = folder, scheme, count(1)
        self.authority, self.certificate, self.key = certificates.make(folder)
        self.where = folder / "store"
        clock = SetClock()
        clock.now = datetime.now(UTC) - timedelta(days=1)
        self.keys, _ = BrokerKeys.make_missing(folder / "keys")
        with init_store(self.where, clock=clock) as store:
            self.made = make_project(store, clock)
            self.made.run(
                {"a": {1: 0, 2: 0, 3: 0}, "b": {11: 0, 12: 0}, "c": {21: 0}},
                [[("a", 1), ("b", 11)], [("a", 2), ("b", 12)], [("a", 3)], [("c", 21)]],
            )
            clock.forward(minutes=1)
            release = build_release(
                store,
                self.made.project,
                self.made.parties["rita"],
                key=self.keys.release,
                by=self.made.parties["olga"],
                extras=crosswalk_files(CROSSWALK),
            )
            self.release = release
            fetched = folder / "fetched"
            fetched.mkdir()
            with store.read() as session:
                self.files = {
                    file.name: file for file in session.query(ReleaseFile).filter_by(release_key=release.key)
                }
            for file in self.files.values():
                if file.role != "content":
                    (fetched / file.name).write_bytes(store.files.path(file.sha256).read_bytes())
        self.opened = folder / "opened"
        identity = self.made.identity("rita")
        open_release(fetched, self.opened, identity=identity, broker=self.keys.release.public_half)

    def broker(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command of the broker."""
        done = subprocess.run(
            [*BROKER, *map(str, words)],
            env={
                **os.environ,
                "PPRL_BROKER_STORE": str(self.where),
                "SSL_CERT_FILE": str(self.authority),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    @contextmanager
    def running(self):
        tls = ("--tls-certificate", self.certificate, "--tls-key", self.key) if self.scheme == "https" else ()
        words = [
            *("serve", "--store", self.where, "--keys", self.folder / "keys", "--no-workers"),
            *("--host", "localhost", "--port", "0", "--guid-prefix", PREFIX, *tls),
        ]
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*BROKER, *map(str, words)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                for line in process.stderr:
                    log.write(line)
                    if "the broker answers at" in line:
                        self.url = line.partition("answers at ")[2].partition(";")[0]
                        break
                else:
                    raise AssertionError((self.folder / "log").read_text())
                yield self
            finally:
                process.terminate()
                log.write(process.stderr.read())
                process.stderr.close()
                process.wait(30)
