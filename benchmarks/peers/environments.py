"""The peers' environments: ``.venv-peer-NAME``, made on demand from a lock file with hashes."""

from __future__ import annotations

import fcntl
from pathlib import Path

from benchmarks.environment import ROOT, make

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
    lock, folder = LOCKS / f"{peer}.lock", ROOT / f".venv-peer-{peer}"
    python = folder / "bin" / "python"
    with lock.open("rb") as only_one:
        fcntl.flock(only_one, fcntl.LOCK_EX)
        make(folder, lock, python=python, about=" (once)")
    return python
