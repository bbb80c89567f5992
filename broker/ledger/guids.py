"""The GUIDs under which each recipient knows entities: random, its own, and the same over refreshes."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from broker.ledger.bulk import ROWS_AT_ONCE, cut, pieces
from broker.ledger.carry import Keys
from broker.ledger.rows import Guids
from broker.store.tables import Entity, RecipientGuid
from pprl.guid import GUID_BYTES, RandomBytes, new_guids


def guids_given(session: Session, recipient_key: int, project_key: int) -> tuple[Keys, Guids]:
    """All GUIDs that a recipient was ever given for entities of a project.

    Returns
    -------
    entity : ndarray of int64, shape (n,)
        Ascending.
    guids : ndarray of uint8, shape (n, 16)
    """
    keys, guids = [np.empty(0, np.int64)], [b""]
    rows = session.execute(
        select(RecipientGuid.entity_key, RecipientGuid.guid)
        .join(Entity, Entity.key == RecipientGuid.entity_key)
        .where(RecipientGuid.recipient_key == recipient_key, Entity.project_key == project_key)
        .order_by(RecipientGuid.entity_key),
        execution_options={"yield_per": ROWS_AT_ONCE},
    )
    for part in rows.partitions():
        entity, guid = zip(*part, strict=True)
        keys.append(np.array(entity, np.int64))
        guids.append(b"".join(guid))
    return np.concatenate(keys), np.frombuffer(b"".join(guids), np.uint8).reshape(-1, GUID_BYTES)


def guids_for(
    session: Session,
    recipient_key: int,
    project_key: int,
    entities: Keys | Collection[int],
    *,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Guids:
    """The GUIDs under which a recipient knows entities; those it has none for yet are given one.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    recipient_key, project_key : int
        A party and a project.
    entities : ndarray of int64, shape (n,)
        Of the project, in any order, repeats allowed.
    now : datetime
        With time zone.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    ndarray of uint8, shape (n, 16)
        Drawn at random, never derived from anything: those of two recipients have nothing in common.
    """
    wanted, which = np.unique(np.asarray(entities, np.int64), return_inverse=True)
    known, guids = guids_given(session, recipient_key, project_key)
    missing = np.setdiff1d(wanted, known, assume_unique=True)
    fresh = new_guids(len(missing), random_bytes=random_bytes)
    for piece in pieces(len(missing)):
        rows = zip(missing[piece].tolist(), cut(fresh[piece]), strict=True)
        session.execute(
            insert(RecipientGuid),
            [
                {"recipient_key": recipient_key, "entity_key": entity, "guid": guid, "issued_at": now}
                for entity, guid in rows
            ],
        )
    entity, guids = np.concatenate([known, missing]), np.concatenate([guids, fresh])
    order = np.argsort(entity)
    at: Guids = guids[order[np.searchsorted(entity[order], wanted)]][which]
    return at
