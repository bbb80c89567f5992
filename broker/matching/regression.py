"""The M-step: matches against pairs that cannot match, by ridge logistic regression over the distinct patterns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broker.matching.evidence.model import Features, Floats

Rows = npt.NDArray[np.signedinteger]

CROSS_SHARE = 0.25
"""Share of the non-matches taken from the pairs between the datasets, weighted by 1 - p, in place of those within.

Where the two sites write things differently the pairs within do not see it, and a difference of style would be
taken for evidence; where there are few records the pairs between say little. A quarter loses neither.
"""
_INTERCEPT_FIRMNESS = 0.3  # in 1/nats^2; the weights are to say it all, which few matches would not see to
_MAX_STEP = 3.0  # nats in one Newton step
_MAX_PATTERNS = 400_000  # that the regression learns from; beyond, those of least count are sampled


class Regression:
    """Matches against non-matches, by damped Newton steps over the patterns."""

    def __init__(
        self,
        cross: Features,
        cross_weight: Floats,
        null: Features,
        null_weight: Floats,
        *,
        firmness: list[float],
        seed: int,
    ) -> None:
        self._firmness = np.array([_INTERCEPT_FIRMNESS, *firmness])
        random = np.random.default_rng(seed)
        self._rows, self._scale = _sampled(cross_weight, random)
        null_rows, null_scale = _sampled(null_weight, random)
        self._cross = _with_ones(cross[self._rows])
        self._cross_weight = cross_weight[self._rows]
        self._null = _with_ones(null[null_rows])
        # Without pairs that cannot match, those between stand for all non-matches.
        self._cross_share = CROSS_SHARE if len(null) else 1.0
        self._null_weight = (1 - self._cross_share) * null_weight[null_rows] * null_scale

    def improve(self, beta: Floats, prior: Floats, matches: Floats, *, steps: int) -> Floats:
        """A few Newton steps from ``beta``, with the expected ``matches`` of all cross patterns."""
        match = self._scale * matches[self._rows]
        rest = self._cross_share * (self._scale * self._cross_weight - match)
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


def _sampled(weight: Floats, random: np.random.Generator) -> tuple[Rows, Floats]:
    """Numbers of at most ``_MAX_PATTERNS`` patterns, and by how much the weight of each is to be scaled.

    Half are those of most pairs; of the others as many are drawn.
    """
    if len(weight) <= _MAX_PATTERNS:
        return np.arange(len(weight)), np.ones(len(weight))
    kept = _MAX_PATTERNS // 2
    order = np.argpartition(-weight, kept)
    drawn = random.choice(order[kept:], kept, replace=False)
    rows = np.sort(np.concatenate([order[:kept], drawn]))
    scale = np.full(len(weight), (len(weight) - kept) / kept)
    scale[order[:kept]] = 1
    return rows, scale[rows]


def _with_ones(rows: Features) -> Floats:
    return np.column_stack([np.ones(len(rows)), rows]).astype(np.float64)


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))))


def _weighted_square(rows: Floats, weights: Floats) -> Floats:
    square: Floats = (rows * weights[:, None]).T @ rows
    return square
