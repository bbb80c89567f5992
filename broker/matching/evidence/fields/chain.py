"""Parts of an address that depend on another part: what they say is weighed given whether that one is equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.column import Column, Counts
from broker.matching.evidence.model import Floats
from pprl.schema import FieldSpec, Kind, Schema

CHAINED = (Kind.CITY, Kind.STREET)

_LABELS = (*lv.LABELS[1 : lv.EQUAL], "equal")
_STATES = ("different", "alike", "equal")  # of the condition
_N_LEVELS = len(_LABELS)  # in each state of the condition


def condition_of(field: FieldSpec, compared: Sequence[FieldSpec]) -> FieldSpec | None:
    """The field that an address part depends on: the postcode, or else the city."""
    if field.kind not in CHAINED:
        return None
    for kind in (Kind.POSTCODE, Kind.CITY):
        for other in compared:
            if other.kind is kind and other is not field and other.n_hashes:
                return other
    return None


class ChainedColumn(Column):
    """A city or a street by similarity, in three contexts: the condition is equal, alike, or neither.

    Parameters
    ----------
    field, condition : FieldSpec
        The part, and the one that it depends on.
    schema : Schema
    """

    def __init__(self, field: FieldSpec, condition: FieldSpec, schema: Schema) -> None:
        states = [f"{condition.name} {state}" for state in _STATES]
        super().__init__(
            field,
            ("missing", *(f"{label}, {state}" for state in states for label in _LABELS)),
            (0.0, *len(_STATES) * lv.M_PRIOR),
        )
        self._condition, self._schema = condition, schema

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        """See `Column.levels`."""
        level = lv.similarity_levels(self._schema, self.field, left, right, pairs, by_rarity=False)
        distance = lv.bits_apart(left, right, pairs, self._condition.name, self._condition.name)
        alike = distance <= lv.distance_cut(self._schema, self._condition, lv.DICE_CUTS[-1])
        state = alike.astype(np.int8) + (distance == 0)
        return np.where(level > 0, level + _N_LEVELS * state, level).astype(np.int8)

    def u(self, counts: Counts) -> Floats:
        """See `Column.u`; within each context, as m is."""
        u = np.ones(len(counts))
        for first in range(1, len(counts), _N_LEVELS):
            seen = counts[first : first + _N_LEVELS]
            u[first : first + _N_LEVELS] = (seen + 0.3) / max(seen.sum() + 0.3 * _N_LEVELS, 1)
        return u
