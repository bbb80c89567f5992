"""Which entity each group of a new run is: the rule by which identities last.

A run groups the records of a project; the ledger knows in which entity each of them was before. Every pair of an
earlier entity and a group that share records is an *overlap*. Overlaps are gone through from the largest to the
smallest, of equally large ones that of the older entity first, and of equal ones of one entity that with the first
record; where neither the entity nor the group is taken yet, the group *is* the entity from now on. So an entity goes on
living in the group that has most of its records, unless that group has more of another one. Which number a run gave to
a group plays no part, nor in which order groups come.

What is left over: a group without earlier entity is a new one; an earlier entity without group has ended. It was
*merged* where all that is left of it is in one group, *split* where it is in several, *emptied* where nothing is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NEW = 0
"""In place of an entity: none yet. Keys of entities begin at 1."""

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of entities and groups.

    Attributes
    ----------
    identity : ndarray of int64, shape (groups,)
        The earlier entity that each group is, or `NEW`.
    moved_from, moved_to, n_moved : ndarray of int64, shape (moves,)
        Overlaps whose group is not their entity: the entity, the group, and how many records went over; in the order of
        the entities, then of their first records.
    ended : ndarray of int64
        Entities that are no group any more, ascending.
    emptied : ndarray of int64
        Those of them that have no record left, ascending.
    """

    identity: Keys
    moved_from: Keys
    moved_to: Keys
    n_moved: Keys
    ended: Keys
    emptied: Keys

    @property
    def merged(self) -> npt.NDArray[np.bool_]:
        """Of each move, whether it is the only one of an entity that ended: it was merged, not split."""
        _, which, n_parts = np.unique(self.moved_from, return_inverse=True, return_counts=True)
        merged: npt.NDArray[np.bool_] = np.isin(self.moved_from, self.ended) & (n_parts[which] == 1)
        return merged


def carry_over(before: Keys, group: Keys, living: Keys) -> Carried:
    """Carry the identities of entities over to the groups of a run.

    Parameters
    ----------
    before : ndarray of int64, shape (n,)
        Of each record, the entity it was in, or `NEW` where it was not there; the smaller key is the older entity.
        Records are in an order that is theirs, such as that of dataset and GUID.
    group : ndarray of int64, shape (n,)
        Of each record, its group now: 0, 1, ... without gaps.
    living : ndarray of int64
        All entities that lived before, those of records that are gone included; ascending.

    Returns
    -------
    Carried
    """
    n_groups = int(group.max()) + 1 if len(group) else 0
    known = np.flatnonzero(before != NEW)
    entity_of = np.searchsorted(living, before[known])
    overlap, first, n_records = np.unique(
        entity_of * max(n_groups, 1) + group[known], return_index=True, return_counts=True
    )
    entity, to = np.divmod(overlap, max(n_groups, 1))
    entity_taken = np.zeros(len(living), np.bool_)
    identity = np.full(n_groups, NEW, np.int64)
    # Nearly all entities have one group that has no other entity: nothing to decide there.
    alone = (np.bincount(entity, minlength=len(living))[entity] == 1) & (
        np.bincount(to, minlength=n_groups)[to] == 1
    )
    identity[to[alone]] = living[entity[alone]]
    entity_taken[entity[alone]] = True
    contested = np.flatnonzero(~alone)
    order = np.lexsort((first[contested], entity[contested], -n_records[contested]))
    for at in contested[order].tolist():
        if not entity_taken[entity[at]] and identity[to[at]] == NEW:
            entity_taken[entity[at]] = True
            identity[to[at]] = living[entity[at]]
    moves = np.flatnonzero(identity[to] != living[entity])
    moves = moves[np.lexsort((first[moves], entity[moves]))]
    has_records = np.zeros(len(living), np.bool_)
    has_records[entity] = True
    return Carried(
        identity=identity,
        moved_from=living[entity[moves]],
        moved_to=to[moves],
        n_moved=n_records[moves].astype(np.int64),
        ended=living[~entity_taken],
        emptied=living[~has_records],
    )
