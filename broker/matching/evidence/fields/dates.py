"""Birth dates: which parts agree, and how two that differ are near each other."""

from __future__ import annotations

import numpy as np

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.column import Column
from broker.matching.evidence.fields.exact import across, same
from pprl.schema import FieldSpec, Schema

_NEAR = 0.74  # Dice coefficient of the digits by place: one or two of eight differ


class DateColumn(Column):
    """A birth date by year, month and day, and by its digits where they differ."""

    _LEVELS = (
        ("missing", 0.0),
        ("nothing agrees", 0.02),
        ("near only", 0.01),
        ("year only", 0.01),
        ("year, rest near", 0.02),
        ("two parts, not the year", 0.02),
        ("two parts, not the year, near", 0.04),
        ("year and one part", 0.02),
        ("year and one part, near", 0.06),
        ("day and month exchanged", 0.03),
        ("all parts agree", 0.75),
        ("known parts agree", 0.015),
        ("a known part disagrees", 0.005),
    )

    def __init__(self, field: FieldSpec, schema: Schema) -> None:
        super().__init__(field, [label for label, _ in self._LEVELS], [m for _, m in self._LEVELS])
        self._schema = schema

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        """See `Column.levels`."""
        name = self.field.name
        parts = [f"{name}:{part}" for part in ("year", "month", "day")]
        year, month, day = (same(left, right, pairs, part) for part in parts)
        near = lv.bits_apart(left, right, pairs, name, name) <= lv.distance_cut(
            self._schema, self.field, _NEAR
        )
        agree = (year == 2).astype(np.int8) + (month == 2) + (day == 2)
        known = (year > 0).astype(np.int8) + (month > 0) + (day > 0)
        crossed = (
            (across(left, right, pairs, parts[1], parts[2]) == 2)
            & (across(left, right, pairs, parts[2], parts[1]) == 2)
            & (year == 2)
        )
        level = np.select(
            [
                known == 0,
                (known < 3) & (agree == known),
                known < 3,
                agree == 3,
                crossed,
                (agree == 2) & (year == 2) & near,
                (agree == 2) & (year == 2),
                (agree == 2) & near,
                agree == 2,
                (year == 2) & near,
                year == 2,
                near,
            ],
            [0, 11, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2],
            default=1,
        )
        return level.astype(np.int8)
