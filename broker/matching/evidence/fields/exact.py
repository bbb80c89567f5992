"""Categories, and whatever else is known by an exact token alone."""

from __future__ import annotations

import numpy as np

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence.fields.column import Column
from broker.matching.evidence.levels import Levels
from pprl.schema import FieldSpec


class CategoryColumn(Column):
    """A value compared whole: it agrees or it does not."""

    def __init__(self, field: FieldSpec) -> None:
        super().__init__(field, ("missing", "disagree", "agree"), (0.0, 0.05, 0.95))

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> Levels:
        """See `Column.levels`."""
        return same(left, right, pairs, f"{self.field.name}:value")


def same(left: Dataset, right: Dataset, pairs: Pairs, token: str) -> Levels:
    """Of the exact token of this name: 0 a side is missing, 1 they differ, 2 they are equal."""
    return across(left, right, pairs, token, token)


def across(left: Dataset, right: Dataset, pairs: Pairs, one: str, two: str) -> Levels:
    """As `same`, of the left record's token ``one`` and the right record's token ``two``."""
    a, b = left.exact[one][pairs.left], right.exact[two][pairs.right]
    return np.where((a == 0) | (b == 0), 0, np.where(a == b, 2, 1)).astype(np.int8)
