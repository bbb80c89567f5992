"""Who lives with whom, how old they are and of which sex: the households of one block.

Types of household and the ages in them follow the shape of the American Community Survey, rounded; they are
set by judgement, not fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.population.chance import Bools, Dice, Floats, Ints, curve, pick
from benchmarks.population.tables import FEMALE, MALE

TODAY: Final = 19_723
"""2024-01-01, in days since 1970: the day the population is as it is."""

DAYS_PER_YEAR: Final = 365.2425

NEVER: Final = -(10**6)
"""The day of what did not happen."""

HEAD, PARTNER, CHILD, ELDER, FLATMATE = range(5)
ALONE, COUPLE, PARENTS, SINGLE_PARENT, GENERATIONS, SHARED = range(6)

_SHARES = (0.28, 0.29, 0.20, 0.09, 0.05, 0.09)
_CHILD_SHARES = (0.38, 0.38, 0.16, 0.06, 0.02)
_HEAD_AGES = {
    ALONE: [(0, 19.0), (0.15, 26.0), (0.35, 40.0), (0.6, 60.0), (0.85, 77.0), (1, 99.0)],
    COUPLE: [(0, 20.0), (0.15, 29.0), (0.35, 50.0), (0.7, 66.0), (0.9, 78.0), (1, 97.0)],
    PARENTS: [(0, 21.0), (0.1, 30.0), (0.5, 41.0), (0.9, 52.0), (1, 64.0)],
    SINGLE_PARENT: [(0, 19.0), (0.15, 28.0), (0.5, 39.0), (0.9, 50.0), (1, 62.0)],
    GENERATIONS: [(0, 24.0), (0.5, 42.0), (1, 62.0)],
    SHARED: [(0, 18.0), (0.5, 25.0), (0.8, 34.0), (1, 78.0)],
}
_TWINS = 0.045  # of households with two children or more


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in which household; arrays of one length.

    Attributes
    ----------
    household, kind : int64[n]
        Number of the household in the block, and its type.
    role, rank : int64[n]
        What the person is in it, and which of those, from 0.
    head, partner : int64[n]
        Places of the head and the head's partner in the arrays; the head's twice where there is no partner.
    """

    household: Ints
    kind: Ints
    role: Ints
    rank: Ints
    head: Ints
    partner: Ints

    @property
    def has_partner(self) -> Bools:
        """Where the household has a couple at its head."""
        result: Bools = self.partner != self.head
        return result


def members_of_block(dice: Dice) -> Members:
    """Draw households until the block is full; the last one may be cut."""
    n = dice.n
    kind = pick(dice("household"), _SHARES)
    has_partner = np.isin(kind, (COUPLE, PARENTS)) | ((kind == GENERATIONS) & (dice("partner") < 0.7))
    has_children = np.isin(kind, (PARENTS, SINGLE_PARENT, GENERATIONS))
    n_children = np.where(has_children, 1 + pick(dice("children"), _CHILD_SHARES), 0)
    n_elders = np.where(kind == GENERATIONS, 1 + (dice("elders") < 0.3), 0)
    n_flatmates = np.where(kind == SHARED, 1 + (dice("flatmates") * 2.2).astype(np.int64), 0)
    counts = np.stack([np.ones(n, dtype=np.int64), has_partner, n_children, n_elders, n_flatmates], axis=1)
    # whole households up to the one that fills the block, of which the last ones may be left away
    n_households = int(np.searchsorted(np.cumsum(counts.sum(axis=1)), n)) + 1
    counts = counts[:n_households].astype(np.int64)
    cells = counts.reshape(-1)
    cell = np.repeat(np.arange(len(cells)), cells)[:n]
    household, role = np.divmod(cell, counts.shape[1])
    starts = np.cumsum(cells) - cells
    head = starts[household * counts.shape[1]]
    partner = np.where((counts[household, PARTNER] > 0) & (head + 1 < n), head + 1, head)
    return Members(
        household=household,
        role=role,
        rank=np.arange(n) - starts[cell],
        kind=kind[household],
        head=head,
        partner=partner,
    )


def sexes(members: Members, dice: Dice) -> Ints:
    """Return the sexes (`FEMALE`, `MALE`) of all."""
    uniform = dice("sex")
    share_female = np.select(
        [members.role == CHILD, members.role == ELDER, members.kind == SINGLE_PARENT, members.kind == ALONE],
        [0.488, 0.68, 0.78, 0.55],
        default=0.5,
    )
    sex = np.where(uniform < share_female, FEMALE, MALE)
    same = dice("same sex") < 0.015
    return np.where(members.role == PARTNER, np.where(same, sex[members.head], 1 - sex[members.head]), sex)


def ages(members: Members, dice: Dice) -> Floats:
    """Return ages in years, with fractions."""
    uniform, other = dice("age"), dice("age again")
    head_uniform = uniform[members.head]
    head = np.select(
        [members.kind == kind for kind in _HEAD_AGES],
        [curve(points, head_uniform) for points in _HEAD_AGES.values()],
    )
    gap = curve([(0, -14.0), (0.1, -5.0), (0.5, -0.5), (0.8, 3.0), (1, 16.0)], uniform)
    partner = _between(head + gap, 18.0, 100.0)
    # children are younger than the younger parent by 17 years and more, and come one after the other
    youngest_parent = np.minimum(head, partner[members.partner])
    oldest = np.where(head_uniform > 0.9, 31.0, 20.0)
    share = curve([(0, 0.0), (0.2, 0.35), (0.6, 0.75), (1, 1.0)], other[members.head])
    eldest = share * np.minimum(youngest_parent - 17.0, oldest)
    n_children = np.bincount(members.household, weights=members.role == CHILD)[members.household]
    child = eldest * (1.0 - (members.rank - 0.7 * uniform * (members.rank > 0)) / np.maximum(n_children, 1.0))
    twins = dice("twins")[members.head] < _TWINS
    child = np.where((members.rank == 1) & twins, eldest, child)
    elder = _between(head + curve([(0, 17.0), (0.5, 27.0), (1, 42.0)], uniform), 38.0, 103.0)
    flatmate = _between(head + curve([(0, -8.0), (0.5, 0.0), (1, 10.0)], uniform), 18.0, 95.0)
    return np.select(
        [members.role == role for role in (HEAD, PARTNER, CHILD, ELDER, FLATMATE)],
        [head, partner, child, elder, flatmate],
    )


def _between(age: Floats, lowest: float, highest: float) -> Floats:
    """Fold ages back into a range, so that none piles up at its ends."""
    age = np.where(age < lowest, 2 * lowest - age, age)
    return np.where(age > highest, 2 * highest - age, age)


def parents(members: Members, sex: Ints) -> tuple[Ints, Ints]:
    """Return for everybody the places of the household's father and mother, -1 where there is none."""
    father = np.where(sex[members.head] == MALE, members.head, -1)
    mother = np.where(sex[members.head] == FEMALE, members.head, -1)
    partner_sex = np.where(members.has_partner, sex[members.partner], -1)
    father = np.where((father < 0) & (partner_sex == MALE), members.partner, father)
    mother = np.where((mother < 0) & (partner_sex == FEMALE), members.partner, mother)
    return father, mother
