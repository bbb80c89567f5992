"""Weights without labels: EM with one-to-one competition, its M-step a regression against pairs that cannot match.

Two different rows of a duplicate-free dataset are never the same person, so the pairs *within* the datasets are a
sample of non-matches, measured with the same features. A logistic regression that tells (soft) matches from them
gives the log likelihood ratio of a pair directly, whatever depends on what; no independence is assumed, and since the
non-matches are observed rather than guessed, the labels "match" and "non-match" cannot swap.

::

    E-step   p_ij = E_ij / (o + R_i + C_j - E_ij)      E = exp(beta . phi), R and C its sums over row and column
    M-step   beta = argmax  sum p log s(eta) + h sum (1 - p) log(1 - s(eta))
                            + (1 - h) k sum_within log(1 - s(eta)) - 1/2 sum firmness (beta - prior)^2
             eta  = log(n / N) + beta . phi,  s the logistic function

``n`` is the expected number of matches, ``N`` the number of all pairs, ``k`` = N / (pairs within), and
``o = max(1, (1 - n/nA)(1 - n/nB) N / n)`` the odds that a row has no match on the other side. A row's candidates
compete for it: that is the one-to-one knowledge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs
from broker.matching.evidence.model import Feature, Features, Floats

MAX_ROUNDS = 60
TOLERANCE = 1e-4
CROSS_SHARE = 0.5
"""Share of the non-matches taken from the pairs between the datasets, weighted by 1 - p, in place of those within.

Where the two sites write things differently the pairs within do not see it, and a difference of style would be
taken for evidence; where there are few records the pairs between say little. Half and half loses neither.
"""
_MIN_MATCHES = 5.0
_MAX_SHARE = 0.999  # of the smaller dataset, to be matched
_MAX_OVERLAP = 0.98  # in the odds of having no match, which would else vanish
_MAX_WEIGHT = 40.0  # nats, so that sums of exponentials stay finite
_MAX_STEP = 3.0  # nats in one Newton step
_START_SHARE = 0.5  # of the smaller dataset, taken to be matched at first
_MAX_GROUP = 20  # rows of one person on a side, where several may be
_NEAR_PER_ROW = 4  # pairs that the regression keeps in full; of the others as many are sampled


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model.

    Attributes
    ----------
    weights : ndarray of float64, shape (features,)
        In nats.
    intercept : float
        Weight of a pair whose features are all zero.
    n_matches : float
        Expected matches among all pairs.
    posterior : ndarray of float64, shape (pairs,)
        Of the candidate pairs, competition taken into account.
    rounds : int
    converged : bool
    at_bound : bool
        The number of matches ended at a bound: the estimate cannot be trusted.
    """

    weights: Floats
    intercept: float
    n_matches: float
    posterior: Floats
    rounds: int
    converged: bool
    at_bound: bool


def compete(
    log_ratio: Floats,
    pairs: Pairs,
    shape: tuple[int, int],
    n_matches: float,
    *,
    exclusive: tuple[bool, bool] = (True, True),
) -> Floats:
    """Posterior of each pair when the candidates of a row exclude each other.

    Parameters
    ----------
    log_ratio : ndarray of float64, shape (pairs,)
        Match weights in nats.
    pairs : Pairs
        The same candidates.
    shape : (int, int)
        Rows of the left and the right dataset.
    n_matches : float
        Expected matches.
    exclusive : (bool, bool)
        Whether a left row has at most one match (the right dataset is duplicate-free), and a right row.

    Returns
    -------
    ndarray of float64, shape (pairs,)
    """
    prior = n_matches / pairs.n_possible
    ratio = np.exp(np.minimum(log_ratio, _MAX_WEIGHT))
    rivals = ratio.copy()
    alone = 1.0
    for rows, n_rows, only_one in zip((pairs.left, pairs.right), shape, exclusive, strict=True):
        if only_one:
            rivals += np.bincount(rows, ratio, n_rows)[rows] - ratio
            alone *= 1 - min(n_matches / n_rows, _MAX_OVERLAP)
    posterior: Floats = ratio / (max(1.0, alone / prior) + rivals)
    return posterior


