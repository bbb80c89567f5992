"""What the ledger has for a recipient now: its rows, and what became of GUIDs it was given."""

from __future__ import annotations

import os
from datetime import datetime

import numpy as np

from broker.ledger.bulk import read_records
from broker.ledger.carry import Keys
from broker.ledger.guids import among, give_guids
from broker.ledger.history import History, read_history
from broker.releases.scope import Scope
from broker.store import Store
from broker.store.tables import Party, Project
from pprl.guid import GUID_BYTES, Guids, RandomBytes, as_values, stacked
from pprl.release.table import Content, MatchTable, match_table, superseded


def content_for(
    store: Store,
    project: Project,
    recipient: Party,
    scope: Scope,
    previous: Content,
    *,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> tuple[Content, int]:
    """Make a recipient's content; entities that it does not know yet are given GUIDs.

    Parameters
    ----------
    store : Store
        Read in one transaction; GUIDs are given in others, since they stay in any case.
    project : Project
        Whose ledger.
    recipient : Party
        Whom it is for.
    scope : Scope
        What it may be shown.
    previous : Content
        After its last release.
    now : datetime
        With time zone.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    content : Content
    n_withheld : int
        Records of a site that are not shown: further ones of a person in a dataset that it may not deduplicate.
    """
    rows = [np.empty((0, GUID_BYTES), np.uint8)]
    entities, numbers, n_withheld = [np.empty(0, np.int64)], [np.empty(0, np.int32)], 0
    with store.read() as session:
        for number, dataset in enumerate(scope.datasets):
            held = read_records(session, dataset.key)
            row, entity = held.guids, held.entity
            if scope.row_kind == "subject":
                entity = np.unique(entity)
                row = rows[0]  # from the site's GUIDs, below
            elif dataset.key not in scope.deduplicated:
                first = np.sort(
                    np.unique(entity, return_index=True)[1]
                )  # rows ascend: the one of the lowest GUID
                n_withheld += len(entity) - len(first)
                row, entity = row[first], entity[first]
            rows.append(row)
            entities.append(entity)
            numbers.append(np.full(len(entity), number, np.int32))
        history = read_history(session, project.key)
    if scope.row_kind == "subject":
        rows = [rows[0]]
        for dataset, entity in zip(scope.datasets, entities[1:], strict=True):
            given = give_guids(
                store, dataset.site_key, project.key, entity, now=now, random_bytes=random_bytes
            )
            rows.append(among(given, entity))
    entity = np.concatenate(entities)
    known = give_guids(store, recipient.key, project.key, entity, now=now, random_bytes=random_bytes)
    table = match_table(
        scope.row_kind,
        [dataset.name for dataset in scope.datasets],
        among(known, entity),
        np.concatenate(numbers),
        np.concatenate(rows),
    )
    return Content(table, superseded(*_answers(previous, table, known, history))), n_withheld


def _answers(
    previous: Content, table: MatchTable, known: tuple[Keys, Guids], history: History
) -> tuple[Guids, Guids]:
    """Of each GUID that the recipient had and has no more, those that took its place; zeros where nothing did."""
    current = as_values(table.entity)
    before = np.unique(
        np.concatenate([as_values(previous.table.entity), as_values(previous.superseded.previous)])
    )
    gone = before[np.isin(before, current, invert=True)]
    keys, guids = known
    order = np.argsort(as_values(guids))
    if not len(gone):
        return stacked([]), stacked([])
    gone_keys = keys[order[np.searchsorted(as_values(guids), gone, sorter=order)]].tolist()
    is_current = np.isin(as_values(guids), current)
    guid_of = {
        key: guid.tobytes() for key, guid in zip(keys[is_current].tolist(), guids[is_current], strict=True)
    }
    old: list[bytes] = []
    new: list[bytes] = []
    for guid, key in zip(gone.tolist(), gone_keys, strict=True):
        successors = [guid_of[one] for one in history.current(key) if one in guid_of]
        for successor in successors or [bytes(GUID_BYTES)]:
            old.append(guid.ljust(GUID_BYTES, b"\0"))
            new.append(successor)
    return stacked(old), stacked(new)
