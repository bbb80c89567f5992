"""Whether a delivery differs from the last one by more than chance, and by enough to matter."""

from __future__ import annotations

import math
from collections.abc import Sequence

from broker.delivery_quality.survey import Bits

_SIGMAS = 4.0  # chance alone: once in 16,000 fields
_WORTH_SAYING = 0.02  # of the records
_WORTH_SAYING_OF_FEW = 0.005  # where a field lost or won half of its values
_CHANCE_OF_FILL = 1e-4
_WORTH_SAYING_OF_FILL = 0.02


def share_differs(share: float, n: int, last_share: float, n_last: int) -> bool:
    """Whether two shares differ: by the test of two proportions, and by two points.

    Of millions of records every difference is significant, so that it must matter as well: by .02, or by .005 where
    the smaller share is less than half of the larger one.
    """
    difference = abs(share - last_share)
    matters = difference >= _WORTH_SAYING or (
        difference >= _WORTH_SAYING_OF_FEW and 2 * min(share, last_share) < max(share, last_share)
    )
    if not (matters and n and n_last):
        return False
    pooled = (share * n + last_share * n_last) / (n + n_last)
    return difference > _SIGMAS * math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_last))


def fill_distance(pairs: Sequence[tuple[Bits, Bits]]) -> tuple[float, float]:
    """How far the filters of two deliveries are apart in their numbers of set bits.

    Parameters
    ----------
    pairs : sequence of (Bits, Bits)
        This delivery and the last one, for each group of records that both have, such as those with the same
        fields; so that a field which comes more often than before does not count as another encoding. Not empty.

    Returns
    -------
    float
        The Hellinger distance of two normal distributions, whose means and variances are the groups', averaged, each
        group with the weight of its smaller side: 0 for equal ones, .02 where the means are .06 standard
        deviations apart, at most 1.
    float
        The threshold: what chance exceeds once in 10,000 deliveries, and at least .02.

    Notes
    -----
    ``h**2 = 1 - sqrt(2*a*b / (a*a + b*b)) * exp(-(x - y)**2 / (4 * (a*a + b*b)))`` for means x, y and standard
    deviations a, b. Of two samples of one normal distribution ``8 * h**2 / (1/n + 1/m)`` is chi-squared with two
    degrees of freedom, half for the means and half for the deviations, and exceeds ``-2 * ln(p)`` with probability p.
    """
    weights = [min(here.n, last.n) for here, last in pairs]
    shares = [weight / sum(weights) for weight in weights]
    x, y = (
        sum(share * pair[side].mean for share, pair in zip(shares, pairs, strict=True)) for side in (0, 1)
    )
    # A filter of which all are equal still has the spread of one bit's rounding.
    a, b = (
        max(sum(share * pair[side].sd ** 2 for share, pair in zip(shares, pairs, strict=True)), 1 / 12)
        for side in (0, 1)
    )
    affinity = math.sqrt(2 * math.sqrt(a * b) / (a + b)) * math.exp(-((x - y) ** 2) / (4 * (a + b)))
    spread = sum(
        share**2 * (1 / here.n + 1 / last.n) for share, (here, last) in zip(shares, pairs, strict=True)
    )
    by_chance = math.sqrt(-2 * math.log(_CHANCE_OF_FILL) * spread / 8)
    return math.sqrt(max(1 - affinity, 0.0)), max(by_chance, _WORTH_SAYING_OF_FILL)
