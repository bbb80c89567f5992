"""Write noised census and Social Security rows: FOLDER YEAR SEED. Runs in .venv-data, see environment.py."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def main(folder: Path, year: int, seed: int) -> None:
    """Write ``census.csv`` and ``ssa.csv`` with all columns, ``simulant_id`` among them, into ``folder``."""
    # by name, since the project's own environment, and so its type checker, has no such package
    pseudopeople: Any = importlib.import_module("pseudopeople")
    pseudopeople.generate_decennial_census(year=year, seed=seed).to_csv(folder / "census.csv", index=False)
    pseudopeople.generate_social_security(year=year, seed=seed).to_csv(folder / "ssa.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
