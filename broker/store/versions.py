"""Which version a store's database has, and how it gets to the program's: all steps in one transaction, or none."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from broker.store.database import Location, plain_errors, reading
from pprl.errors import StoreError, StoreExistsError

_SCRIPTS = Path(__file__).with_name("migrations")
_UPGRADE_LOCK = 0x7070726C  # "pprl": any number, the same in every process


class Age(Enum):
    """A database beside the program."""

    EMPTY = auto()
    FOREIGN = auto()
    """Holds tables, but no store."""
    OLDER = auto()
    SAME = auto()
    NEWER = auto()


def head() -> str:
    """The version that the program works with."""
    (only,) = ScriptDirectory(str(_SCRIPTS)).get_heads()
    return only


def version_of(connection: Connection) -> str | None:
    """The version of a database; None where it holds no store."""
    return MigrationContext.configure(connection).get_current_revision()


def age_of(connection: Connection) -> Age:
    """Compare a database with the program."""
    found = version_of(connection)
    if found is None:
        return Age.FOREIGN if inspect(connection).get_table_names() else Age.EMPTY
    scripts = ScriptDirectory(str(_SCRIPTS))
    if found in scripts.get_heads():
        return Age.SAME
    return Age.OLDER if is_known(found) else Age.NEWER


def is_known(version: str) -> bool:
    """Whether the program can make a database of a version."""
    return version in {script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}


def check_version(engine: Engine, location: Location) -> None:
    """Refuse a database that the program cannot work with, and say what to do.

    Raises
    ------
    StoreError, StoreBusyError
    """
    with plain_errors(), reading(engine).connect() as connection:
        age = age_of(connection)
    if age is not Age.SAME:
        raise StoreError(f"{location}: {_WHY[age]}")


def upgrade(
    engine: Engine,
    location: Location,
    *,
    new: bool = False,
    to: str = "head",
    fill: Callable[[Connection], None] = lambda _: None,
) -> tuple[str | None, str]:
    """Bring a database to a version.

    Parameters
    ----------
    engine : Engine
        On the database.
    location : Location
        Of the store, for errors.
    new : bool
        Whether it must be empty, and not otherwise.
    to : str
        A version, for the restoring of older ones.
    fill : callable
        Fills the tables, in the same transaction.

    Returns
    -------
    tuple of (str or None, str)
        The version before and after.

    Raises
    ------
    StoreError
        The database is newer than the program, is of something else, or a step fails; nothing is changed.
    """
    with plain_errors(), engine.connect() as connection:
        if location.is_sqlite:
            # A step that makes a table anew drops the old one, to which others point; they are checked at the end.
            # Said to the driver, as within a transaction it would do nothing.
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                return _upgrade(connection, location, new=new, to=to, fill=fill)
        finally:
            connection.invalidate()  # and with it the setting


def _upgrade(
    connection: Connection, location: Location, *, new: bool, to: str, fill: Callable[[Connection], None]
) -> tuple[str | None, str]:
    if not location.is_sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
    age, before = age_of(connection), version_of(connection)
    if new and before:
        raise StoreExistsError(f"{location}: holds a store already")
    if new and age is not Age.EMPTY:
        raise StoreError(f"{location}: {_WHY[Age.FOREIGN]}")
    if not new and age in (Age.EMPTY, Age.FOREIGN, Age.NEWER):
        raise StoreError(f"{location}: {_WHY[age]}")
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    fill(connection)
    if location.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise StoreError(f"{location}: the upgrade would leave rows that point nowhere; nothing was changed")
    after = version_of(connection)
    if after is None:
        raise StoreError(f"{location}: the upgrade came to no version; nothing was changed")
    return before, after


_WHY = {
    Age.EMPTY: "holds no store; make one with pprl-broker store init",
    Age.FOREIGN: "is a database of something else; give the store a database of its own",
    Age.OLDER: "was made by an older version of this program; back it up, then run pprl-broker store upgrade",
    Age.NEWER: "was made by a newer version of this program; update the program",
}
