"""The store as the rest of the broker sees it: transactions on the database, and bulk files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from broker.clock import Clock, system_clock
from broker.store.database import (
    Location,
    connect,
    locate,
    make_private,
    make_sqlite_file,
    reading,
    transaction,
)
from broker.store.files import BulkFiles
from broker.store.tables import StoreFact
from broker.store.versions import check_version, upgrade
from pprl.errors import StoreError
from pprl.guid import RandomBytes, new_guid

STORE_ID = "store_id"


class Store:
    """An open store; made by `open_store`.

    Attributes
    ----------
    location : Location
        Where it is.
    files : BulkFiles
        Bulk data.
    clock : Clock
        What time it is.
    """

    def __init__(self, location: Location, engine: Engine, *, clock: Clock) -> None:
        self.location, self.clock = location, clock
        self._engine, self._reading = engine, reading(engine)
        self.files = BulkFiles(location.folder / "files", begin=self.begin, read=self.read, clock=clock)

    @property
    def uploads(self) -> Path:
        """A folder for what is on its way here, on the disk of the bulk files."""
        folder = self.location.folder / "uploads"
        make_private(folder)
        return folder

    @property
    def engine(self) -> Engine:
        """Of the database."""
        return self._engine

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction that may write: kept when the block ends well, undone as a whole where it does not.

        On SQLite one process writes at a time, others wait for up to 30 seconds; so keep it short.

        Raises
        ------
        StoreBusyError, ConflictError, StoreError
            See `broker.store.database.transaction`.
        """
        with transaction(self._engine) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state throughout and cannot write; it holds nobody up.

        Raises
        ------
        StoreBusyError, StoreError
        """
        with transaction(self._reading) as session:
            yield session

    def store_id(self) -> str:
        """The store's random name, a GUID."""
        with self.read() as session:
            return session.scalars(select(StoreFact.value).where(StoreFact.name == STORE_ID)).one()

    def check_database(self) -> list[str]:
        """What is wrong with the database file, as SQLite finds it; PostgreSQL looks after its own."""
        if not self.location.is_sqlite:
            return []
        with self.read() as session:
            found = session.execute(text("PRAGMA integrity_check(20)")).scalars().all()
            strays = session.execute(text("PRAGMA foreign_key_check")).all()
        faults = [str(fault) for fault in found if fault != "ok"]
        return [
            *faults,
            *(
                f"a row of {stray[0]} points at a row of {stray[2]} that is not there"
                for stray in strays[:20]
            ),
        ]

    def scrub(self) -> None:
        """Overwrite what deleted rows leave behind.

        SQLite overwrites freed space at once, but its write-ahead log keeps older pages until it is emptied, which is
        done here. PostgreSQL keeps deleted rows until a vacuum, which is the database's own business and starts here.
        """
        statement = "PRAGMA wal_checkpoint(TRUNCATE)" if self.location.is_sqlite else "VACUUM"
        connection = self._engine.raw_connection()
        try:
            driver = connection.driver_connection
            if driver is not None and not self.location.is_sqlite:
                driver.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.invalidate()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(where: str | Path, *, files: str | Path | None = None, clock: Clock = system_clock) -> Store:
    """Open a store that `init_store` made.

    Parameters
    ----------
    where : str or Path
        A folder, or the URL of a PostgreSQL database.
    files : str or Path, optional
        With a URL: the folder for bulk data.
    clock : Clock
        What time it is.

    Raises
    ------
    StoreError
        There is no store, or its database is older or newer than the program.
    StoreBusyError
        The database cannot be reached.
    """
    location = locate(where, files=files)
    if location.is_sqlite and not location.sqlite_path.is_file():
        raise StoreError(f"{where}: holds no store; make one with pprl-broker store init")
    engine = connect(location)
    try:
        check_version(engine, location)
        return Store(location, engine, clock=clock)
    except BaseException:
        engine.dispose()
        raise


def init_store(
    where: str | Path,
    *,
    files: str | Path | None = None,
    clock: Clock = system_clock,
    random_bytes: RandomBytes = os.urandom,
) -> Store:
    """Make a store where there is none, and open it.

    Raises
    ------
    StoreError
        There is a store already, or something else.
    """
    location = locate(where, files=files)
    make_private(location.folder)
    if location.is_sqlite:
        make_sqlite_file(location.sqlite_path)
    engine = connect(location)
    try:
        upgrade(engine, location, new=True)
        store = Store(location, engine, clock=clock)
        with store.begin() as session:
            session.add(StoreFact(name=STORE_ID, value=new_guid(random_bytes)))
        return store
    except BaseException:
        engine.dispose()
        raise


def upgrade_store(where: str | Path, *, files: str | Path | None = None) -> tuple[str | None, str]:
    """Bring an older store to the program's version, as a whole or not at all.

    Returns
    -------
    tuple of (str or None, str)
        The version before and after.

    Raises
    ------
    StoreError
        There is no store, or it is newer than the program.
    """
    location = locate(where, files=files)
    if location.is_sqlite and not location.sqlite_path.is_file():
        raise StoreError(f"{where}: holds no store; make one with pprl-broker store init")
    engine = connect(location)
    try:
        return upgrade(engine, location)
    finally:
        engine.dispose()
