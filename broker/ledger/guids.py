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
from broker.store import Store
from broker.store.tables import Entity, RecipientGuid
from pprl.guid import Guids, RandomBytes, new_guids, stacked


def guids_given(session: Session, recipient_key: int, project_key: int) -> tuple[Keys, Guids]:
    """All GUIDs that a recipient was ever given for entities of a project.

    Returns
    -------
    entity : ndarray of int64, shape (n,)
        Ascending.
    guids : ndarray of uint8, shape (n, 16)
    """
    keys, guids = [np.empty(0, np.int64)], [b""]
    rows = session.connection().execute(  # not by way of the session, which takes twice as long
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
    return np.concatenate(keys), stacked(guids)


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
    wanted = np.unique(np.asarray(entities, np.int64))
    known = guids_given(session, recipient_key, project_key)
    missing = np.setdiff1d(wanted, known[0], assume_unique=True)
    fresh = new_guids(len(missing), random_bytes=random_bytes)
    for piece in pieces(len(missing)):
        _insert(session, recipient_key, missing[piece], fresh[piece], now=now)
    return among(_together(known, (missing, fresh)), entities)


def give_guids(
    store: Store,
    recipient_key: int,
    project_key: int,
    entities: Keys,
    *,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> tuple[Keys, Guids]:
    """As `guids_for`, for so many that others should be able to write in between.

    Parameters
    ----------
    store : Store
        Read in one transaction, written in several short ones: a GUID that was given stays in any case.
    recipient_key, project_key : int
        A party and a project.
    entities : ndarray of int64
        Of the project.
    now : datetime
        With time zone.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    tuple of (Keys, Guids)
        All that the recipient was ever given, as `guids_given` tells it; ask `among` for some of it.

    Raises
    ------
    ConflictError
        Somebody else gave it GUIDs at the same time; do it again.
    """
    with store.read() as session:
        known = guids_given(session, recipient_key, project_key)
    missing = np.setdiff1d(entities, known[0])
    fresh = new_guids(len(missing), random_bytes=random_bytes)
    for piece in pieces(len(missing)):
        with store.begin() as session:
            _insert(session, recipient_key, missing[piece], fresh[piece], now=now)
    return _together(known, (missing, fresh))


def among(given: tuple[Keys, Guids], entities: Keys | Collection[int]) -> Guids:
    """The GUIDs of entities, all of which were given one; repeats allowed."""
    keys, guids = given
    found: Guids = guids[np.searchsorted(keys, np.asarray(entities, np.int64))]
    return found


def _insert(session: Session, recipient_key: int, entities: Keys, guids: Guids, *, now: datetime) -> None:
    session.connection().execute(
        insert(RecipientGuid),
        [
            {"recipient_key": recipient_key, "entity_key": entity, "guid": guid, "issued_at": now}
            for entity, guid in zip(entities.tolist(), cut(guids), strict=True)
        ],
    )


def _together(known: tuple[Keys, Guids], fresh: tuple[Keys, Guids]) -> tuple[Keys, Guids]:
    keys, guids = np.concatenate([known[0], fresh[0]]), np.concatenate([known[1], fresh[1]])
    order = np.argsort(keys)
    return keys[order], guids[order]
