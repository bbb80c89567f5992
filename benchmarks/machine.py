"""What was measured on: processor, memory, load, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("pprl", "numpy", "numba", "pyarrow", "pandas", "cryptography")


def stamp(root: Path, *, now: datetime) -> dict[str, Any]:
    """Return what tells one run's figures from another's.

    Parameters
    ----------
    root : Path
        The repository.
    now : datetime
        With time zone.
    """
    processor = _first("/proc/cpuinfo", "model name")
    memory = _first("/proc/meminfo", "MemTotal").split()
    return {
        "date": now.isoformat(timespec="seconds"),
        "processor": processor or platform.processor() or platform.machine(),
        "instructions": [name for name in _INSTRUCTIONS if name in _first("/proc/cpuinfo", "flags").split()],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[0]) / 2**20, 1) if memory else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "commit": _git(root, "rev-parse", "HEAD"),
        "changed_files": len(_git(root, "status", "--porcelain").splitlines()),
    }


def load() -> list[float]:
    """Return the load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vpopcntdq", "sha_ni")


def _first(path: str, name: str) -> str:
    """Value of the first line ``name : value`` of a file of the kernel; empty where there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()
