"""Many rows at once, between numpy arrays and the store's database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.ledger.carry import Keys
from broker.ledger.rows import DIGEST_BYTES, Digests, Rows
from broker.store.tables import Dataset, Entity, LedgerRecord
from pprl.guid import Guids, stacked

ROWS_AT_ONCE = 20_000
NAMED_AT_ONCE = 5_000
"""Values in an ``IN``; SQLite takes some 32,000 parameters."""


@dataclass(frozen=True, slots=True)
class Held:
    """A dataset's records in the ledger.

    Attributes
    ----------
    guids : ndarray of uint8, shape (n, 16)
        Ascending.
    digests : ndarray of uint8, shape (n, 32)
    entity : ndarray of int64, shape (n,)
    """

    guids: Guids
    digests: Digests
    entity: Keys


def read_records(session: Session, dataset_key: int) -> Held:
    """All records that the ledger holds of a dataset."""
    guids, digests, entities = [b""], [b""], [np.empty(0, np.int64)]
    rows = session.connection().execute(  # not by way of the session, which takes twice as long
        select(LedgerRecord.guid, LedgerRecord.row_digest, LedgerRecord.entity_key)
        .where(LedgerRecord.dataset_key == dataset_key)
        .order_by(LedgerRecord.guid),
        execution_options={"yield_per": ROWS_AT_ONCE},
    )
    for part in rows.partitions():
        guid, digest, entity = zip(*part, strict=True)
        guids.append(b"".join(guid))
        digests.append(b"".join(digest))
        entities.append(np.array(entity, np.int64))
    return Held(
        stacked(guids),
        np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES),
        np.concatenate(entities),
    )


def datasets_held(session: Session, project_key: int) -> dict[int, str]:
    """Key and name of the datasets of which the ledger holds records, in the order of their keys."""
    rows = session.execute(
        select(Dataset.key, Dataset.name)
        .where(
            Dataset.project_key == project_key,
            select(LedgerRecord.guid).where(LedgerRecord.dataset_key == Dataset.key).exists(),
        )
        .order_by(Dataset.key)
    )
    return {row.key: row.name for row in rows}


def living_entities(session: Session, project_key: int) -> Keys:
    """Keys of the project's entities that have not ended, ascending."""
    return _keys(
        session.scalars(
            select(Entity.key)
            .where(Entity.project_key == project_key, Entity.ended_at.is_(None))
            .order_by(Entity.key),
            execution_options={"yield_per": ROWS_AT_ONCE},
        )
    )


def _keys(values: Iterable[int]) -> Keys:
    return np.fromiter(values, np.int64)


def cut(values: Guids | Digests, rows: Rows | None = None) -> list[bytes]:
    """Rows of bytes as Python has them."""
    some = values if rows is None else values[rows]
    raw, width = np.ascontiguousarray(some).tobytes(), some.shape[1]
    return [raw[at : at + width] for at in range(0, len(raw), width)]


def pieces(n: int, size: int = ROWS_AT_ONCE) -> Iterator[slice]:
    """Cut ``n`` rows into pieces."""
    for start in range(0, n, size):
        yield slice(start, start + size)


def named(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Values for ``IN``, some at a time."""
    for piece in pieces(len(values), NAMED_AT_ONCE):
        yield values[piece]