def fit(
    cross: Features,
    pairs: Pairs,
    null: Features,
    null_weight: float,
    *,
    features: tuple[Feature, ...],
    shape: tuple[int, int],
    exclusive: tuple[bool, bool] = (True, True),
    seed: int = 0,
) -> Fit:
    """Estimate the weights and the posterior of every candidate pair.

    Parameters
    ----------
    cross : ndarray of float32, shape (pairs, features)
        Candidate pairs between the datasets.
    pairs : Pairs
        The same pairs.
    null : ndarray of float32, shape (null pairs, features)
        Candidate pairs within the datasets.
    null_weight : float
        Pairs between the datasets that one pair within stands for.
    features : tuple of Feature
        For the prior weights.
    shape : (int, int)
        Rows of the left and the right dataset.
    exclusive : (bool, bool)
        As in `compete`.
    seed : int
        Of the sample of far pairs.

    Returns
    -------
    Fit
    """
    n_possible = pairs.n_possible
    limits = [n_rows for n_rows, only_one in zip(shape, exclusive, strict=True) if only_one]
    most = min(_MAX_SHARE * min(limits, default=_MAX_GROUP * min(shape)), 0.5 * n_possible)
    prior = np.array([0.0] + [feature.prior for feature in features])
    log_ratio = _linear(cross, prior)
    regression = _Regression(
        cross,
        null,
        null_weight,
        log_ratio,
        _linear(null, prior),
        firmness=[feature.firmness for feature in features],
        n_near=_NEAR_PER_ROW * sum(shape),
        seed=seed,
    )
    n_matches = _START_SHARE * min(shape)
    posterior = compete(log_ratio, pairs, shape, n_matches, exclusive=exclusive)
    beta = prior.copy()
    beta[0] = np.log(n_matches / n_possible)
    converged, rounds = False, 0
    for rounds in range(1, MAX_ROUNDS + 1):
        n_matches = float(np.clip(posterior.sum(), _MIN_MATCHES, most))
        beta = regression.improve(beta, prior, posterior, steps=8 if rounds == 1 else 2)
        log_ratio = _linear(cross, beta) - np.log(n_matches / n_possible)
        total = float(posterior.sum())
        posterior = compete(log_ratio, pairs, shape, n_matches, exclusive=exclusive)
        if abs(posterior.sum() - total) <= TOLERANCE * n_matches:
            converged = True
            break
    total = float(posterior.sum())
    return Fit(
        weights=beta[1:],
        intercept=float(beta[0] - np.log(n_matches / n_possible)),
        n_matches=float(np.clip(total, _MIN_MATCHES, most)),
        posterior=posterior,
        rounds=rounds,
        converged=converged,
        at_bound=not _MIN_MATCHES < total < most,
    )


class _Regression:
    """Matches against non-matches, by damped Newton steps.

    Pairs that weigh little by the prior are many and say little: all the near ones are kept, the far ones sampled
    and weighted up.
    """

    def __init__(
        self,
        cross: Features,
        null: Features,
        null_weight: float,
        cross_prior: Floats,
        null_prior: Floats,
        *,
        firmness: list[float],
        n_near: int,
        seed: int,
    ) -> None:
        self._firmness = np.array([1e-6, *firmness])  # the intercept is free
        random = np.random.default_rng(seed)
        self._rows, cross_weight = _near_and_sampled(cross_prior, n_near, random)
        null_rows, far_weight = _near_and_sampled(null_prior, n_near, random)
        self._cross, self._cross_weight = _with_ones(cross[self._rows]), cross_weight
        self._null = _with_ones(null[null_rows])
        # Where no dataset is duplicate-free there is no null, and the pairs between stand for all non-matches.
        self._cross_share = CROSS_SHARE if len(null) else 1.0
        self._null_weight = (1 - self._cross_share) * null_weight * far_weight

    def improve(self, beta: Floats, prior: Floats, posterior: Floats, *, steps: int) -> Floats:
        """A few Newton steps from ``beta``, with the soft labels ``posterior`` of all cross pairs."""
        match = self._cross_weight * posterior[self._rows]
        rest = self._cross_share * (self._cross_weight - match)
        for _ in range(steps):
            hit, alarm = _logistic(self._cross @ beta), _logistic(self._null @ beta)
            slope = self._cross.T @ (match * (1 - hit) - rest * hit) - self._null.T @ (
                self._null_weight * alarm
            )
            slope -= self._firmness * (beta - prior)
            bend = _weighted_square(self._cross, (match + rest) * hit * (1 - hit))
            bend += _weighted_square(self._null, self._null_weight * alarm * (1 - alarm))
            step = np.linalg.solve(bend + np.diag(self._firmness), slope)
            beta = beta + step * min(1.0, _MAX_STEP / max(float(np.abs(step).max()), 1e-12))
        return beta


def _near_and_sampled(
    log_ratio: Floats, n_near: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Row numbers of the ``n_near`` weightiest pairs and of as many of the others, with what each stands for."""
    if len(log_ratio) <= 2 * n_near:
        return np.arange(len(log_ratio)), np.ones(len(log_ratio))
    order = np.argpartition(-log_ratio, n_near)
    far = random.choice(order[n_near:], n_near, replace=False)
    rows = np.sort(np.concatenate([order[:n_near], far]))
    weight = np.full(len(log_ratio), (len(log_ratio) - n_near) / n_near)
    weight[order[:n_near]] = 1
    return rows, weight[rows]


def _linear(rows: Features, beta: Floats) -> Floats:
    return np.asarray(rows @ beta[1:].astype(np.float32) + np.float32(beta[0]), dtype=np.float64)


def _with_ones(rows: Features) -> Floats:
    return np.column_stack([np.ones(len(rows)), rows]).astype(np.float64)


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))))


def _weighted_square(rows: Floats, weights: Floats) -> Floats:
    square: Floats = (rows * weights[:, None]).T @ rows
    return square
