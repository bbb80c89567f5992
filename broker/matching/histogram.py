"""How many pairs have which match weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.matching.evidence.model import Floats

N_BINS = 48


@dataclass(frozen=True, slots=True)
class Histogram:
    """Match weights of the candidate pairs, and of as many pairs that cannot match.

    Attributes
    ----------
    edges : ndarray of float64, shape (bins + 1,)
        In nats.
    between, null : ndarray of float64, shape (bins,)
        Pairs between the datasets; pairs within, scaled to the same number of possible pairs.
    threshold : float
        The weight at which an uncontested pair has the threshold's posterior.
    """

    edges: Floats
    between: Floats
    null: Floats
    threshold: float


def histogram_of(
    between: Floats, counts: Floats, *, null: Floats, null_weight: Floats, threshold: float
) -> Histogram:
    """Count the weights of the patterns.

    Parameters
    ----------
    between, counts : ndarray of float64
        Weights, in nats, of the patterns of pairs between the datasets, and how many pairs have each.
    null, null_weight : ndarray of float64
        The same of pairs within.
    threshold : float
        As of `Histogram`.
    """
    everything = np.concatenate([between, null, [threshold - 5, threshold + 5]])
    edges = np.linspace(np.floor(everything.min()), np.ceil(everything.max()), N_BINS + 1)
    return Histogram(
        edges,
        np.histogram(between, edges, weights=counts)[0],
        np.histogram(null, edges, weights=null_weight)[0],
        threshold,
    )
