"""What chance and missing answers alone could do to a distance."""

from __future__ import annotations

import numpy as np

from pprl.cohort.distance import Floats, jensen_shannon_distance


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
    return jensen_shannon_distance(
        rng.multinomial(n, _shares(counts), size=n_resamples), reference, base=base
    )


def perfect_distances(
    n: int, reference: Floats, *, n_resamples: int, base: float, rng: np.random.Generator
) -> Floats:
    """Distances from the reference of ``n`` people drawn from it at random: what chance alone does.

    Returns
    -------
    ndarray of float64, shape (n_resamples,)
    """
    return jensen_shannon_distance(
        rng.multinomial(n, _shares(reference), size=n_resamples), reference, base=base
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
    corners = np.eye(counts.size)
    p = certain + (1.0 - certain.sum()) * corners
    q = known + (1.0 - known.sum()) * corners
    most = jensen_shannon_distance(p[:, None, :].clip(min=0.0), q[None, :, :].clip(min=0.0), base=base).max()
    if np.maximum(certain, known).sum() <= 1.0 + 1e-12:
        return 0.0, float(most)
    nearest_p = np.maximum(certain, _scale(certain, known) * known)
    nearest_q = np.maximum(known, _scale(known, certain) * certain)
    return float(jensen_shannon_distance(nearest_p, nearest_q, base=base)), float(most)


def _scale(floor: Floats, shape: Floats) -> float:
    """The factor t with ``sum(max(floor, t * shape)) == 1``, where it is between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if np.maximum(floor, middle * shape).sum() < 1.0 else (low, middle)
    return (low + high) / 2.0


def _shares(weights: Floats) -> Floats:
    shares: Floats = weights / weights.sum()
    return shares
