"""What chance and missing answers alone could do to a distance."""

from __future__ import annotations

import math

import numpy as np

from pprl.distance import Floats, divergence_terms, jensen_shannon_distance

_CELLS_AT_ONCE = 2_000_000


def resampled_distances(
    counts: Floats, reference: Floats, *, n_resamples: int, base: float, rng: np.random.Generator
) -> Floats:
    """Distances of bootstrap samples of the cohort from the reference, which is taken as exact.

    Parameters
    ----------
    counts, reference : ndarray of float64, shape (k,)
        Neither with "Not reported".
    n_resamples : int
        How many samples.
    base : float
        Of the logarithm.
    rng : numpy Generator
        Source of chance.

    Returns
    -------
    ndarray of float64, shape (n_resamples,)
    """
    n = max(1, round(float(counts.sum())))
    return _sampled(n, counts, reference, n_resamples=n_resamples, base=base, rng=rng)


def perfect_distances(
    n: int, reference: Floats, *, n_resamples: int, base: float, rng: np.random.Generator
) -> Floats:
    """Distances from the reference of ``n`` people drawn from it at random: what chance alone does.

    Returns
    -------
    ndarray of float64, shape (n_resamples,)
    """
    return _sampled(n, reference, reference, n_resamples=n_resamples, base=base, rng=rng)


def _sampled(
    n: int, drawn_from: Floats, reference: Floats, *, n_resamples: int, base: float, rng: np.random.Generator
) -> Floats:
    """Distances from the reference of samples of ``n`` people, drawn some at a time to bound the memory."""
    shares = drawn_from / drawn_from.sum()
    at_once = max(1, _CELLS_AT_ONCE // shares.size)
    return np.concatenate(
        [
            jensen_shannon_distance(
                rng.multinomial(n, shares, size=min(at_once, n_resamples - done)), reference, base=base
            )
            for done in range(0, n_resamples, at_once)
        ]
    )


def missing_bounds(
    counts: Floats, gap: float, reference: Floats, reference_gap: float, *, base: float
) -> tuple[float, float]:
    """The least and the greatest distance, whatever the people not reported are, on both sides.

    With shares l of the cohort and m of the reference that are certain, the distributions are any p >= l and
    q >= m. The divergence is convex in (p, q) jointly. Its greatest value is therefore at a corner, where all
    of the gap is one category, and all pairs of corners are tried. Its least is 0 where ``sum(max(l, m)) <=
    1``; else p = max(l, t*m) and q = max(m, s*l) with t and s such that both add up to 1, since there the
    ratio p/q, on which alone the derivative depends, is the same wherever p (or q) is free, and no smaller
    (greater) elsewhere.

    Parameters
    ----------
    counts, reference : ndarray of float64, shape (k,)
        Neither with "Not reported".
    gap, reference_gap : float
        "Not reported", in the units of its side.
    base : float
        Of the logarithm.

    Returns
    -------
    (float, float)
    """
    certain = counts / (counts.sum() + gap)
    known = reference / (reference.sum() + reference_gap)
    most = _furthest_corner(certain, 1.0 - certain.sum(), known, 1.0 - known.sum())
    greatest = math.sqrt(max(most, 0.0) / math.log(base))
    if np.maximum(certain, known).sum() <= 1.0 + 1e-12:
        return 0.0, greatest
    nearest_p = np.maximum(certain, _scale(certain, known) * known)
    nearest_q = np.maximum(known, _scale(known, certain) * certain)
    return float(jensen_shannon_distance(nearest_p, nearest_q, base=base)), greatest


def _furthest_corner(p: Floats, rest_p: float, q: Floats, rest_q: float) -> float:
    """The greatest divergence, in base e, where the rest of p is one category and the rest of q is one.

    A corner changes one category's term, or two: so the sum is not taken anew for each of the k * k corners.
    """
    rest_p, rest_q = max(rest_p, 0.0), max(rest_q, 0.0)
    terms = divergence_terms(p, q)
    p_here = divergence_terms(p + rest_p, q) - terms
    q_here = divergence_terms(p, q + rest_q) - terms
    gain = float((divergence_terms(p + rest_p, q + rest_q) - terms).max())  # both in one category
    if p.size > 1:
        first, second = np.argsort(q_here)[::-1][:2]
        best_q = np.where(np.arange(p.size) == first, q_here[second], q_here[first])
        gain = max(gain, float((p_here + best_q).max()))
    return float(terms.sum()) + gain


def _scale(floor: Floats, shape: Floats) -> float:
    """The factor t with ``sum(max(floor, t * shape)) == 1``, where it is between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if np.maximum(floor, middle * shape).sum() < 1.0 else (low, middle)
    return (low + high) / 2.0
