"""Learning from datasets that may hold several records of one person.

Where a dataset is not duplicate-free its pairs are no sample of strangers, and its records do not compete. So that the
weights can be learned all the same, one record of each person, as far as persons are known, stands for the others:
among these *representatives* pairs within a dataset are strangers, and matches between datasets one to one. What was
learned weighs all pairs between the datasets, and those within as well: duplicates are few, and who is no duplicate is
not known. A dataset that has fewer matches elsewhere than duplicates is learned from alone (`broker.matching.alone`).

Who is one person is known by default weights at first, if it is sure; then by what was learned from that, over all
datasets together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Flags, Pairs
from broker.matching.entities import Links, gather_entities
from broker.matching.evidence.model import Feature, Floats, default_weights, sums
from broker.matching.weigh import Between, Fit, Rows, Strangers

SURE = 0.9
"""Least posterior by which, with default weights, two records of a dataset are taken for one person.

Relatives who are taken for one person are missing among the strangers, duplicates that are not are wrong among them:
the higher, the more of these and the fewer of those.
"""
DOUBT = 0.5
"""Of the posterior of two representatives, that they are no strangers.

With none of it what duplicates remain unknown would be learned to be strangers, with all of it relatives would be
learned to be duplicates, each the more at every turn.
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
    posteriors: Sequence[Floats | None],
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
    posteriors : sequence of ndarray of float64, shape (pairs,)
        By which a candidate may be one person all the same, and counts for `DOUBT` of it less; None where it cannot.
    n_features : int
        Of the evidence model; datasets of one record each have no pairs to tell it.
    n_possible : int
        Pairs between the datasets that all of these together stand for.
    """
    features, n_pairs = [np.empty((0, n_features), dtype=np.float32)], [np.empty(0, dtype=np.int64)]
    weights, n_looked = [np.empty(0)], 0
    for (within, n_left), flags, posterior in zip(looked_at, kept, posteriors, strict=True):
        seen, weight, n = _count(within, flags, posterior, n_left)
        some = np.flatnonzero(seen)
        features.append(within.features[some])
        n_pairs.append(seen[some])
        weights.append(weight[some])
        n_looked += n
    scale = n_possible / max(n_looked, 1)
    return Strangers(np.concatenate(features), np.concatenate(n_pairs), np.concatenate(weights) * scale)


def borrowed(
    features: tuple[Feature, ...], fits: Sequence[tuple[tuple[Feature, ...], Fit]]
) -> tuple[Floats, float]:
    """Weights for the pairs within a dataset, and their intercept, from its comparisons with others.

    Parameters
    ----------
    features : tuple of Feature
        Of the pairs within.
    fits : sequence of (tuple of Feature, Fit)
        The comparisons; each counts by its expected matches.
    """
    total = sum(fit.n_matches for _, fit in fits)
    weights, default = np.zeros(len(features)), default_weights(features)
    for others, fit in fits:
        learned = {(f.part, f.label): w for f, w in zip(others, fit.weights.tolist(), strict=True)}
        mine = [learned.get((f.part, f.label), w) for f, w in zip(features, default.tolist(), strict=True)]
        weights += np.array(mine) * fit.n_matches / total
    return weights, sum(fit.intercept * fit.n_matches for _, fit in fits) / total


def _count(
    within: Between, kept: Flags | None, posterior: Floats | None, n_left: int
) -> tuple[npt.NDArray[np.int64], Floats, int]:
    """By pattern: pairs seen, pairs they stand for; and how many pairs there are in all."""
    pairs, n_patterns, n = within.pairs, len(within.features), within.shape[0]
    of_pair, weight, n_kept, n_first = within.of_pair, within.weight, n, n_left
    if posterior is not None:
        weight = weight * (1 - DOUBT * posterior)
    if kept is not None:
        both = kept[pairs.left] & kept[pairs.right]
        of_pair, weight = of_pair[both], weight[both]
        n_kept, n_first = int(kept.sum()), int(kept[:n_left].sum())
    n_pairs = np.bincount(of_pair, minlength=n_patterns)
    return (
        n_pairs,
        sums(of_pair, weight, n_patterns),
        n_first * (n_first - 1) // 2 + n_first * (n_kept - n_first),
    )
