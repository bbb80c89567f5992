"""Commands as processes of their own: run from a folder, timed, a failure told in a line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environment import ROOT, clean_variables
from pprl.errors import PprlError


def command(name: str) -> str:
    """Return the path of one of this project's commands."""
    return str(Path(sys.executable).with_name(name))


def call(words: Sequence[str], folder: Path) -> float:
    """Run a command from a folder and return the seconds it took.

    Raises
    ------
    PprlError
        Where it fails; the last line it wrote is quoted.
    """
    begin = time.perf_counter()
    output(words, folder)
    return time.perf_counter() - begin


def output(words: Sequence[str], folder: Path) -> str:
    """Run a command from a folder and return what it printed; raises as `call`."""
    variables = clean_variables() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(words), cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PprlError(f"{' '.join(words[:4])} ended with code {done.returncode}: {last}")
    return done.stdout
