"""Quality without truth: precision and recall estimated from the posteriors, with intervals, and when not to trust.

Precision is the mean posterior of the links; recall is the sum of their posteriors over the expected matches, those
that never became candidates included. Intervals come from a bootstrap over the left dataset's records in which every
pair's match status is drawn anew from its posterior; of many rows the sums are normal, and drawn as such.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from broker.matching.candidates import Flags, Pairs, Rows
from broker.matching.evidence.model import Floats, sums

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
N_RESAMPLES = 400
_LEVEL = 0.95
_MISSED_SPREAD = 0.25  # of the number of matches missed; draws from its model differ by 15 to 25 %
_FEW_MATCHES = 100
_SMALL_OVERLAP = 0.03  # of the smaller dataset: below it strangers and few matches are hard to tell apart
_UNEVEN = 0.3  # difference of the shares of records with a value, beyond which a field is one-sided
_MANY_DUPLICATES = 0.2  # of the records of a dataset
_CAUTIOUS = 0.9  # least threshold to recommend where there are doubts
_DISAGREEMENT = 0.15
_ALIKE = 0.1  # heavy pairs within, as a share of those between; a hundredth is usual


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated quality of the links at one threshold.

    Attributes
    ----------
    threshold : float
    n_links : int
    precision, recall, f1 : Interval
    """

    threshold: float
    n_links: int
    precision: Interval
    recall: Interval
    f1: Interval


def estimate(
    pairs: Pairs, posterior: Floats, links: Mapping[float, Rows], *, n_missed: float, seed: int
) -> tuple[Estimate, ...]:
    """Estimate precision and recall of links.

    Parameters
    ----------
    pairs : Pairs
        The candidates, sorted by left row.
    posterior : ndarray of float64, shape (pairs,)
        Of each.
    links : mapping of float to ndarray of int64
        Threshold to positions in ``pairs``.
    n_missed : float
        Expected matches that are not among the candidates.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of Estimate
        For each threshold.
    """
    # Rows with a candidate, numbered through; for the others there is nothing to resample.
    row = np.cumsum(np.diff(pairs.left, prepend=-1) != 0) - 1
    n_rows = int(row[-1]) + 1 if len(row) else 0
    spread = posterior * (1 - posterior)
    all_posterior, all_spread = sums(row, posterior, n_rows), sums(row, spread, n_rows)
    return tuple(
        _estimate(
            row[chosen],
            posterior[chosen],
            spread[chosen],
            all_posterior,
            all_spread,
            threshold,
            n_missed,
            seed,
        )
        for threshold, chosen in links.items()
    )


def _estimate(
    row: Rows,
    posterior: Floats,
    spread: Floats,
    all_posterior: Floats,
    all_spread: Floats,
    threshold: float,
    n_missed: float,
    seed: int,
) -> Estimate:
    """Estimate for links with their rows; ``all_...`` are sums over the candidates of a row."""
    n_rows = len(all_posterior)
    found, true, noise = (sums(row, values, n_rows) for values in (np.ones(len(row)), posterior, spread))
    # Per row: links, expected true links, other expected matches; and the variances of the last two.
    by_row = np.stack([found, true, all_posterior - true])
    total = by_row.sum(axis=1)
    # A bootstrap weighs every row by a Poisson number of mean 1: the sums have this mean and this covariance.
    covariance = by_row @ by_row.T + np.diag([0.0, noise.sum(), max((all_spread - noise).sum(), 0.0)])
    precision, recall, f1 = with_intervals(total, covariance, n_missed=n_missed, seed=seed)
    return Estimate(threshold, len(row), precision, recall, f1)


def with_intervals(
    total: Floats, covariance: Floats, *, n_missed: float, seed: int, missed_sd: float | None = None
) -> tuple[Interval, Interval, Interval]:
    """Precision, recall and F1 with their intervals, from sums over rows that are as good as normal.

    Parameters
    ----------
    total : ndarray of float64, shape (3,)
        Links, expected true links, and expected matches among the other candidates.
    covariance : ndarray of float64, shape (3, 3)
        Of these sums.
    n_missed : float
        Expected matches that are not among the candidates.
    seed : int
        Of the draws.
    missed_sd : float, optional
        Standard deviation of ``n_missed``; by default that of a Poisson number whose mean is uncertain by a quarter.
    """
    random = np.random.default_rng(seed)
    totals = random.multivariate_normal(total, covariance, N_RESAMPLES, method="eigh", check_valid="ignore")
    if missed_sd is None:
        missed_sd = math.hypot(n_missed**0.5, _MISSED_SPREAD * n_missed)
    missed = np.maximum(n_missed + random.normal(size=N_RESAMPLES) * missed_sd, 0)
    draws = []
    for (n_found, n_true, n_rest), n_lost in zip(totals.tolist(), missed.tolist(), strict=True):
        n_found = max(n_found, 0.0)
        n_true = min(max(n_true, 0.0), n_found)
        draws.append(_scores(n_true, n_found, n_true + max(n_rest, 0.0) + n_lost))
    n_found, n_true, n_rest = total.tolist()
    values = _scores(n_true, n_found, n_true + max(n_rest, 0.0) + n_missed)
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    precision, recall, f1 = (
        Interval(value, min(float(a), value), max(float(b), value))
        for value, a, b in zip(values, low, high, strict=True)
    )
    return precision, recall, f1


