"""Finished tiles of a long search, kept on disk so that a run that was killed goes on where it was.

A tile holds row numbers, never a token. The folder belongs to one job, named by a fingerprint of everything that the
tiles depend on; tiles of another job are of no use and are removed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pprl.errors import PprlError
from pprl.files import new_file

JOB_FILE = "job.json"
"""Without it a folder is none of a job."""


class TileStore:
    """Arrays by name in a folder, each whole or not there.

    Parameters
    ----------
    folder : Path
        Made where it is missing, for its owner alone; a folder of something else is refused.
    job : mapping
        What the tiles depend on, as JSON.

    Attributes
    ----------
    n_found : int
        Tiles of this very job that were there already.

    Raises
    ------
    PprlError
        The folder holds something else, or cannot be written.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any]) -> None:
        self._folder = folder
        fingerprint = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
        if folder.exists() and not _is_store(folder):
            raise PprlError(f"{folder}: is in the way of this run's unfinished work; move it away")
        try:
            if folder.exists() and _job_of(folder) != fingerprint:
                shutil.rmtree(folder)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PprlError(f"{folder}: cannot be written ({error.strerror})") from None
        with new_file(folder / JOB_FILE, mode=0o600) as file:
            file.write(json.dumps({"job": fingerprint}).encode() + b"\n")
        self.n_found = self.count()

    def count(self) -> int:
        """Tiles that are kept."""
        return sum(1 for _ in self._folder.glob("*.npy"))

    def load(self, name: str) -> npt.NDArray[np.int64] | None:
        """A finished tile, or None; one that cannot be read counts as not there."""
        try:
            tile = np.load(self._folder / f"{name}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return tile if tile.dtype == np.int64 and tile.ndim == 1 else None

    def save(self, name: str, tile: npt.NDArray[np.int64]) -> None:
        """Keep a finished tile.

        Raises
        ------
        PprlError
            The disk is full, or the folder cannot be written; earlier tiles stay.
        """
        with new_file(self._folder / f"{name}.npy", mode=0o600) as file:
            np.lib.format.write_array(file, tile, allow_pickle=False)

    def remove(self) -> None:
        """Remove the folder: the run is done."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _is_store(folder: Path) -> bool:
    return folder.is_dir() and ((folder / JOB_FILE).is_file() or not any(folder.iterdir()))


def _job_of(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / JOB_FILE).read_bytes())["job"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
