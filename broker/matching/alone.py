"""Learning the weights of one dataset alone, which holds its own duplicates and has nothing to be compared with.

Between two datasets the pairs within either show what strangers look like. Within one that may hold duplicates none
are known to be strangers: relatives are like damaged copies, and if all that are doubtful were taken for strangers no
damaged copy would be found. What tells them apart is a third record. Say one of the two is surely the same person as a
third. If the other one surely is as well, they are one person, however little they are alike; if it is not, they are
rather two, as a record of the same person would mostly be found by both. So the weights are learned from all candidates
by EM, whose E-step is::

    p       by the weights, as always
    q       at least .99                  if some third record is surely the same person as both
            p (1 - s/2) / (1 - p s/2)     if there is one that surely is the same as one of them, and none as both
            p                             if there is none

``s`` is the share of the sure pairs with a third record for which it is surely both. Half of it, because where two
records of a person are little alike it is as likely as not the other one that is damaged, and then a third is no more
like it. Where nobody has three records nothing is learned, and the default weights stand; so they do where less is
believed in the end than was sure at first, for then the weights cannot tell a damaged record from another person's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array

from broker.matching.candidates import Flags
from broker.matching.evidence.model import Feature, Floats, default_weights, sums
from broker.matching.regression import Regression
from broker.matching.weigh import Between, Fit, settle

SURE = 0.9
"""Least posterior of two records that are surely one person."""
MAX_TURNS = 40
TOLERANCE = 1e-3
_BY_A_THIRD = 0.99  # posterior of a pair that a third record joins
_LIKELY = 1e-4  # pairs of a lower posterior are left as they are


def learn_alone(within: Between, features: tuple[Feature, ...], *, seed: int = 0) -> Fit:
    """Estimate the weights of a dataset compared with itself, and the posterior of every candidate pair.

    Parameters
    ----------
    within : Between
        The candidates, none exclusive.
    features : tuple of Feature
        For the default weights, from which it starts.
    seed : int
        Of the sample of patterns, where there are too many.

    Returns
    -------
    Fit
    """
    n_patterns, n_possible = len(within.features), within.pairs.n_possible
    prior = np.concatenate([[0.0], default_weights(features)])
    regression = Regression(
        within.features,
        sums(within.of_pair, within.weight, n_patterns),
        within.features[:0],
        np.empty(0),
        firmness=[feature.firmness for feature in features],
        seed=seed,
    )
    default = fit = settle(within, prior[1:], 0.0)
    turns, converged = 0, False
    while not converged and turns < MAX_TURNS:
        turns += 1
        posterior = by_a_third(within, fit.posterior)
        matches = sums(within.of_pair, posterior * within.weight, n_patterns)
        odds = np.log(max(float(matches.sum()), 1e-9) / n_possible)
        beta = np.concatenate([[fit.intercept + odds], fit.weights])
        beta = regression.improve(beta, prior, matches, steps=4)
        before, fit = fit.n_matches, settle(within, beta[1:], float(beta[0] - odds))
        converged = abs(fit.n_matches - before) <= TOLERANCE * before
    if fit.n_matches < float((default.posterior * within.weight)[default.posterior >= SURE].sum()):
        return default
    return replace(fit, rounds=turns, converged=converged)


def by_a_third(within: Between, posterior: Floats) -> Floats:
    """Posteriors of the pairs, given also who is surely the same person as either of the two; shape (pairs,)."""
    sure = posterior >= SURE
    joined, apart = _thirds(within, posterior, sure)
    n_told = int((sure & (joined | apart)).sum())
    share = float((sure & joined).sum()) / n_told if n_told else 0.0
    missed = 1 - share / 2
    given: Floats = np.where(apart, posterior * missed / (1 - posterior * (1 - missed)), posterior)
    given[joined] = np.maximum(posterior[joined], _BY_A_THIRD)
    given[sure] = posterior[sure]
    return given


def _thirds(within: Between, posterior: Floats, sure: Flags) -> tuple[Flags, Flags]:
    """Whether a third record is surely both of a pair's; and whether there is one, and none is surely both."""
    left, right, n = within.pairs.left, within.pairs.right, within.shape[0]
    ends = np.concatenate([left[sure], right[sure]]), np.concatenate([right[sure], left[sure]])
    known = coo_array((np.ones(len(ends[0]), dtype=np.int64), ends), shape=(n, n)).tocsr()
    by_way = (known @ known).tocoo()
    likely = posterior > _LIKELY
    joined = likely & np.isin(left * n + right, by_way.row.astype(np.int64) * n + by_way.col)
    n_each = np.bincount(ends[0], minlength=n)
    return joined, likely & ~joined & (n_each[left] + n_each[right] > 2 * sure)
