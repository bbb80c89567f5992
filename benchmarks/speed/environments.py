"""The peers' environments: ``.venv-peer-NAME``, made on demand from a lock file with hashes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from pprl.console import note
from pprl.errors import PprlError

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""

LOCKS = Path(__file__).with_name("requirements")
PEERS = ("anonlink", "faiss", "spindle", "splink")
"""Environments, each named like its lock file; clkhash shares that of anonlink."""


def interpreter(peer: str) -> Path:
    """Return the interpreter of a peer's environment, which is made where it is missing or out of date.

    Raises
    ------
    PprlError
        Where it cannot be made; the installer's complaint is quoted.
    """
    lock = LOCKS / f"{peer}.lock"
    folder = ROOT / f".venv-peer-{peer}"
    python, stamp = folder / "bin" / "python", folder / ".ready"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    with lock.open("rb") as only_one:
        fcntl.flock(only_one, fcntl.LOCK_EX)
        if not (stamp.is_file() and stamp.read_text() == digest):
            note(f"making {folder.name} (once)")
            _call([sys.executable, "-m", "venv", "--clear", str(folder)], peer)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _call([*pip, "--require-hashes", "--requirement", str(lock)], peer)
            stamp.write_text(digest)
    return python


def clean_environment() -> dict[str, str]:
    """Return this process's variables, less those that point an interpreter at other packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _call(command: list[str], peer: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = (errors or done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PprlError(f".venv-peer-{peer} cannot be made: {last}")
