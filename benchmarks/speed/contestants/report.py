"""What a contestant says of itself: seconds and facts, as the last line it prints. Standard library only."""

from __future__ import annotations

import json
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
        By part; a part that is timed twice adds up.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time the block."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


def arguments() -> dict[str, Any]:
    """Return what the driver wants done: the JSON of the first command-line argument."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def report(seconds: dict[str, float], *, packages: tuple[str, ...], **facts: Any) -> None:
    """Print the line that the driver reads.

    Parameters
    ----------
    seconds : dict of str to float
        ``"timed"`` is what contestants are compared by; the others tell where time went.
    packages : tuple of str
        Distributions whose versions are told.
    **facts
        Anything else that JSON can hold.
    """
    versions = {name: version(name) for name in packages}
    sys.stdout.write(json.dumps({"seconds": seconds, "versions": versions, "facts": facts}) + "\n")


def write_pairs(path: str | Path, pairs: list[tuple[str, str]]) -> None:
    """Write found pairs of record ids as CSV, for the driver to score; outside of what is timed."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.write("left_id,right_id\n")
        file.writelines(f"{left},{right}\n" for left, right in pairs)
