"""What a contestant says of itself: seconds and facts, as the last line it prints. Standard library only."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any


class Stopwatch:
    """Seconds of named parts.

    Attributes
    ----------
    seconds : dict of str to float
        Elapsed, by part.
    cpu_seconds : dict of str to float
        Of processors, by part: of this process with all its threads, and of children that ended within the part.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time the block."""
        begin, cpu_begin = time.perf_counter(), _cpu()
        yield
        self.seconds[name] = time.perf_counter() - begin
        self.cpu_seconds[name] = _cpu() - cpu_begin

    def add_up(self, *names: str) -> None:
        """Make ``"timed"`` of several parts."""
        for seconds in (self.seconds, self.cpu_seconds):
            seconds["timed"] = sum(seconds[name] for name in names)


def arguments() -> dict[str, Any]:
    """Return what the driver wants done: the JSON of the first command-line argument."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def report(watch: Stopwatch, *, packages: tuple[str, ...], **facts: Any) -> None:
    """Print the line that the driver reads.

    Parameters
    ----------
    watch : Stopwatch
        Its part ``"timed"`` is what contestants are compared by; the others tell where time went.
    packages : tuple of str
        Distributions whose versions are told.
    **facts
        Anything else that JSON can hold.
    """
    said = {
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        "versions": {name: version(name) for name in packages},
        "facts": facts,
    }
    sys.stdout.write(json.dumps(said) + "\n")


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def write_pairs(path: str | Path, pairs: list[tuple[str, str]]) -> None:
    """Write found pairs of record ids as CSV, for the driver to score; outside of what is timed."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.write("left_id,right_id\n")
        file.writelines(f"{left},{right}\n" for left, right in pairs)
