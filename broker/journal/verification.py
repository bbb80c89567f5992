"""Checking a journal: the chain by itself, and against checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.journal.chain import Fault, Row, check_chain, genesis
from broker.journal.checkpoints import JournalVerifyKey, SignedCheckpoint, signed
from broker.store.tables import Checkpoint, JournalEntry, StoreFact

MOST_FAULTS = 20
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check found.

    Attributes
    ----------
    n_entries : int
    last_hash : str
        Of the last entry, or what stands before the first one.
    n_checkpoints : int
        Checkpoints that fit, the store's own and others.
    covered : int
        Up to this entry the journal is signed.
    signers : tuple of str
        Whose signatures these are, ``pprljournal1...``.
    faults : tuple of Fault
        In the journal's order, at most `MOST_FAULTS`; none where all is as it was written.
    """

    n_entries: int
    last_hash: str
    n_checkpoints: int
    covered: int
    signers: tuple[str, ...]
    faults: tuple[Fault, ...]


def verify(
    session: Session,
    *,
    checkpoints: Iterable[SignedCheckpoint] = (),
    trusted: Collection[JournalVerifyKey] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Check the journal of a store.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.read`: the journal may grow meanwhile.
    checkpoints : iterable of SignedCheckpoint
        From elsewhere. They alone show a journal that was cut, or written anew as a whole together with the
        checkpoints in the store.
    trusted : collection of JournalVerifyKey or None
        Whose signatures count; None counts any that fits.
    advance : callable
        Called with numbers of entries checked.

    Returns
    -------
    Verification
    """
    store_id = session.scalars(select(StoreFact.value).where(StoreFact.name == "store_id")).one()
    own = [signed(row, store_id) for row in session.scalars(select(Checkpoint).order_by(Checkpoint.number))]
    return verify_rows(
        _rows(session, advance),
        store_id,
        own=own,
        others=checkpoints,
        trusted=None if trusted is None else {str(key) for key in trusted},
    )


def verify_rows(
    rows: Iterable[Row],
    store_id: str,
    *,
    own: Iterable[SignedCheckpoint] = (),
    others: Iterable[SignedCheckpoint] = (),
    trusted: Collection[str] | None = None,
) -> Verification:
    """As `verify`, of rows; pure."""
    checkpoints = sorted({*own, *others}, key=lambda checkpoint: checkpoint.n)
    wanted = {checkpoint.n for checkpoint in checkpoints}
    hashes: dict[int, str] = {}
    last = Row(0, "", genesis(store_id))

    def watched() -> Iterator[Row]:
        nonlocal last
        for row in rows:
            if row.number in wanted:
                hashes[row.number] = row.hash
            last = row
            yield row

    faults = list(check_chain(watched(), last.hash))
    good: list[SignedCheckpoint] = []
    for checkpoint in checkpoints:
        fault = _check(checkpoint, store_id, hashes, last.number, trusted, good[-1].n if good else 0)
        if fault is None:
            good.append(checkpoint)
        else:
            faults.append(fault)
    return Verification(
        n_entries=last.number,
        last_hash=last.hash,
        n_checkpoints=len(good),
        covered=good[-1].n if good else 0,
        signers=tuple(sorted({checkpoint.signer for checkpoint in good})),
        faults=tuple(sorted(faults, key=lambda fault: fault.number)[:MOST_FAULTS]),
    )


def _check(
    checkpoint: SignedCheckpoint,
    store_id: str,
    hashes: dict[int, str],
    n_entries: int,
    trusted: Collection[str] | None,
    good_to: int,
) -> Fault | None:
    n = checkpoint.n
    if checkpoint.store != store_id:
        return Fault(0, f"a checkpoint at entry {n} is of another store's journal")
    if trusted is not None and checkpoint.signer not in trusted:
        return Fault(n, f"its checkpoint is signed by {checkpoint.signer}, which is not trusted")
    if not checkpoint.is_signed():
        return Fault(n, "the signature of its checkpoint does not fit")
    if n not in hashes:
        what = "the journal was cut" if n > n_entries else "it is gone"
        first = n_entries + 1 if n > n_entries else n
        return Fault(first, f"{what}: a checkpoint was signed when there were {n} entries")
    if hashes[n] != checkpoint.hash:
        since = f"entry {good_to}" if good_to else "the beginning"
        return Fault(
            good_to + 1,
            f"entries were changed between {since} and entry {n}, whose checkpoint has another hash",
        )
    return None


def _rows(session: Session, advance: Callable[[int], None]) -> Iterator[Row]:
    """All entries; by pages, as a database may hold millions."""
    after = -(2**62)
    while True:
        found = session.execute(
            select(JournalEntry.number, JournalEntry.body, JournalEntry.hash)
            .where(JournalEntry.number > after)
            .order_by(JournalEntry.number)
            .limit(_ROWS_AT_ONCE)
        ).all()
        if not found:
            return
        for row in found:
            yield Row(*row)
        after = found[-1].number
        advance(len(found))
