"""Options that every command on a store has, and rows of text for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.console import note
from pprl.errors import PprlError

if TYPE_CHECKING:
    from broker.store import Store

STORE_VARIABLE, FILES_VARIABLE = "PPRL_BROKER_STORE", "PPRL_BROKER_FILES"


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--store`` and ``--files``."""
    command = click.option(
        "--files",
        envvar=FILES_VARIABLE,
        type=click.Path(path_type=Path),
        help=f"With a URL: the folder for bulk data.  [env: {FILES_VARIABLE}]",
    )(command)
    return click.option(
        "--store",
        "where",
        envvar=STORE_VARIABLE,
        required=True,
        metavar="DIR|URL",
        help=f"The store: a folder, or postgresql://USER@HOST/DATABASE. A URL with a password is better given by the "
        f"environment, as others can see command lines.  [env: {STORE_VARIABLE}]",
    )(command)


def opened(where: str, files: Path | None) -> Store:
    """The store of these options, open."""
    from broker.store import open_store

    return open_store(where, files=files)


def make_store(where: str, files: Path | None) -> None:
    """Make a store where there is none, and tell.

    Raises
    ------
    StoreExistsError, StoreError
    """
    from broker.journal import LOCAL, append
    from broker.store import init_store

    with init_store(where, files=files) as made:
        with made.begin() as session:
            append(session, "store.created", by=LOCAL, now=made.clock())
        note(f"made a store in {made.location}")


def day_option(*names: str, required: bool, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that takes a day; the end of it is meant, in UTC."""
    return click.option(*names, required=required, metavar="YYYY-MM-DD", callback=_read_day, help=text)


def _read_day(context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    del context, option
    if value is None:
        return None
    try:
        return datetime.strptime(value, "%Y-%m-%d").replace(hour=23, minute=59, second=59, tzinfo=UTC)
    except ValueError:
        raise PprlError("the day is not one; expected YYYY-MM-DD") from None
