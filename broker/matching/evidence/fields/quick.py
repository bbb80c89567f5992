"""The quick look at all pairs: a rough weight from the filters alone, which says what is worth a comparison.

What equal values weigh depends on how frequent they are, and the least weight on a sample, so both move a little with
every record that comes or goes. A pair that weighs w by one look weighs at least w - d by another, where d is the sum
of what each field may weigh less. So if the other's least weight is lower by d, it finds all that the first one does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Flags, Pairs, Rows
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.model import Feature, Nearness, Reach
from pprl import similarity
from pprl.schema import FieldSpec, Schema

_KEPT_PER_RECORD = 10
_SHARES = (
    0.0,
    0.35,
    0.7,
)  # of what an equal value weighs, for those with at least a Dice coefficient of DICE_CUTS
_TYPICAL, _DIFFERENT = 4.0, -2.0  # nats
_SPREAD = 1.7  # nats to a log odds of being near: rare values weigh more than typical ones, like ones less
_ROOM = 1.5  # nats, by which a look that is to serve later ones reaches farther
_MOST_ROOM = 3.0  # nats: what reaches farther than that finds too much
_ROUNDING = 1e-3  # nats, more than sums of float32 are off


class QuickLook:
    """Finds the pairs of two prepared datasets that weigh enough.

    Parameters
    ----------
    schema : Schema
    fields : sequence of FieldSpec
        Those looked at, all with a filter.
    typical : sequence of float
        What an equal value weighs in each, in nats.
    min_weight : float
        In nats.
    """

    def __init__(
        self, schema: Schema, fields: Sequence[FieldSpec], typical: Sequence[float], min_weight: float = 0.0
    ) -> None:
        self.fields = tuple(fields)
        self._schema, self._typical, self._min_weight = schema, tuple(typical), min_weight
        self._tables = np.zeros((len(fields), schema.filter.n_bits + 1), dtype=np.float32)
        for table, field, weight in zip(self._tables, fields, typical, strict=True):
            table[:] = _DIFFERENT
            for dice, share in zip(lv.DICE_CUTS, _SHARES, strict=True):
                table[: lv.distance_cut(schema, field, dice) + 1] = share * weight
            table[0] = weight

    @classmethod
    def by_features(
        cls, schema: Schema, fields: Sequence[FieldSpec], features: tuple[Feature, ...]
    ) -> QuickLook:
        """The look in which an equal value weighs what it typically does without data."""
        equal = [
            [f.prior for f in features if f.part == field.name and f.label.startswith("equal")]
            for field in fields
        ]
        return cls(schema, fields, [float(np.median(weights)) if weights else _TYPICAL for weights in equal])

    def expect(self, datasets: tuple[Dataset, ...], strangers: Sequence[Pairs]) -> None:
        """Set the least weight to what about 10 strangers per record reach, by random pairs within each dataset."""
        scores = [
            self._weights(dataset, dataset, pairs) for dataset, pairs in zip(datasets, strangers, strict=True)
        ]
        n_rows = [len(dataset) for dataset in datasets]
        share = min(_KEPT_PER_RECORD * sum(n_rows) / max(n_rows[0] * n_rows[-1], 1), 0.5)
        pooled = np.concatenate(scores)
        self._min_weight = float(np.quantile(pooled, 1 - share)) if len(pooled) else 0.0

    @property
    def reach(self) -> Reach:
        """The least weight, and what an equal value of each field weighs; of fields of one schema."""
        weights = {field.name: weight for field, weight in zip(self.fields, self._typical, strict=True)}
        return json.dumps({"least": self._min_weight, "equal": weights})

    @property
    def nearness(self) -> Nearness:
        """Log odds that two records are near, by what an equal and a different value typically weigh."""
        agreeing = sum(self._typical) - self._min_weight
        taken = {
            field.name: (weight - _DIFFERENT) / _SPREAD
            for field, weight in zip(self.fields, self._typical, strict=True)
        }
        return Nearness(agreeing / _SPREAD, taken)

    def reaching(self, reach: Reach) -> QuickLook | None:
        """The look of another reach, if it finds all that this one does, and not too much more; else None."""
        other = json.loads(str(reach))
        if list(other["equal"]) != [field.name for field in self.fields]:
            return None
        typical, least = list(other["equal"].values()), float(other["least"])
        less = sum(max(mine - theirs, 0.0) for mine, theirs in zip(self._typical, typical, strict=True))
        room = self._min_weight - least
        if reach != self.reach and not less + _ROUNDING <= room <= _MOST_ROOM:
            return None
        return QuickLook(self._schema, self.fields, typical, least)

    def farther(self) -> QuickLook:
        """One with room for the weights to move."""
        return QuickLook(self._schema, self.fields, self._typical, self._min_weight - _ROOM)

    def near(self, left: Dataset, right: Dataset, *, n_threads: int | None) -> tuple[Rows, Rows]:
        """Rows of all pairs that weigh enough."""
        return similarity.within_weighted(
            self._stack(left),
            self._stack(right),
            left_present=self._present(left),
            right_present=self._present(right),
            weights=self._tables,
            min_weight=self._min_weight,
            n_threads=n_threads,
        )

    def near_among(self, left: Dataset, right: Dataset, pairs: Pairs) -> Flags:
        """Which of listed pairs weigh enough."""
        weights: npt.NDArray[np.float64] = self._weights(left, right, pairs).astype(np.float64)
        return weights >= self._min_weight

    def _weights(self, left: Dataset, right: Dataset, pairs: Pairs) -> npt.NDArray[np.float32]:
        """Weights of listed pairs, as `pprl.similarity.within_weighted` has them; shape (pairs,)."""
        weights = np.zeros(len(pairs), dtype=np.float32)
        for table, field in zip(self._tables, self.fields, strict=True):
            distance = lv.bits_apart(left, right, pairs, field.name, field.name)
            there = distance < len(table)
            weights[there] += table[distance[there]]
        return weights

    def _stack(self, dataset: Dataset) -> npt.NDArray[np.uint64]:
        return np.ascontiguousarray(np.stack([dataset.filters[field.name] for field in self.fields]))

    def _present(self, dataset: Dataset) -> npt.NDArray[np.bool_]:
        return np.stack([lv.has_filter(dataset, field.name) for field in self.fields])
