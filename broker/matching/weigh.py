"""Weights without labels: EM with one-to-one competition, its M-step a regression against pairs that cannot match.

Two different rows of a duplicate-free dataset are never the same person, nor are the representatives of two persons
of another (`broker.matching.duplicates`), so the pairs *within* the datasets are a sample of non-matches, measured
with the same features. A logistic regression that tells (soft) matches from them
gives the log likelihood ratio of a pair directly, whatever depends on what; no independence is assumed, and since the
non-matches are observed rather than guessed, the labels "match" and "non-match" cannot swap.

::

    E-step   p_ij = E_ij / (o + R_i + C_j - E_ij)      E = exp(beta . phi), R and C its sums over row and column
    M-step   beta = argmax  sum p log s(eta) + h sum (1 - p) log(1 - s(eta))
                            + (1 - h) k sum_within log(1 - s(eta)) - 1/2 sum firmness (beta - prior)^2
             eta  = log(n / N) + beta . phi,  s the logistic function

``n`` is the expected number of matches, ``N`` the number of all pairs, ``k`` = N / (pairs within), and
``o = max(1, (1 - n/nA)(1 - n/nB) N / n)`` the odds that a row has no match on the other side. A row's candidates
compete for it: that is the one-to-one knowledge. Sums over pairs go by distinct comparison vector, and where only a
sample of some kind of pair was looked at each of them counts for those it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching import _loops
from broker.matching.candidates import Pairs
from broker.matching.evidence.model import Feature, Features, Floats, default_weights, sums
from broker.matching.regression import Regression

Rows = npt.NDArray[np.signedinteger]

MAX_ROUNDS = 200
TOLERANCE = 1e-4
_MIN_MATCHES = 5.0
_MAX_SHARE = 0.999  # of the smaller dataset, to be matched
_MAX_OVERLAP = 0.98  # in the odds of having no match, which would else vanish
_MAX_WEIGHT = 40.0  # nats, so that sums of exponentials stay finite
_START_SHARE = 0.5  # of the smaller dataset, taken to be matched at first
_MAX_GROUP = 20  # rows of one person on a side, where several may be


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
    odds : float
        Against any one pair before evidence and competition, as in `odds_against`.
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
    odds: float
    posterior: Floats
    rounds: int
    converged: bool
    at_bound: bool


@dataclass(frozen=True, slots=True)
class Between:
    """Candidate pairs of two datasets, or of one with itself, as they were compared.

    Attributes
    ----------
    features : ndarray of float32, shape (patterns, features)
        Of the distinct comparison vectors.
    of_pair : ndarray of int32, shape (pairs,)
        The pattern of each candidate pair.
    pairs : Pairs
        The candidates.
    weight : ndarray of float64, shape (pairs,)
        Pairs that each stands for; 1 where all of its kind were looked at.
    shape : (int, int)
        Rows of the left and the right dataset.
    exclusive : (bool, bool)
        Whether a left row has at most one match, and a right row.
    """

    features: Features
    of_pair: Rows
    pairs: Pairs
    weight: Floats
    shape: tuple[int, int]
    exclusive: tuple[bool, bool] = (True, True)


@dataclass(frozen=True, slots=True)
class Strangers:
    """Pairs that cannot match, by distinct comparison vector.

    Attributes
    ----------
    features : ndarray of float32, shape (patterns, features)
    n_pairs : ndarray of int64, shape (patterns,)
        Candidate pairs that were looked at.
    weight : ndarray of float64, shape (patterns,)
        Pairs between the datasets that these stand for.
    """

    features: Features
    n_pairs: npt.NDArray[np.int64]
    weight: Floats


def compete(between: Between, log_ratio: Floats, n_matches: float) -> Floats:
    """Posterior of each pair when the candidates of a row exclude each other.

    Parameters
    ----------
    between : Between
        The candidates.
    log_ratio : ndarray of float64, shape (patterns,)
        Match weights in nats.
    n_matches : float
        Expected matches.

    Returns
    -------
    ndarray of float64, shape (pairs,)
    """
    ratio, pairs = ratios(log_ratio), between.pairs
    taken = []
    for rows, n_rows, only_one in zip(
        (pairs.left, pairs.right), between.shape, between.exclusive, strict=True
    ):
        total = np.zeros(n_rows if only_one else 0)
        if only_one:
            _loops.add_up(rows, ratio, between.of_pair, total)
        taken.append(total)
    posterior = np.empty(len(pairs))
    _loops.share_out(
        pairs.left,
        pairs.right,
        ratio,
        between.of_pair,
        taken[0],
        taken[1],
        odds_against(between, n_matches),
        posterior,
    )
    return posterior


def ratios(log_ratio: Floats) -> Floats:
    """``exp(log_ratio)``, the likelihood ratios that compete; weights beyond 40 nats count as 40."""
    out: Floats = np.exp(np.minimum(log_ratio, _MAX_WEIGHT))
    return out


def odds_against(between: Between, n_matches: float) -> float:
    """The odds that a row has no match on the other side, to one given row of it; at least 1.

    ``(1 - n/nA) (1 - n/nB) N / n``, the factor of a side only where its rows have at most one match.
    """
    alone = 1.0
    for n_rows, only_one in zip(between.shape, between.exclusive, strict=True):
        if only_one:
            alone *= 1 - min(n_matches / n_rows, _MAX_OVERLAP)
    return max(1.0, alone / (n_matches / between.pairs.n_possible))


def fit(between: Between, strangers: Strangers, features: tuple[Feature, ...], *, seed: int = 0) -> Fit:
    """Estimate the weights and the posterior of every candidate pair.

    Parameters
    ----------
    between : Between
        The candidates.
    strangers : Strangers
        Pairs that cannot match.
    features : tuple of Feature
        For the prior weights.
    seed : int
        Of the sample of patterns, where there are too many.

    Returns
    -------
    Fit
    """
    n_possible = between.pairs.n_possible
    least, most = _bounds(between)
    prior = np.concatenate([[0.0], default_weights(features)])
    regression = Regression(
        between.features,
        sums(between.of_pair, between.weight, len(between.features)),
        strangers.features,
        strangers.weight,
        firmness=[feature.firmness for feature in features],
        seed=seed,
    )

    def expect(log_ratio: Floats, n_matches: float) -> tuple[Floats, Floats, float]:
        posterior = compete(between, log_ratio, n_matches)
        matches = sums(between.of_pair, posterior * between.weight, len(between.features))
        return posterior, matches, float(matches.sum())

    n_matches = _START_SHARE * min(between.shape)
    posterior, matches, total = expect(_linear(between.features, prior), n_matches)
    beta = prior.copy()
    beta[0] = np.log(n_matches / n_possible)
    converged, rounds = False, 0
    for rounds in range(1, MAX_ROUNDS + 1):
        n_matches = float(np.clip(total, least, most))
        prior[0] = np.log(n_matches / n_possible)
        beta = regression.improve(beta, prior, matches, steps=8 if rounds == 1 else 2)
        before = total
        log_ratio = _linear(between.features, beta) - np.log(n_matches / n_possible)
        posterior, matches, total = expect(log_ratio, n_matches)
        if abs(total - before) <= TOLERANCE * n_matches:
            converged = True
            break
    intercept = float(beta[0] - np.log(n_matches / n_possible))
    return _made(between, beta[1:], intercept, n_matches, posterior, total, rounds, converged)


def settle(between: Between, weights: Floats, intercept: float) -> Fit:
    """Estimate the number of matches and the posteriors by weights that are known.

    Parameters
    ----------
    between : Between
        The candidates.
    weights : ndarray of float64, shape (features,)
        In nats.
    intercept : float
        In nats; both such as a fit to some of the pairs has found.

    Returns
    -------
    Fit
    """
    least, most = _bounds(between)
    log_ratio = _linear(between.features, np.concatenate([[intercept], weights]))
    total, converged, rounds = _START_SHARE * min(between.shape), False, 0
    while not converged and rounds < MAX_ROUNDS:
        rounds += 1
        n_matches = float(np.clip(total, least, most))
        posterior = compete(between, log_ratio, n_matches)
        total = float(posterior @ between.weight)
        converged = abs(total - n_matches) <= TOLERANCE * n_matches
    return _made(between, weights, intercept, n_matches, posterior, total, rounds, converged)


def _bounds(between: Between) -> tuple[float, float]:
    """The least and the most matches that are believed."""
    limit = (_MAX_SHARE if all(between.exclusive) else _MAX_GROUP) * min(between.shape)
    return _MIN_MATCHES, min(limit, 0.5 * between.pairs.n_possible)


def _made(
    between: Between,
    weights: Floats,
    intercept: float,
    n_matches: float,
    posterior: Floats,
    total: float,
    rounds: int,
    converged: bool,
) -> Fit:
    least, most = _bounds(between)
    return Fit(
        weights=weights,
        intercept=intercept,
        n_matches=float(np.clip(total, least, most)),
        odds=odds_against(between, n_matches),
        posterior=posterior,
        rounds=rounds,
        converged=converged,
        at_bound=not least < total < most,
    )


def _linear(rows: Features, beta: Floats) -> Floats:
    return np.asarray(rows @ beta[1:].astype(np.float32) + np.float32(beta[0]), dtype=np.float64)
