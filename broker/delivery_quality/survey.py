"""One pass over a dataset's rows: which fields they have, and how many bits their filters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.delivery_quality.shown import Counts
from broker.matching.dataset import Dataset
from broker.token_arrays import drop_pages

_ROWS_AT_ONCE = 512 * 1024

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bits:
    """Set bits of some filters.

    Attributes
    ----------
    n : int
        Filters with any bit.
    mean, sd : float
        Of their numbers of set bits.
    """

    n: int
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Survey:
    """What the pass found.

    Attributes
    ----------
    masks, counts : ndarray of int64, shape (patterns,)
        Patterns of presence, ascending, and the records of each.
    sums : mapping of str to ndarray of float64, shape (3, patterns)
        For each filter: records of the pattern with any bit, their set bits, and these squared.
    """

    masks: Counts
    counts: Counts
    sums: dict[str, Floats]

    def present(self, field: int) -> int:
        """Records with a value for field number ``field``."""
        return int(self.counts[(self.masks >> field & 1).astype(np.bool_)].sum())

    def bits(self, name: str, pattern: int | None = None) -> Bits | None:
        """Set bits of a filter, of one pattern's records or of all; None where there are fewer than two."""
        sums = self.sums[name]
        n, total, squares = sums.sum(axis=1) if pattern is None else sums[:, pattern]
        if n < 2:
            return None
        variance = max(float(squares - total * total / n), 0.0) / (n - 1)
        return Bits(int(n), float(total / n), variance**0.5)


def survey(dataset: Dataset) -> Survey:
    """Go through a dataset once, some rows at a time."""
    names = dataset.schema.filter_names
    masks = np.empty(0, dtype=np.int64)
    table = np.empty((1 + 3 * len(names), 0))
    for first in range(0, len(dataset), _ROWS_AT_ONCE):
        part = dataset.rows(first, first + _ROWS_AT_ONCE)
        some, number = np.unique(part.presence.astype(np.int64), return_inverse=True)
        values = [np.ones(len(part))]
        for name in names:
            bits = np.bitwise_count(part.filters[name]).sum(axis=1, dtype=np.float64)
            drop_pages(part.filters[name])
            values += [(bits > 0).astype(np.float64), bits, bits**2]
        rows = [np.bincount(number, one, minlength=len(some)) for one in values]
        drop_pages(part.presence)
        masks, place = np.unique(np.concatenate([masks, some]), return_inverse=True)
        table = np.stack(
            [
                np.bincount(place, np.concatenate([before, new]), minlength=len(masks))
                for before, new in zip(table, rows, strict=True)
            ]
        )
    sums = {name: table[1 + 3 * i : 4 + 3 * i] for i, name in enumerate(names)}
    return Survey(masks, table[0].astype(np.int64), sums)
