"""Command lines of scripts that a peer's interpreter runs, or ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def script(module: str, job: dict[str, Any], *, python: Path | None = None) -> list[str]:
    """Return the command line of a script.

    Parameters
    ----------
    module : str
        Below ``benchmarks``: ``peers.encode_clkhash``.
    job : dict
        What is to be done; JSON holds it.
    python : Path, optional
        The interpreter; our own where it is not given.
    """
    return [str(python or sys.executable), "-W", "ignore", "-m", f"benchmarks.{module}", json.dumps(job)]
