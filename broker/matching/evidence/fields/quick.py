"""The quick look at all pairs: a rough weight from the filters alone, which says what is worth a comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs, Rows
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.model import Feature
from pprl import similarity
from pprl.schema import FieldSpec, Schema

_KEPT_PER_RECORD = 10
_SHARES = (
    0.0,
    0.35,
    0.7,
)  # of what an equal value weighs, for those with at least a Dice coefficient of DICE_CUTS
_TYPICAL, _DIFFERENT = 4.0, -2.0  # nats


class QuickLook:
    """Finds the pairs of two prepared datasets that weigh enough.

    Parameters
    ----------
    schema : Schema
    fields : sequence of FieldSpec
        Those looked at, all with a filter.
    features : tuple of Feature
        For what an equal value weighs.
    """

    def __init__(self, schema: Schema, fields: Sequence[FieldSpec], features: tuple[Feature, ...]) -> None:
        self.fields = tuple(fields)
        self._tables = np.zeros((len(fields), schema.filter.n_bits + 1), dtype=np.float32)
        for table, field in zip(self._tables, fields, strict=True):
            equal = [f.prior for f in features if f.part == field.name and f.label.startswith("equal")]
            typical = float(np.median(equal)) if equal else _TYPICAL
            table[:] = _DIFFERENT
            for dice, share in zip(lv.DICE_CUTS, _SHARES, strict=True):
                table[: lv.distance_cut(schema, field, dice) + 1] = share * typical
            table[0] = typical
        self._min_weight = 0.0

    def expect(self, datasets: tuple[Dataset, ...], strangers: Sequence[Pairs]) -> None:
        """Set the least weight to what about 10 strangers per record reach, by random pairs within each dataset."""
        scores = []
        for dataset, pairs in zip(datasets, strangers, strict=True):
            score = np.zeros(len(pairs), dtype=np.float32)
            for table, field in zip(self._tables, self.fields, strict=True):
                distance = lv.bits_apart(dataset, dataset, pairs, field.name, field.name)
                there = distance < len(table)
                score[there] += table[distance[there]]
            scores.append(score)
        n_rows = [len(dataset) for dataset in datasets]
        share = min(_KEPT_PER_RECORD * sum(n_rows) / max(n_rows[0] * n_rows[-1], 1), 0.5)
        pooled = np.concatenate(scores)
        self._min_weight = float(np.quantile(pooled, 1 - share)) if len(pooled) else 0.0

    @property
    def fingerprint(self) -> str:
        """Of all that decides whether two records are near."""
        names = "\n".join(field.name for field in self.fields)
        content = [names.encode(), self._tables.tobytes(), np.float64(self._min_weight).tobytes()]
        return hashlib.sha256(b"".join(content)).hexdigest()

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

    def _stack(self, dataset: Dataset) -> npt.NDArray[np.uint64]:
        return np.ascontiguousarray(np.stack([dataset.filters[field.name] for field in self.fields]))

    def _present(self, dataset: Dataset) -> npt.NDArray[np.bool_]:
        return np.stack([lv.has_filter(dataset, field.name) for field in self.fields])
