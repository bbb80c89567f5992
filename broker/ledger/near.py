"""What the last run of a project found near by filter: a file of that run, which the next one reads.

It tells records by marks that say nothing to whoever has not the ledger; but which of them are alike it does say, so
that a withdrawal takes its records out.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.engines.earlier import NearPairs, rows_before
from broker.ledger.bulk import Held, read_records
from broker.ledger.rows import row_marks
from broker.store import Store
from broker.store.tables import Dataset, Run, RunFile
from pprl.errors import StoreError
from pprl.files import scratch_file

NEAR_PAIRS = "near-pairs.npz"
"""Name of the file among those of its run."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier run has left.

    Attributes
    ----------
    sha256 : str
        Of the file.
    pairs : NearPairs
    """

    sha256: str
    pairs: NearPairs


def read_near_pairs(store: Store, project_key: int) -> Kept | None:
    """What the project's last run found; None where there is nothing that can be read."""
    with store.read() as session:
        files = _files(session, project_key)
    pairs = NearPairs.read(store.files.path(files[-1].sha256)) if files else None
    return None if pairs is None else Kept(files[-1].sha256, pairs)


def store_near_pairs(store: Store, pairs: NearPairs) -> str:
    """Put them among the bulk files; gives the file's SHA-256.

    Raises
    ------
    StoreError
        The disk is full.
    """
    with scratch_file(store.uploads) as file:
        try:
            pairs.write(file)
        except OSError as error:
            raise StoreError(f"what was near cannot be kept for the next run ({error.strerror})") from None
        file.seek(0)
        return store.files.put(file)


def forget_earlier(session: Session, run: Run) -> list[str]:
    """Let the files of the project's earlier runs go; gives their digests."""
    digests = []
    for file in _files(session, run.project_key):
        if file.run_key != run.key:
            digests.append(file.sha256)
            session.delete(file)
    return digests


def forget_withdrawn(store: Store, dataset: Dataset) -> list[str]:
    """Write the project's file anew without the records of a dataset that the ledger holds no more.

    One that cannot be read goes.

    Returns
    -------
    list of str
        Digests of the files that nothing points at any more; none where there is nothing to be done.

    Raises
    ------
    StoreError
        The disk is full.
    """
    gone: list[str] = []
    with store.read() as session:
        files = _files(session, dataset.project_key)
        if not files:
            return []
        held = read_records(session, dataset.key)
    for file in files:
        pairs = NearPairs.read(store.files.path(file.sha256))
        left = None if pairs is None else _still_held(pairs, dataset.name, held)
        if left is not None and left is pairs:
            continue
        digest = None if left is None else store_near_pairs(store, left)
        with store.begin() as session:
            row = session.get(RunFile, (file.run_key, NEAR_PAIRS), with_for_update=True)
            is_same = row is not None and row.sha256 == file.sha256
            if row is not None and is_same:
                if digest is None:
                    session.delete(row)
                else:
                    row.sha256 = digest
        if not is_same:  # a run has ended meanwhile, or another withdrawal was as far as this one
            return [*gone, *forget_withdrawn(store, dataset)]
        gone.append(file.sha256)
    return gone


def _still_held(pairs: NearPairs, dataset: str, held: Held) -> NearPairs:
    """Without the records of a dataset that are not held; the same object where all are."""
    if dataset not in pairs.marks:
        return pairs
    stays = rows_before(row_marks(held.guids, held.digests), pairs.marks[dataset]) >= 0
    return pairs if stays.all() else pairs.without(dataset, stays)


def _files(session: Session, project_key: int) -> list[RunFile]:
    """In the order of their runs."""
    return list(
        session.scalars(
            select(RunFile)
            .join(Run, Run.key == RunFile.run_key)
            .where(Run.project_key == project_key, RunFile.name == NEAR_PAIRS)
            .order_by(Run.key)
        )
    )
