"""Writing a run into the ledger: records come, change and go, entities go on living, merge and split.

A run covers all of a project: every dataset of which the ledger holds records is in it, or is handed over empty where
it was retired, so that no record is left in an entity of which it may not be any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import numpy as np
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from broker import journal
from broker.ledger.bulk import Held, cut, datasets_held, living_entities, named, pieces, read_records
from broker.ledger.carry import NEW, Carried, Keys, carry_over
from broker.ledger.rows import Changes, Digests, Rows, compare_deliveries, withdrawn_marks
from broker.store.tables import (
    ChangeKind,
    Entity,
    EntityChange,
    LedgerRecord,
    Project,
    Run,
    StoreFact,
    WithdrawnRecord,
)
from pprl.errors import ConflictError
from pprl.guid import Guids, RandomBytes, as_values, stacked

LEDGER_KEY = "ledger_key"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Records:
    """A dataset's records as a run had them.

    Attributes
    ----------
    dataset_key, delivery_key : int
    guids : ndarray of uint8, shape (n, 16)
        Each once; none of a withdrawn record, see `not_withdrawn`.
    digests : ndarray of uint8, shape (n, 32)
        From `broker.ledger.rows.row_digests` with the store's `ledger_key`.
    """

    dataset_key: int
    delivery_key: int
    guids: Guids
    digests: Digests


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a run did to the ledger.

    Attributes
    ----------
    n_records, n_added, n_changed, n_removed : int
        Records now, and against before.
    n_entities, n_new, n_merged, n_split, n_emptied : int
        Entities now; new ones; those that ended in another one, that lost records to others, that lost all records.
    """

    n_records: int
    n_added: int
    n_changed: int
    n_removed: int
    n_entities: int
    n_new: int
    n_merged: int
    n_split: int
    n_emptied: int


def ledger_key(session: Session, *, random_bytes: RandomBytes = os.urandom) -> bytes:
    """The store's key of row digests and of marks of withdrawn records; drawn when it is needed first."""
    fact = session.get(StoreFact, LEDGER_KEY)
    if fact is None:
        fact = StoreFact(name=LEDGER_KEY, value=random_bytes(_KEY_BYTES).hex())
        session.add(fact)
        session.flush()
    return bytes.fromhex(fact.value)


def changes_of(session: Session, records: Records) -> Changes:
    """What a delivery changes against what the ledger holds of its dataset; its earlier rows are those of the ledger,
    in the order of their GUIDs.
    """
    held = read_records(session, records.dataset_key)
    return compare_deliveries(held.guids, held.digests, records.guids, records.digests)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What the store keeps of a dataset's withdrawn records.

    Attributes
    ----------
    marks : ndarray of uint8, shape (n, 16)
    key : bytes
        Of the marks; none where there are none.
    """

    marks: Guids = field(repr=False)
    key: bytes = field(repr=False)

    def spares(self, guids: Guids) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which records of a delivery may be linked: all but those that were withdrawn; one bool for each."""
        if not len(self.marks):
            return np.ones(len(guids), np.bool_)
        return np.isin(as_values(withdrawn_marks(guids, self.key)), as_values(self.marks), invert=True)


def withdrawn_of(session: Session, dataset_key: int) -> Withdrawn:
    """The withdrawn records of a dataset."""
    marks = list(
        session.scalars(select(WithdrawnRecord.guid).where(WithdrawnRecord.dataset_key == dataset_key))
    )
    return Withdrawn(stacked(marks), ledger_key(session) if marks else b"")


