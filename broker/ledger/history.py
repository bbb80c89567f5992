"""What became of an entity: old GUIDs lead to those of now.

An entity that lives stands for itself, also where records of it went to others. One that ended leads to the entities
its records went to when it ended, and on from there; where nothing is left at the end of the way, it leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.ledger.bulk import ROWS_AT_ONCE
from broker.store.tables import Entity, EntityChange


@dataclass(frozen=True, slots=True)
class History:
    """The entities of a project that have ended.

    Attributes
    ----------
    successors : mapping of int to tuple of int
        Of each ended entity, where its records went when it ended; empty where there were none.
    """

    successors: Mapping[int, tuple[int, ...]]

    def current(self, entity: int) -> tuple[int, ...]:
        """The living entities that an entity is now: itself, others, or none; ascending."""
        found: set[int] = set()
        seen, waiting = {entity}, [entity]
        while waiting:
            one = waiting.pop()
            after = self.successors.get(one)
            if after is None:
                found.add(one)
                continue
            waiting += [other for other in after if other not in seen]
            seen.update(after)
        return tuple(sorted(found))


def read_history(session: Session, project_key: int) -> History:
    """Read what became of a project's ended entities."""
    ended = select(Entity.key).where(Entity.project_key == project_key, Entity.ended_at.is_not(None))
    successors: dict[int, tuple[int, ...]] = dict.fromkeys(session.scalars(ended), ())
    rows = session.execute(
        select(EntityChange)
        .join(Entity, Entity.key == EntityChange.entity_key)
        .where(EntityChange.project_key == project_key, Entity.ended_at.is_not(None))
        .order_by(EntityChange.key.desc()),
        execution_options={"yield_per": ROWS_AT_ONCE},
    )
    return History({**successors, **_last_changes(rows.scalars())})


def _last_changes(changes: Iterable[EntityChange]) -> dict[int, tuple[int, ...]]:
    """From changes, the latest first: of each entity, its successors in the act that was its last."""
    last: dict[int, tuple[object, ...]] = {}
    successors: dict[int, tuple[int, ...]] = {}
    for change in changes:
        act = (change.run_key, change.at)
        if last.setdefault(change.entity_key, act) == act and change.successor_key is not None:
            successors[change.entity_key] = (*successors.get(change.entity_key, ()), change.successor_key)
    return successors
