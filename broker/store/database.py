"""The database behind the store: SQLite in a folder, or PostgreSQL by URL; and how a transaction is done on it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    TimeoutError,
)
from sqlalchemy.orm import Session

from pprl.errors import ConflictError, StoreBusyError, StoreError, StoreFullError

SQLITE_FILE = "store.sqlite3"
BUSY_TIMEOUT_S = 30

_DISK_FULL = "53100"  # of PostgreSQL
_READ = "pprl_read"  # an execution option of ours


@dataclass(frozen=True, slots=True)
class Location:
    """Where a store is.

    Attributes
    ----------
    url : URL
        Of the database; may hold a password, which its ``repr`` hides.
    folder : Path
        For everything that is a file: bulk data in ``files/``, and the SQLite database.
    """

    url: URL
    folder: Path

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def sqlite_path(self) -> Path:
        """The database file, where there is one."""
        return self.folder / SQLITE_FILE

    def __str__(self) -> str:
        return str(self.folder) if self.is_sqlite else self.url.render_as_string(hide_password=True)


def locate(where: str | Path, *, files: str | Path | None = None) -> Location:
    """Read what a person gives for a store.

    Parameters
    ----------
    where : str or Path
        A folder, or ``postgresql://USER@HOST/DATABASE``.
    files : str or Path, optional
        The folder for bulk data; needed with a URL, and only then.

    Raises
    ------
    StoreError
    """
    if "://" not in str(where):
        if files is not None:
            raise StoreError(
                f"{where}: a store in a folder has its files there; leave out the folder for files"
            )
        folder = Path(where)
        return Location(URL.create("sqlite+pysqlite", database=str(folder / SQLITE_FILE)), folder)
    try:
        url = make_url(str(where))
    except ArgumentError:
        raise StoreError("the store's URL is malformed; expected postgresql://USER@HOST/DATABASE") from None
    if url.get_backend_name() != "postgresql":
        raise StoreError(
            f"a store is a folder or a postgresql:// URL; {url.drivername} databases are not supported"
        )
    if files is None:
        raise StoreError(
            "a store in PostgreSQL needs a folder for its files as well; give one that no other store has"
        )
    return Location(url.set(drivername="postgresql+psycopg"), Path(files))


def connect(location: Location) -> Engine:
    """An engine on the database; no connection is made yet."""
    # Parameters are record GUIDs and digests of tokens; they must not get into errors, and so into logs.
    common: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": True}
    if location.is_sqlite:
        engine = create_engine(location.url, connect_args={"timeout": BUSY_TIMEOUT_S}, **common)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options = "-c timezone=UTC -c lock_timeout=30s -c idle_in_transaction_session_timeout=1h"
    return create_engine(location.url, connect_args={"connect_timeout": 10, "options": options}, **common)


def reading(engine: Engine) -> Engine:
    """The same database for reading: a transaction sees one state of it throughout, and can change nothing."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_READ: True})
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose work is committed at the end of the block, or undone where the block fails.

    Raises
    ------
    StoreBusyError
        The database cannot be reached, or others hold it for too long; nothing was done.
    StoreFullError
        Its disk is full; nothing was done.
    ConflictError
        A constraint of the database is against it.
    StoreError
        The database refuses otherwise.
    """
    with plain_errors(), Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the database's errors, whose texts may hold values of rows, into errors that hold none."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(f"the store holds something against it ({_constraint(error)})") from None
    except TimeoutError:
        # Of the pool: all connections are taken, mostly by those who wait for a lock.
        raise StoreBusyError("too many requests wait for the store's database; try again") from None
    except (OperationalError, InterfaceError) as error:
        if _is_full(error):
            raise StoreFullError("the disk of the store's database is full; nothing was changed") from None
        raise StoreBusyError(f"the store's database cannot be used now ({_reason(error)})") from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreBusyError("the connection to the store's database was lost; try again") from None
        raise StoreError(f"the store's database refuses ({_reason(error)})") from None


def _is_full(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == _DISK_FULL


def _constraint(error: IntegrityError) -> str:
    """Which constraint: its name, or table and column, without a value."""
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return str(diagnosis.constraint_name or diagnosis.column_name or "a constraint")
    return str(error.orig)  # SQLite names constraints, tables and columns only


def _reason(error: DBAPIError) -> str:
    """What the database says, in a line and without values."""
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None and diagnosis.message_primary:
        return str(diagnosis.message_primary).splitlines()[0]
    lines = str(error.orig).splitlines()
    return lines[0] if lines else type(error.orig).__name__


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter.

    Raises
    ------
    StoreError
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror})") from None


def make_sqlite_file(path: Path) -> None:
    """Make an empty database file that only its owner may read; SQLite gives its side files the same rights."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: cannot be made ({error.strerror})") from None


def _prepare_sqlite(connection: Any, record: object) -> None:
    del record
    connection.isolation_level = (
        None  # transactions are begun by us, below: then they hold for CREATE TABLE as well
    )
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")  # what is withdrawn must not stay in free pages
    cursor.execute("PRAGMA trusted_schema = OFF")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reads = bool(connection.get_execution_options().get(_READ))
    connection.exec_driver_sql(f"PRAGMA query_only = {int(reads)}")
    # A writer takes the lock at once: one that takes it after it has read may find that it read an older state.
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
