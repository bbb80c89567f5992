"""What both commands share at the terminal: exit codes, one-line errors, progress on stderr.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the input or the run is bad, 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pprl.errors import PprlError

Advance = Callable[[int], None]
"""Called with the number of units just done."""


def run(command: click.Command) -> None:
    """Run a command line and leave the process with its exit code."""
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
        Name of the unit, shown behind the count.

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
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda n: bar.advance(task, n)


def _complain(message: str, *, code: int) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)
