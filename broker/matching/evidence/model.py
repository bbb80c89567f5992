"""What an evidence model is: candidates, comparison vectors, features, and the weights one would give without data.

::

    two records' tokens --compare--> comparison vector, whole numbers --measure--> features phi

The model of the log likelihood ratio is linear in the features::

    log  P(phi | match) / P(phi | non-match)  =  beta . phi

With one indicator for each level of each compared field this is the match weight of Fellegi and Sunter (1969); more
features let what depends on each other be weighed together. beta is fitted by `broker.matching.weigh`, drawn towards
``prior`` where the data say little. Pairs with the same comparison vector have the same features, so that the fit
works on the distinct ones, the *patterns*, of which there are far fewer than pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Flags, Pairs, Rows
from broker.matching.dataset import Dataset

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.uint32]
"""Comparison vectors, shape (pairs, columns)."""
Reach = int | str
"""How far apart near pairs may be, as their model puts it."""

BITS_PER_NAT = 1.4426950408889634
"""``1 / log(2)``: weights are nats within, and bits in all that people see."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    Attributes
    ----------
    part : str
        What is compared: a field, or what goes beyond one such as ``"match keys"``; an explanation sums over it.
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


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one part, in words.

    Attributes
    ----------
    part : str
        As of `Feature`.
    texts : tuple of str
        What may be seen; levels and names of fields and match keys only.
    which : ndarray of int64, shape (vectors,)
        Of each comparison vector, the number of its text.
    """

    part: str
    texts: tuple[str, ...]
    which: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Nearness:
    """What is known beforehand of which matches are near.

    Attributes
    ----------
    agreeing : float
        Log odds of being near where all fields agree.
    taken : dict of str to float
        What each field takes from them that differs.
    """

    agreeing: float
    taken: dict[str, float]


class Evidence(Protocol):
    """An evidence model for two datasets of one schema; cloudpickle can send it to other processes."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the feature matrix, in order."""
        ...

    @property
    def compares_filters(self) -> bool:
        """Whether there are filters to find near pairs by."""
        ...

    @property
    def reach(self) -> Reach:
        """How far apart near pairs may be: of two models with equal ones, the same pairs are near."""
        ...

    @property
    def nearness(self) -> Nearness | None:
        """What is known of which matches are near, if anything."""
        ...

    def reaching(self, reach: Reach) -> Evidence | None:
        """The model of another reach, if that is at least as far as its own and not much farther; else None."""
        ...

    def farther(self) -> Evidence:
        """The model of a reach with room: what it finds near serves later models, whose reach moves with the data."""
        ...

    def prepare(self, dataset: Dataset) -> Dataset:
        """The dataset with what the model needs to know of each of its records; for the methods below."""
        ...

    def near(self, left: Dataset, right: Dataset, *, n_threads: int | None = None) -> tuple[Rows, Rows]:
        """Rows of all pairs of two prepared datasets whose filters are near enough; exact, nothing is blocked."""
        ...

    def near_among(self, left: Dataset, right: Dataset, pairs: Pairs) -> Flags:
        """Which of the near pairs of a model from `reaching` are near; bool, shape (pairs,)."""
        ...

    def bucketed(self, left: Dataset, right: Dataset | None, *, n_tables: int) -> Rows:
        """Codes of near pairs that meet in one of so many tables of buckets; ``right`` None: within ``left``."""
        ...

    def compare(self, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """Comparison vectors of listed pairs of two prepared datasets, shape (pairs, columns)."""
        ...

    def measure(self, vectors: Vectors) -> Features:
        """Features of comparison vectors, float32, shape (vectors, features)."""
        ...

    def describe(self, vectors: Vectors) -> tuple[Seen, ...]:
        """What comparison vectors say, part by part in the order of the features."""
        ...


def patterns(vectors: Vectors) -> tuple[Vectors, npt.NDArray[np.int32]]:
    """The distinct comparison vectors, and which of them each pair has.

    Parameters
    ----------
    vectors : ndarray of uint32, shape (pairs, columns)
        One a pair.

    Returns
    -------
    distinct : ndarray of uint32, shape (patterns, columns)
        In lexicographic order.
    of_pair : ndarray of int32, shape (pairs,)
    """
    code, size = np.zeros(len(vectors), dtype=np.int64), 1
    for column in vectors.T:
        n_values = int(column.max(initial=0)) + 1
        if size * n_values >= 1 << 62:
            distinct, code = np.unique(code, return_inverse=True)
            size = len(distinct)
        code = code * n_values + column
        size *= n_values
    _, first, of_pair = np.unique(code, return_index=True, return_inverse=True)
    return vectors[first], of_pair.astype(np.int32)


def by_part(features: tuple[Feature, ...]) -> dict[str, list[int]]:
    """The parts in the order of their first features, and the numbers of the features of each."""
    parts: dict[str, list[int]] = {}
    for number, feature in enumerate(features):
        parts.setdefault(feature.part, []).append(number)
    return parts


def default_weights(features: tuple[Feature, ...]) -> Floats:
    """Weights without data, shape (features,)."""
    return np.array([feature.prior for feature in features], dtype=np.float64)


def sums(of: npt.NDArray[np.signedinteger], values: npt.NDArray[np.generic], n: int) -> Floats:
    """Sums of values by number, 0 to n - 1; float64, shape (n,)."""
    return np.asarray(np.bincount(of, values, n), dtype=np.float64)
