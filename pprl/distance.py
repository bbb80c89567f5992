"""The Jensen-Shannon distance: how far apart two distributions over the same categories are."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def jensen_shannon_distance(p: npt.ArrayLike, q: npt.ArrayLike, *, base: float = 2.0) -> Floats:
    """Compare distributions with the square root of the Jensen-Shannon divergence.

    With ``m = (p + q) / 2`` and ``d = (p - q) / (p + q)`` the divergence ``(KL(p, m) + KL(q, m)) / 2`` is::

        1/2 * sum_i m_i * ((1 + d_i) * ln(1 + d_i) + (1 - d_i) * ln(1 - d_i)) / ln(base)

    which, unlike the two Kullback-Leibler sums, does not cancel where p and q are close. It is a metric
    (Endres and Schindelin 2003, doi:10.1109/TIT.2003.813506), symmetric, 0 for equal distributions, and at
    most ``sqrt(ln 2 / ln base)``: 1 in base 2, 0.8326 in base e.

    Parameters
    ----------
    p, q : array_like of float, shape (..., k)
        Non-negative weights of the same k categories, normalised here; leading axes broadcast.
    base : float
        Base of the logarithm, more than 1; 2 by default (docs/decisions/0005-log-base.md).

    Returns
    -------
    ndarray of float64, shape (...)
        The distance; a scalar array for two vectors.

    Raises
    ------
    ValueError
        Where the categories differ in number, a weight is negative or not finite, or all weights are 0.
    """
    if not base > 1.0 or not math.isfinite(base):
        raise ValueError(f"base is {base}; the logarithm needs a finite base above 1")
    left, right = _normalised(p, "p"), _normalised(q, "q")
    if left.shape[-1] != right.shape[-1]:
        raise ValueError(
            f"p has {left.shape[-1]} categories and q {right.shape[-1]}; give both the same categories"
        )
    divergence = divergence_terms(left, right).sum(axis=-1) / math.log(base)
    distance: Floats = np.sqrt(np.maximum(divergence, 0.0))
    return distance


def divergence_terms(p: Floats, q: Floats) -> Floats:
    """What each category adds to the Jensen-Shannon divergence, in base e.

    Parameters
    ----------
    p, q : ndarray of float64, shape (..., k)
        Shares; leading axes broadcast.

    Returns
    -------
    ndarray of float64, shape (..., k)
    """
    total = p + q
    d = np.divide(p - q, total, out=np.zeros(total.shape), where=total > 0)
    # f(d) = d*(ln(1+d) - ln(1-d)) + ln(1-d^2), and 2*ln(2) at its ends, where a category stands on one side
    # only.
    one_sided = np.abs(d) >= 1.0
    inner = np.where(one_sided, 0.0, d)
    f = inner * (np.log1p(inner) - np.log1p(-inner)) + np.log1p(-inner * inner)
    terms: Floats = 0.25 * total * np.where(one_sided, 2.0 * math.log(2.0), f)
    return terms


def _normalised(weights: npt.ArrayLike, name: str) -> Floats:
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} has no categories")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{name} has a weight that is negative or not a finite number")
    # Scaled by the largest weight first: the sum of huge weights would overflow, of tiny ones lose its
    # digits.
    peak = array.max(axis=-1, keepdims=True)
    if (peak == 0).any():
        raise ValueError(f"{name} has no weight above 0")
    scaled = array / peak
    normalised: Floats = scaled / scaled.sum(axis=-1, keepdims=True)
    return normalised
