"""Backups: one consistent state of a store, as files that either database can be made from.

::

    backup.json          versions, the store's id, digests and numbers of rows
    tables/NAME.parquet  every table
    files/3f/3f0a...     bulk data

A backup is taken while the store is in use. The database is read in one transaction that sees one state; the bulk files
of that state are held by links from the moment it begins, so that none is deleted before it is copied.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broker.clock import Clock, system_clock
from broker.store.database import connect, locate, make_private, make_sqlite_file
from broker.store.files import HELD
from broker.store.store import Store, open_store, upgrade_store
from broker.store.table_files import insert_table, write_table
from broker.store.tables import Base, StoredFile
from broker.store.versions import head, is_known, upgrade
from pprl import __version__
from pprl.errors import StoreError
from pprl.files import new_folder

_VERSION = 1
_LIST = "backup.json"


def write_backup(
    store: Store, out: Path, *, now: datetime, advance: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Write a backup; the store may be in use.

    Parameters
    ----------
    store : Store
        What to keep.
    out : Path
        A new folder, which only its owner may enter.
    now : datetime
        For the record.
    advance : callable
        Called with numbers of bytes of bulk data copied.

    Returns
    -------
    dict
        The content of backup.json.

    Raises
    ------
    StoreError
        The folder exists, or a bulk file is missing or damaged.
    PprlError
        It cannot be written.
    """
    if out.exists():
        raise StoreError(f"{out}: exists already; give every backup a folder of its own")
    with new_folder(out, mode=0o700) as folder:
        (folder / "tables").mkdir()
        with store.read() as session, _held_files(store, session) as held:
            tables = []
            for table in Base.metadata.sorted_tables:
                path = folder / "tables" / f"{table.name}.parquet"
                n_rows = write_table(session, table, path)
                tables.append({"name": table.name, "rows": n_rows, "sha256": _digest(path)})
            names = sorted(path.name for path in held.iterdir())
            n_bytes = sum(_copy(held / name, folder / "files", name, advance) for name in names)
            content = {
                "version": _VERSION,
                "program": f"pprl-broker {__version__}",
                "created": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "database": head(),
                "tables": tables,
                "files": {"number": len(names), "bytes": n_bytes},
            }
        (folder / _LIST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return content


def restore(
    where: str | Path,
    backup: Path,
    *,
    files: str | Path | None = None,
    clock: Clock = system_clock,
    advance: Callable[[int], None] = lambda _: None,
) -> Store:
    """Make a store from a backup, in either database, and open it.

    Parameters
    ----------
    where : str or Path
        As for `broker.store.open_store`; there must be no store yet.
    backup : Path
        A folder that `write_backup` wrote.
    files : str or Path, optional
        With a URL: the folder for bulk data.
    clock : Clock
        What time it is.
    advance : callable
        Called with numbers of bytes of bulk data copied.

    Raises
    ------
    StoreError
        There is something already; or the backup is none, damaged, or newer than the program. There is no store then.
    """
    content = _read_list(backup)
    location = locate(where, files=files)
    for table in content["tables"]:
        path = _table_path(backup, table)
        if not path.is_file() or _digest(path) != table["sha256"]:
            raise StoreError(f"{path}: is missing or damaged; use another backup")
    bulk = location.folder / "files"
    if location.sqlite_path.exists() or bulk.exists():
        raise StoreError(f"{location.folder}: holds a store already; restore into an empty place")
    make_private(location.folder)
    if location.is_sqlite:
        make_sqlite_file(location.sqlite_path)
    engine = connect(location)

    def fill(connection: sa.Connection) -> None:
        for table in content["tables"]:
            path = _table_path(backup, table)
            if insert_table(connection, table["name"], path) != table["rows"]:
                raise StoreError(f"{path}: has another number of rows than {_LIST} says; use another backup")
        for name in connection.scalars(sa.text("SELECT sha256 FROM stored_files")).all():
            _copy(backup / "files" / name[:2] / name, bulk, name, advance)

    try:
        upgrade(engine, location, new=True, to=content["database"], fill=fill)
    except BaseException:
        # All of it is ours: there was nothing before.
        shutil.rmtree(bulk, ignore_errors=True)
        location.sqlite_path.unlink(missing_ok=True)
        raise
    finally:
        engine.dispose()
    if content["database"] != head():
        upgrade_store(where, files=files)
    return open_store(where, files=files, clock=clock)


@contextmanager
def _held_files(store: Store, session: Session) -> Iterator[Path]:
    """A folder of links to the bulk files of the session's state, which begins here."""
    with store.files.locked():
        names = session.scalars(sa.select(StoredFile.sha256)).all()
        held = Path(tempfile.mkdtemp(prefix=HELD, dir=store.files.folder))
        try:
            for name in names:
                _link(store.files.path(name), held / name)
        except BaseException:
            shutil.rmtree(held, ignore_errors=True)
            raise
    try:
        yield held
    finally:
        shutil.rmtree(held, ignore_errors=True)


def _link(path: Path, held: Path) -> None:
    try:
        os.link(path, held)
    except FileNotFoundError:
        raise StoreError(
            f"the bulk file {path.name[:12]}... is missing; pprl-broker store check tells what else is"
        ) from None
    except OSError:  # a file system without links: then a copy, while nobody can delete
        shutil.copyfile(path, held)


def _copy(source: Path, folder: Path, name: str, advance: Callable[[int], None]) -> int:
    """Copy a bulk file into its place below a folder and check it; gives its length."""
    place = folder / name[:2]
    make_private(place)
    digest, n_bytes = hashlib.sha256(), 0
    handle, part = tempfile.mkstemp(prefix=".new-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as target, source.open("rb") as file:
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
                target.write(chunk)
                n_bytes += len(chunk)
                advance(len(chunk))
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != name:
            raise StoreError(f"the bulk file {name[:12]}... is damaged; nothing was written")
        Path(part).replace(place / name)
    except FileNotFoundError:
        raise StoreError(f"the bulk file {name[:12]}... is missing; nothing was written") from None
    finally:
        Path(part).unlink(missing_ok=True)
    return n_bytes


def _table_path(backup: Path, table: dict[str, Any]) -> Path:
    return backup / "tables" / f"{table['name']}.parquet"


def _read_list(backup: Path) -> dict[str, Any]:
    path = backup / _LIST
    try:
        content = json.loads(path.read_bytes())
        version = content["version"]
        tables = [(str(one["name"]), int(one["rows"]), str(one["sha256"])) for one in content["tables"]]
        database = str(content["database"])
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); name a folder of a backup") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise StoreError(f"{path}: is not the list of a backup") from None
    if version != _VERSION or not is_known(database):
        raise StoreError(f"{path}: was made by a newer version of this program; update the program")
    if not {name for name, _, _ in tables} >= {"store_facts", "stored_files", "journal"}:
        raise StoreError(f"{path}: is not the list of a backup")
    if not all(name.replace("_", "").isalpha() for name, _, _ in tables):
        raise StoreError(f"{path}: is not the list of a backup")
    return dict(content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
