"""The journal, for those who check it."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.governance import Act
from broker.journal.checkpoints import signed
from broker.service.dependencies import AskingDep
from broker.service.models import CheckpointOut, CheckpointsOut, EntriesOut, EntryOut, Id
from broker.service.routes import API
from broker.store.tables import Checkpoint, JournalEntry, Project, StoreFact

router = APIRouter(prefix=API, tags=["journal"])

After = Annotated[int, Query(ge=0, lt=1 << 53, description="Number of an entry.")]
Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/journal")
def get_journal(asking: AskingDep, after: After = 0, limit: Limit = 100) -> EntriesOut:
    """The journal's entries; for operators."""
    with asking.broker.store.read() as session:
        asking.require(session, Act.READ_JOURNAL)
        return _entries(session, after, limit)


@router.get("/journal/checkpoints")
def get_checkpoints(asking: AskingDep) -> CheckpointsOut:
    """All signed checkpoints; keep the latest one elsewhere. For every party: they tell of nothing but hashes."""
    with asking.broker.store.read() as session:
        store_id = session.scalars(select(StoreFact.value).where(StoreFact.name == "store_id")).one()
        rows = session.scalars(select(Checkpoint).order_by(Checkpoint.number))
        items = []
        for row in rows:
            one = signed(row, store_id)
            items.append(
                CheckpointOut(
                    store=one.store,
                    n=one.n,
                    hash=one.hash,
                    at=one.at,
                    signer=one.signer,
                    signature=one.signature,
                )
            )
        return CheckpointsOut(items=items)


@router.get("/projects/{project_id}/journal")
def get_project_journal(
    asking: AskingDep, project_id: Annotated[Id, Path()], after: After = 0, limit: Limit = 100
) -> EntriesOut:
    """The entries that are about a project."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.READ_PROJECT_JOURNAL, Project, project_id)
        return _entries(session, after, limit, project=project)


def _entries(session: Session, after: int, limit: int, project: Project | None = None) -> EntriesOut:
    rows = select(JournalEntry).where(JournalEntry.number > after).order_by(JournalEntry.number)
    if project is not None:
        # Ids are random; where one stands in the text it is meant, but to be sure the entry is read as well.
        rows = rows.where(JournalEntry.body.contains(project.id))
    found = []
    for row in session.scalars(rows.limit(limit + 1)):
        if project is None or project.id in json.loads(row.body).get("subjects", {}).values():
            found.append(EntryOut(number=row.number, body=row.body, hash=row.hash))
    more = len(found) > limit
    return EntriesOut(items=found[:limit], next=found[limit - 1].number if more else None)
