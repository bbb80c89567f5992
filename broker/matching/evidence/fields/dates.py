"""Birth dates: which parts agree, how two that differ are near each other, and how common one is that agrees.

Dates heap. Whoever does not know the day is given the first of January, a form sends its default, a register has all
that came on one day as born on it. Two records that share such a date share little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.column import Column, Counts
from broker.matching.evidence.fields.exact import across, same
from broker.matching.evidence.model import Floats
from pprl.schema import FieldSpec, Schema

_NEAR = 0.74  # Dice coefficient of the digits by place: one or two of eight differ
_COMMON_BITS = (6, 8, 10)
"""A common date is one that another record of the dataset has with a chance of 1 in 64, 256 or 1,024 or more."""
_LEAST_OTHERS = 5  # that have it as well, for a date to be common: fewer are born on one day by chance
_WHOLE = np.array([10, 14, 15, 16])
"""Levels of a date that agrees whole: one that is not common, and the common ones from the rarest."""
_AGREE_SHARE = 0.75
_LEAST_SHARE, _LEAST_U = 1e-4, 1e-9


class DateColumn(Column):
    """A birth date by year, month and day, by its digits where they differ, and by how common it is where it agrees.

    Parameters
    ----------
    field : FieldSpec
    schema : Schema
    datasets : tuple of Dataset
        Those compared, in each of which dates are counted.
    """

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
        ("all parts agree", _AGREE_SHARE),
        ("the year agrees, the rest not known", 0.003),
        ("known parts agree", 0.012),
        ("a known part disagrees", 0.005),
    )

    def __init__(self, field: FieldSpec, schema: Schema, datasets: tuple[Dataset, ...]) -> None:
        self._schema = schema
        self._bins: dict[str, npt.NDArray[np.uint8]] = {}
        n_records, n_pairs = np.zeros((2, len(_COMMON_BITS) + 1))
        for dataset in datasets:
            common, others = _how_common(dataset, field)
            self._bins[dataset.name] = common
            n_records += np.bincount(common, minlength=len(n_records))
            n_pairs += np.bincount(common, others, len(n_pairs))
        n_possible = sum(len(dataset) * (len(dataset) - 1) for dataset in datasets)
        self._u = np.maximum(n_pairs[1:] / max(n_possible, 1), _LEAST_U)
        share = np.maximum(n_records / max(n_records.sum(), 1), _LEAST_SHARE)
        common_labels = [f"all parts agree, 1 in {2**bits}" for bits in reversed(_COMMON_BITS)]
        m = np.array([share for _, share in self._LEVELS] + [_AGREE_SHARE] * len(_COMMON_BITS))
        m[_WHOLE] *= share
        super().__init__(field, [*(label for label, _ in self._LEVELS), *common_labels], m)

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
        whole = _WHOLE[left.derived[f"common:{name}"][pairs.left]]
        level = np.select(
            [
                known == 0,
                (known == 1) & (year == 2),
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
            [0, 11, 12, 13, whole, 9, 8, 7, 6, 5, 4, 3, 2],
            default=1,
        )
        return level.astype(np.int8)

    def derive(self, dataset: Dataset) -> dict[str, npt.NDArray[np.uint8]]:
        """How common each record's date is."""
        return {f"common:{self.field.name}": self._bins[dataset.name]}

    def u(self, counts: Counts) -> Floats:
        """See `Column.u`; of common dates it is known from how often they are."""
        u = super().u(counts)
        u[len(self._LEVELS) :] = self._u
        return u


def _how_common(dataset: Dataset, field: FieldSpec) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """How common each record's date is, 0 to 3, and how many others of the dataset have it; shape (records,)."""
    year, month, day = (dataset.exact[f"{field.name}:{part}"] for part in ("year", "month", "day"))
    whole = (year != 0) & (month != 0) & (day != 0)
    codes = lv.joint_codes(lv.joint_codes(year[whole], month[whole]), day[whole])
    _, of_record, counts = np.unique(codes, return_inverse=True, return_counts=True)
    others = np.zeros(len(dataset), dtype=np.int64)
    others[whole] = counts[of_record] - 1
    share = others / max(int(whole.sum()) - 1, 1)
    common = np.zeros(len(dataset), dtype=np.uint8)
    for bits in _COMMON_BITS:
        common += (others >= _LEAST_OTHERS) & (share >= 2.0**-bits)
    return common, others
