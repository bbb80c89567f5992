"""What both commands share at the terminal: exit codes, one-line errors, progress on stderr.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the input or the run is bad, 2 wrong
usage, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from types import FrameType
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from pprl.errors import PprlError

Advance = Callable[[int], None]
"""Called with the number of units just done."""


class Progress(Protocol):
    """Shows how far it is, as `progress` does."""

    def __call__(self, label: str, total: int | None, *, unit: str = "") -> AbstractContextManager[Advance]:
        """Show a stage while the block runs; what it gives is called with the number of units just done."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that ``--help`` is quick.

    Parameters
    ----------
    lazy : mapping of str to (str, str)
        Command to its home, ``"module:attribute"``, and its line in the list.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order given."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or None where there is none of that name."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        if not self.lazy:
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])


def run(command: click.Command) -> None:
    """Run a command line and leave the process with its exit code."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    try:
        result = command.main(standalone_mode=False)
    except PprlError as error:
        _complain(str(error), code=1)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _complain(error.format_message(), code=1)
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; nothing was written", code=130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except MemoryError:
        _complain("out of memory; nothing was written", code=1)
    sys.exit(result if isinstance(result, int) else 0)


def note(message: str) -> None:
    """Tell the person something on stderr."""
    click.echo(message, err=True)


@contextmanager
def progress(label: str, total: int | None, *, unit: str = "") -> Iterator[Advance]:
    """Show a progress bar on stderr while the block runs; silent where stderr is no terminal.

    Parameters
    ----------
    label : str
        What is being done.
    total : int or None
        Units in all; None shows a pulse.
    unit : str
        Name of the unit, shown behind the count; ``"bytes"`` are shown as MB and the like.

    Yields
    ------
    callable
        ``advance(n)``: ``n`` more units are done.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *((DownloadColumn(),) if unit == "bytes" else (MofNCompleteColumn(), TextColumn(unit))),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda n: bar.advance(task, n)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()) -> None:
    """Print columns of text, as `in_columns`."""
    for line in in_columns(header, rows, right=right):
        click.echo(line)


def in_columns(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()
) -> Iterator[str]:
    """Columns of text under headings, a line each; those named in ``right`` are flush right."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (
            text.rjust(width) if name in right else text.ljust(width)
            for name, text, width in zip(header, line, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def day(when: datetime | None) -> str:
    """A time to the day, for a table."""
    return "" if when is None else f"{when:%Y-%m-%d}"


def silent(label: str, total: int | None, *, unit: str = "") -> AbstractContextManager[Advance]:
    """Show nothing, in place of `progress`."""
    del label, total, unit
    return nullcontext(lambda _: None)


def _terminated(number: int, frame: FrameType | None) -> None:
    """A scheduler or a shutdown ends the process: leave as from any error, so that half-written files go."""
    sys.exit(128 + number)


def _complain(message: str, *, code: int) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)
