"""Values that may be alike: by similarity, and an equal value by its rarity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.column import Column, Counts
from broker.matching.evidence.model import Floats
from pprl.schema import FieldSpec, Schema

_N_BINS = len(lv.RARITY_BINS)
_LEAST_U = 1e-7


class SimilarityColumn(Column):
    """One filter compared with the other; u of an equal value is known from the frequencies of the values.

    Parameters
    ----------
    field : FieldSpec
    schema : Schema
    datasets : tuple of Dataset
        Those over which frequencies are pooled.
    more : tuple of (str, float)
        Further levels behind the equal ones: labels, and default m.
    """

    def __init__(
        self,
        field: FieldSpec,
        schema: Schema,
        datasets: tuple[Dataset, ...],
        more: tuple[tuple[str, float], ...] = (),
    ) -> None:
        self._schema = schema
        self._rarity = lv.Rarity.count(datasets, field.name)
        *alike, equal = lv.M_PRIOR
        super().__init__(
            field,
            (*lv.LABELS, *(label for label, _ in more)),
            (0.0, *alike, *(equal * np.maximum(self._rarity.m_share, 1e-3)), *(m for _, m in more)),
        )

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        """See `Column.levels`."""
        return lv.similarity_levels(self._schema, self.field, left, right, pairs, by_rarity=True)

    def derive(self, dataset: Dataset) -> dict[str, npt.NDArray[np.uint8]]:
        """How rare each record's value is."""
        return {f"rarity:{self.field.name}": self._rarity.bins[dataset.name]}

    def u(self, counts: Counts) -> Floats:
        """See `Column.u`."""
        u = super().u(counts)
        u[lv.EQUAL : lv.EQUAL + _N_BINS] = np.maximum(self._rarity.u, _LEAST_U)
        return u
