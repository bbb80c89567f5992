"""Options of every command that speaks to a broker's service, and rows of text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.console import note

if TYPE_CHECKING:
    from pprl.client import Client
    from pprl.errors import ServiceError

_LONG_S = 3.0
URL_VARIABLE, TOKEN_FILE_VARIABLE = "PPRL_BROKER_URL", "PPRL_TOKEN_FILE"


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--broker``, ``--token-file`` and ``--allow-http``."""
    command = click.option(
        "--allow-http",
        is_flag=True,
        help="Send the token unencrypted to another machine; where the way there is safe by other means only.",
    )(command)
    command = click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        envvar=TOKEN_FILE_VARIABLE,
        help="File with your token, readable by you alone. Else PPRL_TOKEN holds it; a command line is no place for "
        f"it.  [env: {TOKEN_FILE_VARIABLE}]",
    )(command)
    return click.option(
        "--broker",
        "url",
        envvar=URL_VARIABLE,
        metavar="URL",
        help=f"The broker's service, https://...  [env: {URL_VARIABLE}]",
    )(command)


def project_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--project``."""
    return click.option("--project", metavar="NAME", help=text)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="For machines.")(command)


@contextmanager
def connected(url: str | None, token_file: Path | None, allow_http: bool) -> Iterator[Client]:
    """The service of these options."""
    from pprl.client import Client, check_url, find_token

    address = check_url(url, allow_http=allow_http)
    token = find_token(token_file)
    with Client(address, token, on_pause=_tell, allow_http=allow_http) as client:
        yield client


def _tell(error: ServiceError, seconds: float) -> None:
    """Say why nothing happens, where that lasts."""
    if seconds >= _LONG_S:
        note(f"{error}; again in {seconds:.0f} s")


@contextmanager
def resumable() -> Iterator[None]:
    """Tell who interrupts the block that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        note("the same command goes on where it was")
        raise


def count(number: int | None, *, of: str = "") -> str:
    """A number with its thousands apart, and what is counted: ``1 record``, ``2 records``."""
    if number is None:
        return ""
    unit = f" {of}{'' if number == 1 else 's'}" if of else ""
    return f"{number:,}{unit}"
