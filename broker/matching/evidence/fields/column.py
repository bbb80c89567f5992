"""What a column of levels is: one field compared, each outcome with its label and how often matches have it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence.levels import Levels
from broker.matching.evidence.model import Floats, Seen
from pprl.schema import FieldSpec

Counts = npt.NDArray[np.int64]

_LEAST, _MOST = -6.0, 14.0  # nats, of a weight without data


class Column(ABC):
    """One compared field.

    Parameters
    ----------
    field : FieldSpec
    labels : sequence of str
        Of the levels; level 0 is a value missing.
    m : sequence of float
        Default share of the matches at each level.
    part : str, optional
        Of the evidence; the field's name.
    """

    def __init__(
        self,
        field: FieldSpec,
        labels: Sequence[str],
        m: Sequence[float] | Floats,
        *,
        part: str | None = None,
    ) -> None:
        self.field = field
        self.part = field.name if part is None else part
        self.labels = tuple(labels)
        self.m: Floats = np.array(m, dtype=np.float64)

    @abstractmethod
    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> Levels:
        """Levels of listed pairs of two prepared datasets, int8, shape (pairs,)."""

    def derive(self, dataset: Dataset) -> dict[str, npt.NDArray[np.uint8]]:
        """What `levels` needs to know of each record beforehand, for `Dataset.derived`."""
        del dataset
        return {}

    def describe(self, levels: Mapping[str, npt.NDArray[np.int64]]) -> Seen:
        """What the levels say; ``levels`` holds those of every column, by part."""
        return Seen(self.part, self.labels, levels[self.part])

    def u(self, counts: Counts) -> Floats:
        """Chance of each level among strangers; ``counts`` says how many sampled ones have it."""
        u: Floats = (counts + 0.3) / max(int(counts[1:].sum()), 1)
        return u

    def weights(self, counts: Counts) -> Floats:
        """``log(m / u)`` of each level in nats, within reason; 0 where a value is missing."""
        weights = np.log(np.maximum(self.m, 1e-6) / self.u(counts))
        weights[0] = 0
        clipped: Floats = np.clip(weights, _LEAST, _MOST)
        return clipped
