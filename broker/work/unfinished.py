"""Folders of jobs for unfinished work: what an attempt leaves there, the next one goes on with.

Each attempt has a folder of its own name, and gets what earlier ones have left by renaming it. So a worker that was
thought dead and goes on finds its folder gone; it cannot spoil the work of the one that has the job now.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from broker.store import Store
from broker.store.database import make_private
from pprl.guid import TEXT_CHARACTERS


def work_folder(store: Store) -> Path:
    """Where the folders of all jobs are; on the disk of the bulk files."""
    return store.location.folder / "work"


def take_over(store: Store, job_id: str, attempt: int, *, holds: str) -> Path:
    """The folder of an attempt, with what earlier ones have left.

    Parameters
    ----------
    store : Store
        Whose job.
    job_id : str
        Its id.
    attempt : int
        Of the lease.
    holds : str
        The file without which nothing can be made of what is left: everything stopped before it was written.

    Returns
    -------
    Path
        It need not be there.
    """
    make_private(work_folder(store))
    mine = work_folder(store) / f"{job_id}-{attempt}"
    for left in folders_of(store, job_id):
        if left == mine:
            continue
        if (left / holds).is_file() and not mine.exists():
            with suppress(OSError):  # somebody else removed it
                left.rename(mine)
        shutil.rmtree(left, ignore_errors=True)
    if not (mine / holds).is_file():
        shutil.rmtree(mine, ignore_errors=True)
    return mine


def folders_of(store: Store, job_id: str) -> list[Path]:
    """The folders of a job's attempts, the latest first."""
    found = work_folder(store).glob(f"{job_id}-*")
    return sorted(found, key=lambda path: int(path.name[TEXT_CHARACTERS + 1 :]), reverse=True)


def job_of(folder: Path) -> str:
    """The id of the job whose folder it is."""
    return folder.name[:TEXT_CHARACTERS]
