"""How many people two datasets share, told so that it tells of no small number of people.

Whoever learns an overlap knows, or may know, how many people either dataset has; so it is a table of three cells, those
in the left dataset alone, in both, and in the right one alone, with both margins known. If any cell is small, every
other one would give it away by subtraction, and nothing is shown.

Over time, two counts that are each large can differ by a person. So a count that has moved by less than the smallest
count since it was last shown is shown as it was then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session, aliased

from broker.store.tables import LedgerRecord, Permission, Project, ShownOverlap, Use
from pprl.errors import GovernanceError
from pprl.suppression import shown_counts


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many people are where.

    Attributes
    ----------
    left, both, right : int
        In the left dataset alone, in both, in the right one alone.
    """

    left: int
    both: int
    right: int


def show(overlap: Overlap, smallest: int, *, before: Overlap | None = None) -> Overlap | None:
    """What may be shown of an overlap.

    Parameters
    ----------
    overlap : Overlap
        As it is.
    smallest : int
        Counts from 1 to ``smallest - 1`` are shown to nobody; 0 or 1 shows all.
    before : Overlap or None
        What was shown last.

    Returns
    -------
    Overlap or None
        The counts as they are, those shown before, or None where they must be hidden.
    """
    # Two tables, each with its margin: what is small in one of them is hidden, and its neighbour with it.
    tables = ((overlap.left, overlap.both), (overlap.both, overlap.right))
    if any(None in shown_counts(cells, smallest) for cells in tables):
        return None
    # All of a dataset's people in the other one: that would tell of every single one.
    if smallest > 1 and overlap.both and not (overlap.left and overlap.right):
        return None
    if before is not None and overlap != before:
        moves = (
            abs(overlap.left - before.left),
            abs(overlap.both - before.both),
            abs(overlap.right - before.right),
        )
        if any(0 < move < smallest for move in moves):
            return before
    return overlap


def count_overlap(session: Session, permission: Permission) -> Overlap:
    """Count entities of the ledger, the truth; for `show_overlap` and nobody else."""
    n_left, n_right = (
        session.scalar(
            select(func.count(distinct(LedgerRecord.entity_key))).where(LedgerRecord.dataset_key == key)
        )
        for key in (permission.left_key, permission.right_key)
    )
    one, other = aliased(LedgerRecord), aliased(LedgerRecord)
    both = session.scalar(
        select(func.count(distinct(one.entity_key)))
        .join(other, one.entity_key == other.entity_key)
        .where(one.dataset_key == permission.left_key, other.dataset_key == permission.right_key)
    )
    n_both = both or 0
    return Overlap((n_left or 0) - n_both, n_both, (n_right or 0) - n_both)


def show_overlap(session: Session, permission: Permission, *, now: datetime) -> Overlap | None:
    """What may be shown of the overlap that a permission is for, remembered as shown.

    Ask `broker.governance.require` for `Act.SEE_COUNT` before.

    Returns
    -------
    Overlap or None
        None: a count is too small.

    Raises
    ------
    GovernanceError
        The permission is not for counts.
    """
    if permission.use is not Use.COUNT:
        raise GovernanceError("this permission is not for counts")
    project = session.get_one(Project, permission.project_key)
    row = session.get(ShownOverlap, (permission.left_key, permission.right_key))
    before = None if row is None else Overlap(row.n_left, row.n_both, row.n_right)
    shown = show(count_overlap(session, permission), project.smallest_count, before=before)
    if shown is None or shown == before:
        return shown
    if row is None:
        row = ShownOverlap(left_key=permission.left_key, right_key=permission.right_key)
        session.add(row)
    row.n_left, row.n_both, row.n_right, row.shown_at = shown.left, shown.both, shown.right, now
    return shown