def missed_by_candidates(
    posterior: Floats, by_filter: Flags, by_key: Flags, probed: Flags, n_keys: Rows
) -> float:
    """Expected matches that neither the filters nor the match keys made candidates.

    The larger of two estimates, both rather too low. Filters and keys as independent captures of one population
    (Chapman 1951): clean records are found by both. And the numbers of keys shared by matches that the filters did not
    find, of which those that share none are at least ``n1**2 / (2 n2)`` (Chao 1987), whatever makes some matches share
    fewer keys than others.

    Parameters
    ----------
    posterior : ndarray of float64, shape (pairs,)
        Of each candidate.
    by_filter, by_key : ndarray of bool, shape (pairs,)
        Which of the two found each pair.
    probed : ndarray of bool, shape (pairs,)
        Pairs of rows that were compared by filter with all others. What the keys miss among these they are taken
        to miss among the rest.
    n_keys : ndarray of int, shape (pairs,)
        Match keys each pair shares.

    Returns
    -------
    float
    """
    return max(
        _by_two_captures(posterior, by_filter, by_key, probed), _by_keys(posterior * ~by_filter, n_keys)
    )


def _by_two_captures(posterior: Floats, by_filter: Flags, by_key: Flags, probed: Flags) -> float:
    here = posterior * probed
    one, two = float(here @ by_filter), float(here @ by_key)
    both = float(here @ (by_filter & by_key))
    if not one or not two:
        return 0.0
    expected = (one + 1) * (two + 1) / (both + 1) - 1
    missed = max(expected - (one + two - both), 0.0)
    elsewhere = float(posterior.sum() - here.sum())
    return missed + elsewhere * max(expected / two - 1, 0.0)


def _by_keys(posterior: Floats, n_keys: Rows) -> float:
    """Chao's bound in the form that a few captures do not upset: ``n1 (n1 - 1) / (2 (n2 + 1))``."""
    once, twice = (float(posterior[n_keys == n].sum()) for n in (1, 2))
    return max(once * (once - 1), 0.0) / (2 * (twice + 1))


def recommend(probability: Floats, n_matches: float, *, doubtful: bool) -> float:
    """The threshold at which the estimated F1 of links is largest, two digits; at least .9 where there are doubts.

    Of links in the order of their probability the k first have the expected F1 ``2 sum(p) / (k + n)``, n the expected
    matches.

    Parameters
    ----------
    probability : ndarray of float64, shape (links,)
        Of all that would be links at a low threshold.
    n_matches : float
        Expected matches, those not among the candidates included.
    doubtful : bool
        Whether the estimates are doubted.
    """
    ordered = np.sort(probability)[::-1]
    f1 = 2 * np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + n_matches)
    best = float(ordered[np.argmax(f1)]) if len(ordered) else 0.5
    return max(math.floor(100 * best) / 100, _CAUTIOUS if doubtful else 0.0)


def doubts(
    *,
    n_matches: float,
    shape: tuple[int, int],
    converged: bool,
    at_bound: bool,
    n_strangers: int,
    expected_above: float,
    n_above: int,
    n_null_above: int,
    null_above: float,
    presence: Mapping[str, tuple[float, float]],
    share_twice: float | None,
) -> tuple[str, ...]:
    """Reasons not to trust an estimate, as sentences; none is good.

    Parameters
    ----------
    n_matches : float
        Expected matches.
    shape : (int, int)
        Rows of the two datasets.
    converged, at_bound : bool
        Of the fit.
    n_strangers : int
        Pairs that cannot match, from which it was learned.
    expected_above : float
        Matches among heavy pairs by the posterior, those whose own evidence makes a match as likely as not.
    n_above, n_null_above : int
        Heavy pairs, and heavy pairs within the duplicate-free datasets.
    null_above : float
        Heavy pairs between that those within stand for.
    presence : mapping of str to (float, float)
        Of each field, the share of records with a value in either dataset.
    share_twice : float or None
        Of a dataset compared with itself, the share of records that are linked.
    """
    found = []
    chance = null_above
    chance_sd = null_above / max(n_null_above, 1) ** 0.5
    excess, excess_sd = n_above - chance, (n_above + chance_sd**2) ** 0.5
    if n_matches < _FEW_MATCHES:
        found.append(
            f"only about {n_matches:.0f} matches are expected: the weights rest on defaults, the estimates are rough"
        )
    elif share_twice is None and n_matches < _SMALL_OVERLAP * min(shape):
        found.append(
            f"only {n_matches / min(shape):.1%} of the smaller dataset are expected to match: among so many strangers"
            " the estimates are rough"
        )
    for field, shares in presence.items():
        if abs(shares[0] - shares[1]) > _UNEVEN:
            found.append(
                f"{field} is there for {shares[0]:.0%} of the records of one dataset and {shares[1]:.0%} of the other:"
                " what one side lacks tells matches and strangers apart badly"
            )
    if share_twice is not None and share_twice > _MANY_DUPLICATES:
        found.append(
            f"{share_twice:.0%} of the records have another one of the same person: if many of these differ much the"
            " recall is lower than estimated, most of all in profiles without a filter for each field"
        )
    if not converged:
        found.append("the weights had not settled when the rounds ran out")
    if at_bound and n_matches < 0.9 * min(shape):
        found.append("the number of matches ended at its bound")
    if not n_strangers:
        found.append("there were no pairs that cannot match to learn from, so they could only be guessed")
    if chance - 2 * chance_sd > _ALIKE * n_above:
        found.append(
            f"{n_null_above} pairs within the datasets said to be duplicate-free look like one person twice, and what"
            " looks like them is not linked; a site that cannot vouch for one row a person should say so"
        )
    elif n_strangers and abs(expected_above - excess) > _DISAGREEMENT * expected_above + 3 * excess_sd:
        found.append(
            f"two ways of counting matches disagree: {expected_above:.0f} by weight, {excess:.0f} by excess over"
            " pairs that cannot match; do the sites write a field differently?"
        )
    return tuple(found)


def _scores(true: float, found: float, matches: float) -> tuple[float, float, float]:
    precision = true / found if found else 1.0
    recall = min(true / matches, 1.0) if matches else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1
