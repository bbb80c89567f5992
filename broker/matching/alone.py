"""Learning the weights of one dataset alone, which holds its own duplicates and has nothing to be compared with.

Between two datasets the pairs within either show what strangers look like. Within one that may hold duplicates none
are known to be strangers: relatives are like damaged copies, and if all that are doubtful were taken for strangers no
damaged copy would be found. What tells them apart are other records. Say one of the two is surely the same person as a
third. If the other one surely is as well, they are one person, however little they are alike; if it is not, they are
rather two, as a record of the same person would mostly be found by both. And where neither is surely anybody's, it
matters how many records people have: if most of those found twice are found more often, two lone records are rather
two people; if nobody has a third record and all but a few have a second, the few belong together. So the weights are
learned from all candidates by EM, whose E-step is::

    p       by the weights, as always
    q       at least .99                      if some third record is surely the same person as both
            odds of p  *  (1 - s/2) t / c     if there is one that surely is the same as one of them, and none as both
            odds of p  *  (1 - t) / (1 - c)   if there is none; at most 10

``t`` is the share of the sure pairs with a third record, ``c`` that of random pairs, and ``s`` the share of the former
for which it is surely both. Half of it, because where two records of a person are little alike it is as likely as not
the other one that is damaged, and then a third is no more like it. The second factor is at most 1: where few people
have several records their relatives would be drawn in. Where few records are linked none of this tells, and the default
weights hardly move; they stand where less is believed in the end than was sure at first, for then weights cannot tell a
damaged record from another person's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array

from broker.matching.candidates import Flags, Pairs
from broker.matching.evidence.model import Feature, Floats, default_weights, sums
from broker.matching.regression import Regression
from broker.matching.weigh import Between, Fit, settle

SURE = 0.9
"""Least posterior of two records that are surely one person."""
MAX_TURNS = 40
TOLERANCE = 1e-3
JOINED = 0.99
"""Least posterior of a pair that a third record joins."""
_LIKELY = 1e-4  # a pair of a lower posterior is not joined by a third record; that one may be the mistake
_MOST_FOR = 10.0  # times that the odds grow where neither has another record; relatives may be left over too
_LEAST_MATCHES = 0.5
_PRIOR_PAIRS = 2.0  # sure pairs that speak for a share with a third as among random pairs


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
        odds = prior[0] = np.log(max(float(matches.sum()), 1e-9) / n_possible)
        beta = np.concatenate([[fit.intercept + odds], fit.weights])
        beta = regression.improve(beta, prior, matches, steps=4)
        before, fit = fit.n_matches, settle(within, beta[1:], float(beta[0] - odds))
        converged = abs(fit.n_matches - before) <= TOLERANCE * before
    if fit.n_matches < float((default.posterior * within.weight)[default.posterior >= SURE].sum()):
        fit, turns, converged = default, default.rounds, default.converged
    posterior = by_a_third(within, fit.posterior)
    n_matches = max(float(posterior @ within.weight), _LEAST_MATCHES)
    return replace(fit, posterior=posterior, n_matches=n_matches, rounds=turns, converged=converged)


@dataclass(frozen=True, slots=True)
class Thirds:
    """What third records tell of pairs, by who is surely the same person.

    Attributes
    ----------
    joined, apart : ndarray of bool, shape (pairs,)
        Candidates, not quite improbable, for which a third record is surely both; and others for which one is surely
        either.
    unseen : Pairs
        Pairs that a third record joins and that are no candidates.
    share : float
        Of the sure pairs that have a third record, those that it joins.
    among_matches, none_among_strangers : float
        Share of the sure pairs that have a third record, and of random pairs that have none.
    """

    joined: Flags
    apart: Flags
    unseen: Pairs
    share: float
    among_matches: float
    none_among_strangers: float


def thirds(within: Between, posterior: Floats) -> Thirds:
    """Find third records; ``posterior`` is of each candidate, shape (pairs,)."""
    pairs, n = within.pairs, within.shape[0]
    left, right, sure = pairs.left, pairs.right, posterior >= SURE
    ends = np.concatenate([left[sure], right[sure]]), np.concatenate([right[sure], left[sure]])
    known = coo_array((np.ones(len(ends[0]), dtype=np.int64), ends), shape=(n, n)).tocsr()
    by_way = (known @ known).tocoo()  # each pair once, in any order
    one, two = by_way.row.astype(np.int64), by_way.col.astype(np.int64)
    codes, mine = np.sort((one * n + two)[one < two]), left * n + right
    place = np.searchsorted(mine, codes)
    seen = np.append(mine, -1)[place] == codes
    joined = np.zeros(len(mine), dtype=np.bool_)
    joined[place[seen]] = True
    joined &= posterior > _LIKELY
    unseen = codes[~seen]
    n_each = np.bincount(ends[0], minlength=n)
    apart = ~joined & (n_each[left] + n_each[right] > 2 * sure)
    n_sure, n_joined, n_apart = (int(some.sum()) for some in (sure, sure & joined, sure & apart))
    none_among_strangers = float((((n_each == 0).sum() + 1) / (n + 2)) ** 2)
    n_third = n_joined + n_apart + _PRIOR_PAIRS * (1 - none_among_strangers)
    return Thirds(
        joined,
        apart,
        Pairs(unseen // n, unseen % n, pairs.n_possible),
        share=n_joined / max(n_joined + n_apart, 1),
        among_matches=n_third / (n_sure + _PRIOR_PAIRS),
        none_among_strangers=none_among_strangers,
    )


def by_a_third(within: Between, posterior: Floats) -> Floats:
    """Posteriors of the pairs, given also who is surely the same person as either of the two; shape (pairs,)."""
    found, sure = thirds(within, posterior), posterior >= SURE
    by_class = found.among_matches / (1 - found.none_among_strangers)
    has_third = min((1 - found.share / 2) * by_class, 1.0)
    has_none = min((1 - found.among_matches) / found.none_among_strangers, _MOST_FOR)
    ratio = posterior * np.where(found.apart, has_third, has_none)
    told: Floats = ratio / (1 - posterior + ratio)
    told[found.joined] = np.maximum(posterior[found.joined], JOINED)
    told[sure] = posterior[sure]
    return told


def most_unseen(within: Between, posterior: Floats, found: Thirds) -> float:
    """About how many matches there can be besides the candidates and the unseen pairs, by the records left over.

    As many of them as of the sure pairs are taken to have no third record; these take two records each.
    """
    lone = np.ones(within.shape[0])
    for rows in (within.pairs.left, within.pairs.right):
        np.multiply.at(lone, rows, 1 - posterior)
    return float(lone.sum()) / 2 / (1 - found.among_matches)
