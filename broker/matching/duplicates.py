"""Learning from datasets that may hold several records of one person.

Where a dataset is not duplicate-free its pairs are no sample of strangers, and its records do not compete. So that the
weights can be learned all the same, one record of each person, as far as persons are known, stands for the others:
among these *representatives* pairs within a dataset are strangers, and matches between datasets one to one. A dataset
alone is cut into two halves, and what matches between them is learned. What was learned weighs all pairs.

Who is one person is known by default weights at first, if it is sure; then by what was learned from that, over all
datasets together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Flags, Pairs
from broker.matching.entities import Links, gather_entities
from broker.matching.evidence.model import Floats, sums
from broker.matching.weigh import Between, Rows, Strangers

SURE = 0.9
"""Least posterior by which, with default weights, two records of a dataset are taken for one person.

Relatives who are taken for one person are missing among the strangers, duplicates that are not are wrong among them:
the higher, the more of these and the fewer of those.
"""


def people_within(within: Between, posterior: Floats) -> Rows:
    """Numbers of the persons of a dataset, as far as their records are surely one person's; shape (rows,)."""
    pairs = within.pairs
    edges = Links(pairs.left, pairs.right, posterior)
    return gather_entities(edges, posterior >= SURE, [within.shape[0]], [False], threshold=SURE)


def representatives(people: Rows) -> Flags:
    """The first record of each person; bool, shape (rows,)."""
    first = np.zeros(len(people), dtype=np.bool_)
    first[np.unique(people, return_index=True)[1]] = True
    return first


def among(between: Between, left: Flags, right: Flags) -> Between:
    """The candidates between representatives of two datasets, renumbered, one to one."""
    both = left[between.pairs.left] & right[between.pairs.right]
    pairs = Pairs(
        (np.cumsum(left) - 1)[between.pairs.left[both]],
        (np.cumsum(right) - 1)[between.pairs.right[both]],
        int(left.sum()) * int(right.sum()),
    )
    return Between(
        features=between.features,
        of_pair=between.of_pair[both],
        pairs=pairs,
        weight=between.weight[both],
        shape=(int(left.sum()), int(right.sum())),
    )


def strangers(
    looked_at: Sequence[tuple[Between, int]],
    kept: Sequence[Flags | None],
    *,
    n_features: int,
    n_possible: int,
) -> Strangers:
    """Pairs of representatives within datasets, which are different persons.

    Parameters
    ----------
    looked_at : sequence of (Between, int)
        Candidates (i, j) within each dataset, i < j, and below how many i all were looked at.
    kept : sequence of ndarray of bool, shape (rows,)
        The representatives of each; None where all rows are.
    n_features : int
        Of the evidence model; datasets of one record each have no pairs to tell it.
    n_possible : int
        Pairs between the datasets that all of these together stand for.
    """
    features, n_pairs = [np.empty((0, n_features), dtype=np.float32)], [np.empty(0, dtype=np.int64)]
    weights, n_looked = [np.empty(0)], 0
    for (within, n_left), flags in zip(looked_at, kept, strict=True):
        seen, weight, n = _count(within, flags, n_left)
        some = np.flatnonzero(seen)
        features.append(within.features[some])
        n_pairs.append(seen[some])
        weights.append(weight[some])
        n_looked += n
    scale = n_possible / max(n_looked, 1)
    return Strangers(np.concatenate(features), np.concatenate(n_pairs), np.concatenate(weights) * scale)


def halves(within: Between, people: Rows) -> tuple[Between, Strangers]:
    """A dataset as two: the candidates between representatives of its halves, and the strangers within these.

    Parameters
    ----------
    within : Between
        Candidates of the whole dataset with itself.
    people : ndarray of int64, shape (rows,)
        As of `people_within`.
    """
    n = within.shape[0]
    second = np.arange(n) >= n // 2  # rows come in random order
    kept = representatives(2 * people + second)
    low, high = kept & ~second, kept & second
    between = among(within, low, high)
    return between, strangers(
        [(within, n), (within, n)],
        [low, high],
        n_features=within.features.shape[1],
        n_possible=between.pairs.n_possible,
    )


def told_apart(between: Between, left: Rows | None, right: Rows | None) -> Between:
    """The candidates of two datasets, a row of which matches rows of one person only."""
    return replace(between, exclusive=(True, True), people=(left, right))


def _count(within: Between, kept: Flags | None, n_left: int) -> tuple[npt.NDArray[np.int64], Floats, int]:
    """By pattern: pairs seen, pairs they stand for; and how many pairs there are in all."""
    pairs, n_patterns, n = within.pairs, len(within.features), within.shape[0]
    if kept is None:
        n_pairs = np.bincount(within.of_pair, minlength=n_patterns)
        weight, n_kept, n_first = sums(within.of_pair, within.weight, n_patterns), n, n_left
    else:
        both = kept[pairs.left] & kept[pairs.right]
        n_pairs = np.bincount(within.of_pair[both], minlength=n_patterns)
        weight = sums(within.of_pair[both], within.weight[both], n_patterns)
        n_kept, n_first = int(kept.sum()), int(kept[:n_left].sum())
    return n_pairs, weight, n_first * (n_first - 1) // 2 + n_first * (n_kept - n_first)
