"""A site withdraws records: they leave the ledger at once, and cannot come back.

What is kept of a record is a keyed mark of its GUID, by which a later delivery that still holds it is taken without
it. Its entity keeps the rest of its records; the next run decides anew who belongs together. What is left of the record
in bulk data goes with `broker.releases.withdrawal`.
"""

from __future__ import annotations

import os
from datetime import datetime

import numpy as np
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from broker import journal
from broker.ledger.book import ledger_key
from broker.ledger.bulk import cut, named, pieces
from broker.ledger.rows import withdrawn_marks
from broker.store.tables import (
    ChangeKind,
    Dataset,
    Entity,
    EntityChange,
    LedgerRecord,
    Party,
    Project,
    Withdrawal,
    WithdrawnRecord,
)
from pprl.errors import GovernanceError
from pprl.guid import Guids, RandomBytes, as_values, new_guid


def withdraw(
    session: Session,
    dataset: Dataset,
    guids: Guids,
    *,
    party: Party,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Withdrawal:
    """Take records out of the ledger for good.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    dataset : Dataset
        Whose records they are.
    guids : ndarray of uint8, shape (n, 16)
        Those that the ledger does not hold are kept out of later deliveries all the same.
    party : Party
        Who asks; that it may is checked before.
    now : datetime
        With time zone.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    Withdrawal
        Its ``n_records`` counts those that the ledger held.

    Raises
    ------
    GovernanceError
        No record is named.
    """
    if not len(guids):
        raise GovernanceError("no record is named; give the record GUIDs, one a line")
    project = session.scalars(
        select(Project).where(Project.key == dataset.project_key).with_for_update()
    ).one()
    guids = guids[np.unique(as_values(guids), return_index=True)[1]]
    emptied, n_records = _take_out(session, dataset, cut(guids))
    withdrawal = Withdrawal(
        id=new_guid(random_bytes),
        dataset_key=dataset.key,
        requested_by_key=party.key,
        requested_at=now,
        n_records=n_records,
        purged_at=None,
    )
    session.add(withdrawal)
    session.flush()
    _keep_out(session, dataset, guids, withdrawal, random_bytes=random_bytes)
    for piece in pieces(len(emptied)):
        session.execute(update(Entity), [{"key": key, "ended_at": now} for key in emptied[piece]])
        session.execute(
            insert(EntityChange),
            [
                {
                    "project_key": project.key,
                    "entity_key": key,
                    "kind": ChangeKind.EMPTIED,
                    "successor_key": None,
                    "n_records": 0,
                    "run_key": None,
                    "at": now,
                }
                for key in emptied[piece]
            ],
        )
    journal.append(
        session,
        "records.withdrawn",
        by=party.id,
        now=now,
        subjects={"project": project.id, "dataset": dataset.id, "withdrawal": withdrawal.id},
        counts={"records": n_records, "named": len(guids), "entities_emptied": len(emptied)},
    )
    return withdrawal


def _take_out(session: Session, dataset: Dataset, guids: list[bytes]) -> tuple[list[int], int]:
    """Delete rows; gives the entities that have none any more, ascending, and how many rows there were."""
    touched: set[int] = set()
    n_records = 0
    for some in named(guids):
        rows = delete(LedgerRecord).where(
            LedgerRecord.dataset_key == dataset.key, LedgerRecord.guid.in_(some)
        )
        entities = session.scalars(rows.returning(LedgerRecord.entity_key)).all()
        n_records += len(entities)
        touched.update(entities)
    left: set[int] = set()
    keys = sorted(touched)
    for piece in pieces(len(keys), 5000):
        left.update(
            session.scalars(
                select(LedgerRecord.entity_key).where(LedgerRecord.entity_key.in_(keys[piece])).distinct()
            )
        )
    return sorted(touched - left), n_records


def _keep_out(
    session: Session, dataset: Dataset, guids: Guids, withdrawal: Withdrawal, *, random_bytes: RandomBytes
) -> None:
    marks = cut(withdrawn_marks(guids, ledger_key(session, random_bytes=random_bytes)))
    for some in named(marks):
        known = set(
            session.scalars(
                select(WithdrawnRecord.guid).where(
                    WithdrawnRecord.dataset_key == dataset.key, WithdrawnRecord.guid.in_(some)
                )
            )
        )
        rows = [
            {"dataset_key": dataset.key, "guid": mark, "withdrawal_key": withdrawal.key}
            for mark in some
            if mark not in known
        ]
        if rows:
            session.execute(insert(WithdrawnRecord), rows)