def not_withdrawn(
    session: Session, dataset_key: int, guids: Guids
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which records of a delivery may be linked; see `Withdrawn.spares`."""
    return withdrawn_of(session, dataset_key).spares(guids)


def record_run(
    session: Session,
    project: Project,
    run: Run,
    datasets: Sequence[Records],
    group: Keys,
    *,
    by: str,
    now: datetime,
) -> Refreshed:
    """Write a run into the ledger.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    project : Project
        Whose ledger.
    run : Run
        Of the project; flushed.
    datasets : sequence of Records
        All datasets of the project of which the ledger holds records or is to hold some.
    group : ndarray of int64, shape (records of all datasets,)
        The group of each record, datasets one behind the other: 0, 1, ... without gaps.
    by : str
        Who did it, for the journal.
    now : datetime
        With time zone.

    Returns
    -------
    Refreshed

    Raises
    ------
    ConflictError
        The run leaves out a dataset, or has a record that was withdrawn meanwhile; nothing is written.
    """
    session.execute(select(Project.key).where(Project.key == project.key).with_for_update())
    _check(session, project, datasets)
    starts = np.cumsum([0, *(len(records.guids) for records in datasets)])
    helds = {records.dataset_key: read_records(session, records.dataset_key) for records in datasets}
    changes = [
        compare_deliveries(helds[r.dataset_key].guids, helds[r.dataset_key].digests, r.guids, r.digests)
        for r in datasets
    ]
    before = np.concatenate(
        [
            np.empty(0, np.int64),
            *(_before(helds[r.dataset_key], c) for r, c in zip(datasets, changes, strict=True)),
        ]
    )
    order = _own_order(datasets, starts)
    carried = carry_over(before[order], group[order], living_entities(session, project.key))
    identity = _with_new(session, project, run, carried, now=now)
    entity = identity[group]
    _end(session, project, run, carried, identity, now=now)
    for records, change, start, end in zip(datasets, changes, starts[:-1], starts[1:], strict=True):
        held = helds[records.dataset_key]
        _write(session, records, held, change, before[start:end], entity[start:end], now=now)
    merged = carried.merged
    done = Refreshed(
        n_records=len(group),
        n_added=sum(len(change.added) for change in changes),
        n_changed=sum(len(change.changed) for change in changes),
        n_removed=sum(len(change.removed) for change in changes),
        n_entities=len(identity),
        n_new=int((carried.identity == NEW).sum()),
        n_merged=int(merged.sum()),
        n_split=len(np.unique(carried.moved_from[~merged])),
        n_emptied=len(carried.emptied),
    )
    journal.append(
        session,
        "ledger.refreshed",
        by=by,
        now=now,
        subjects={"project": project.id, "run": run.id},
        counts=asdict(done),
    )
    return done


def _check(session: Session, project: Project, datasets: Sequence[Records]) -> None:
    given = {records.dataset_key for records in datasets}
    for key, name in datasets_held(session, project.key).items():
        if key not in given:
            raise ConflictError(
                f"the run leaves out the dataset {name!r}, of which the ledger holds records; link all datasets of the "
                "project together"
            )
    for records in datasets:
        if not not_withdrawn(session, records.dataset_key, records.guids).all():
            raise ConflictError("a record was withdrawn while the run was going on; run it again")


def _before(held: Held, change: Changes) -> Keys:
    """The entity that each record of a delivery was in."""
    before = np.full(len(change.earlier), NEW, np.int64)
    was_there = change.earlier >= 0
    before[was_there] = held.entity[change.earlier[was_there]]
    return before


def _own_order(datasets: Sequence[Records], starts: Keys) -> Keys:
    """The records' order by dataset and GUID, whatever the run's order was."""
    order = []
    for number in sorted(range(len(datasets)), key=lambda number: datasets[number].dataset_key):
        order.append(starts[number] + np.argsort(as_values(datasets[number].guids), kind="stable"))
    return np.concatenate([np.empty(0, np.int64), *order])


def _with_new(session: Session, project: Project, run: Run, carried: Carried, *, now: datetime) -> Keys:
    """Make entities for the groups that have none; gives the entity of each group."""
    identity = carried.identity.copy()
    new = np.flatnonzero(identity == NEW)
    row = {"project_key": project.key, "created_run_key": run.key, "created_at": now, "ended_at": None}
    for piece in pieces(len(new)):
        groups = new[piece]
        made = session.scalars(insert(Entity).returning(Entity.key), [row] * len(groups)).all()
        identity[groups] = sorted(made)
    return identity


def _end(
    session: Session, project: Project, run: Run, carried: Carried, identity: Keys, *, now: datetime
) -> None:
    """Write the history, and end the entities that are no group any more."""
    kinds = np.where(carried.merged, ChangeKind.MERGED, ChangeKind.SPLIT)
    common = {"project_key": project.key, "run_key": run.key, "at": now}
    history = [
        {"entity_key": entity, "kind": ChangeKind(kind), "successor_key": successor, "n_records": n, **common}
        for entity, kind, successor, n in zip(
            carried.moved_from.tolist(),
            kinds.tolist(),
            identity[carried.moved_to].tolist(),
            carried.n_moved.tolist(),
            strict=True,
        )
    ]
    history += [
        {"entity_key": entity, "kind": ChangeKind.EMPTIED, "successor_key": None, "n_records": 0, **common}
        for entity in carried.emptied.tolist()
    ]
    for piece in pieces(len(history)):
        session.connection().execute(insert(EntityChange), history[piece])
    ended = carried.ended.tolist()
    for piece in pieces(len(ended)):
        session.execute(update(Entity), [{"key": key, "ended_at": now} for key in ended[piece]])


def _write(
    session: Session,
    records: Records,
    held: Held,
    change: Changes,
    before: Keys,
    entity: Keys,
    *,
    now: datetime,
) -> None:
    """Bring a dataset's rows up to date; those that are as they were are not touched."""
    where = LedgerRecord.dataset_key == records.dataset_key
    for gone in named(cut(held.guids, change.removed)):
        session.execute(delete(LedgerRecord).where(where, LedgerRecord.guid.in_(gone)))
    is_changed = np.zeros(len(entity), np.bool_)
    is_changed[change.changed] = True
    moved = np.flatnonzero((before != NEW) & (before != entity) & ~is_changed)
    key = {"dataset_key": records.dataset_key}
    brought = {"delivery_key": records.delivery_key, "changed_at": now}
    for piece in pieces(len(moved)):
        rows = moved[piece]
        changed = zip(cut(records.guids, rows), entity[rows].tolist(), strict=True)
        session.execute(
            update(LedgerRecord), [{**key, "guid": g, "entity_key": e, "changed_at": now} for g, e in changed]
        )

    def rows_of(some: Rows) -> Iterator[list[dict[str, object]]]:
        for piece in pieces(len(some)):
            rows = some[piece]
            values = (cut(records.guids, rows), cut(records.digests, rows), entity[rows].tolist())
            yield [
                {**key, **brought, "guid": g, "row_digest": d, "entity_key": e}
                for g, d, e in zip(*values, strict=True)
            ]

    for batch in rows_of(change.changed):
        session.execute(update(LedgerRecord), batch)
    for batch in rows_of(change.added):
        session.connection().execute(insert(LedgerRecord), batch)
