"""What an evidence model is: candidates, features, and the weights one would give them without any data.

A pair has a vector of *features* phi; the model of the log likelihood ratio is linear in them::

    log  P(phi | match) / P(phi | non-match)  =  beta . phi

With one indicator for each level of each compared field this is the match weight of Fellegi and Sunter (1969); more
features let what depends on each other be weighed together. beta is fitted by `broker.matching.weigh`, drawn towards
``prior`` where the data say little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import CappedKey, Pairs, pairs_of
from broker.matching.dataset import Dataset

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """Candidate pairs, and how they were found.

    Attributes
    ----------
    pairs : Pairs
    from_filter, from_key : ndarray of bool, shape (pairs,)
        Whether the filters found the pair, and whether a shared match key did.
    capped : tuple of CappedKey
        Match-key values that made no candidates.
    """

    pairs: Pairs
    from_filter: npt.NDArray[np.bool_]
    from_key: npt.NDArray[np.bool_]
    capped: tuple[CappedKey, ...]


def merge(
    by_filter: npt.NDArray[np.int64],
    by_key: npt.NDArray[np.int64],
    capped: tuple[CappedKey, ...],
    left: Dataset,
    right: Dataset | None,
) -> Found:
    """Merge the codes of pairs found by filter (each once) and by key (repeats allowed)."""
    codes = np.unique(np.concatenate([by_filter, by_key]))
    return Found(
        pairs_of(codes, left, right), np.isin(codes, by_filter), np.isin(codes, by_key, kind="sort"), capped
    )


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    Attributes
    ----------
    part : str
        What is compared: a field, ``"distance"`` or ``"keys"``; an explanation sums over it.
    label : str
        What the feature says of it.
    prior : float
        Its weight in nats without data.
    firmness : float
        Precision of the prior, in 1/nats^2: how far the data must speak before they move the weight.
    """

    part: str
    label: str
    prior: float
    firmness: float = 1.0


class Evidence(Protocol):
    """An evidence model for two datasets of one schema."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the feature matrix, in order."""
        ...

    def candidates(self, left: Dataset, right: Dataset | None) -> Found:
        """Candidate pairs between two datasets; ``right`` None: within ``left``."""
        ...

    def measure(self, left: Dataset, right: Dataset, pairs: Pairs) -> Features:
        """Feature matrix of listed pairs, float32, shape (pairs, features)."""
        ...
