"""Virtual environments of their own for other people's packages, made on demand from lock files with hashes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pprl.console import note
from pprl.errors import PprlError

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""


def digest_of(lock: Path) -> str:
    """Return the SHA-256 of a lock file, in hexadecimal."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def clean_variables() -> dict[str, str]:
    """Return this process's variables, less those that point an interpreter at our packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def make(folder: Path, lock: Path, *, python: Path | str, about: str, options: Sequence[str] = ()) -> None:
    """Make an environment where it is missing or its lock file has changed; callers see to it that one does at a time.

    Parameters
    ----------
    folder : Path
        Of the environment.
    lock : Path
        What pip installs, with hashes.
    python : Path or str
        The environment's interpreter.
    about : str
        Said behind its name when it is made.
    options : sequence of str
        Further ones of ``pip install``.

    Raises
    ------
    PprlError
        Where it cannot be made; the installer's complaint is quoted.
    """
    stamp, digest = folder / ".ready", digest_of(lock)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    note(f"making {folder.name}{about}")
    _call([sys.executable, "-m", "venv", "--clear", str(folder)], folder)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _call([*pip, *options, "--require-hashes", "--requirement", str(lock)], folder)
    stamp.write_text(digest)


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=clean_variables(), check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = (errors or done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PprlError(f"{folder}: cannot be made: {last}")
