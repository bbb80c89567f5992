"""What speaks for the pairs that a person may ask about: their evidence, part by part, and their rivals.

::

    log odds of a pair alone  =  prior + intercept + part + part + ...
    log of its posterior odds =  log odds + competition

The prior is ``-log o`` (see `broker.matching.weigh.odds_against`), the intercept is the fit's, a part the sum of
weight times feature over its features, and the competition ``-log(1 + others / o)``, where ``others`` is the sum of
the likelihood ratios of all other candidates of either record that has at most one match. Of a dataset alone, whose
records have any number of matches, it is what third records tell (see `broker.matching.alone`). Nearly all candidates
are strangers that nobody asks about, so this is kept for few of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from broker.matching import _loops, weigh
from broker.matching.candidates import Flags, Pairs, Rows
from broker.matching.evidence import Evidence, Seen, Vectors
from broker.matching.evidence.model import Floats, by_part

LEAST_POSTERIOR = 0.01
"""Besides the links those candidates are explained that have this posterior, or would have even odds without rivals."""
MOST_PER_RECORD = 5
"""Of these, the best of each record: so many that nobody asks for more, and never many times the links."""
_LEAST = 1e-9  # from 0 and 1, for log odds
_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Explained:
    """Pairs with their evidence, weights in nats.

    Attributes
    ----------
    pairs : Pairs
        Sorted as the candidates were.
    posterior : ndarray of float64, shape (pairs,)
    chosen : ndarray of bool, shape (pairs,)
        The links of the comparison.
    others : ndarray of float64, shape (pairs,)
        Share of the probability that other candidates of either record take.
    competition : ndarray of float64, shape (pairs,)
        What these take from the log odds; or what third records add to them or take.
    prior, intercept : float
        Of every pair.
    pattern : ndarray of int64, shape (pairs,)
        Row of ``weights`` and of what was seen.
    weights : ndarray of float64, shape (patterns, parts)
    seen : tuple of Seen
        For each part.
    """

    pairs: Pairs
    posterior: Floats
    chosen: Flags
    others: Floats
    competition: Floats
    prior: float
    intercept: float
    pattern: npt.NDArray[np.int64]
    weights: Floats
    seen: tuple[Seen, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(one.part for one in self.seen)

    @property
    def log_odds(self) -> Floats:
        """Of each pair alone, its rivals apart; shape (pairs,)."""
        of_pattern: Floats = self.prior + self.intercept + self.weights.sum(axis=1)
        return of_pattern[self.pattern]

    def turned(self) -> Explained:
        """The same with left and right exchanged, sorted anew."""
        order = np.lexsort((self.pairs.left, self.pairs.right))
        return replace(
            self,
            pairs=Pairs(self.pairs.right[order], self.pairs.left[order], self.pairs.n_possible),
            posterior=self.posterior[order],
            chosen=self.chosen[order],
            others=self.others[order],
            competition=self.competition[order],
            pattern=self.pattern[order],
        )


def explain(
    evidence: Evidence, between: weigh.Between, *, vectors: Vectors, fit: weigh.Fit, chosen: Rows
) -> Explained:
    """Explain the links of a comparison, and the candidates that might have been links.

    Parameters
    ----------
    evidence : Evidence
        The model.
    between : weigh.Between
        All candidates.
    vectors : ndarray of uint32, shape (patterns, columns)
        Their distinct comparison vectors.
    fit : weigh.Fit
        Weights and posteriors.
    chosen : ndarray of int64
        Positions of the links in ``pairs``.
    """
    pairs, features, of_pair = between.pairs, between.features, between.of_pair
    log_ratio = features @ fit.weights + fit.intercept
    is_chosen = np.zeros(len(pairs), dtype=np.bool_)
    is_chosen[chosen] = True
    might_be = (fit.posterior >= LEAST_POSTERIOR) | (log_ratio >= np.log(fit.odds))[of_pair]
    asked = np.flatnonzero(might_be & ~is_chosen)
    rank = np.lexsort((-log_ratio[of_pair[asked]], -fit.posterior[asked]))
    best = _first(pairs.left[asked], rank) | _first(pairs.right[asked], rank)
    kept = np.union1d(chosen, asked[best])

    ratio = weigh.ratios(log_ratio)
    others = _others(between, kept, ratio)
    if any(between.exclusive):
        competition = -np.log1p(others / fit.odds)
    else:
        competition = _by_thirds(np.log(ratio[of_pair[kept]] / fit.odds), fit.posterior[kept])
    used, pattern = np.unique(of_pair[kept], return_inverse=True)
    parts = by_part(evidence.features)
    weights = np.empty((len(used), len(parts)))
    for part, columns in enumerate(parts.values()):
        weights[:, part] = features[used][:, columns] @ fit.weights[columns]
    return Explained(
        pairs=pairs.some(kept),
        posterior=fit.posterior[kept],
        chosen=is_chosen[kept],
        others=others / (fit.odds + ratio[of_pair[kept]] + others),
        competition=competition,
        prior=-float(np.log(fit.odds)),
        intercept=fit.intercept,
        pattern=pattern.astype(np.int64),
        weights=weights,
        seen=evidence.describe(vectors[used]),
    )


def _by_thirds(log_odds: Floats, posterior: Floats) -> Floats:
    """What the posterior's log odds are more than those of the pair alone; 0 where the posterior is just these."""
    known = np.clip(posterior, _LEAST, 1 - _LEAST)
    more = np.log(known / (1 - known)) - log_odds
    return np.asarray(np.where((posterior > 1 - _LEAST) | (np.abs(more) < _ROUNDING), 0.0, more))


def _first(rows: Rows, rank: Rows) -> Flags:
    """Whether each pair is among the first few of its row; ``rank`` lists pairs in their order."""
    order = rank[np.argsort(rows[rank], kind="stable")]
    new = np.flatnonzero(np.diff(rows[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(new, np.diff(new, append=len(order)))
    out = np.empty(len(rows), dtype=np.bool_)
    out[order] = place < MOST_PER_RECORD
    return out


def _others(between: weigh.Between, kept: Rows, ratio: Floats) -> Floats:
    """Sum of the likelihood ratios of the other candidates of either row, shape (kept,).

    What a pair itself adds may be 1e17 times all the others: it is left out, not subtracted.
    """
    pairs, of_pair = between.pairs, between.of_pair
    own = ratio[of_pair[kept]]
    total = np.zeros(len(kept))
    sides = zip((pairs.left, pairs.right), between.shape, between.exclusive, strict=True)
    for rows, n_rows, only_one in sides:
        if not only_one:
            continue
        asked, place = np.unique(rows[kept], return_inverse=True)
        number = np.full(n_rows, -1, dtype=np.int32)
        number[asked] = np.arange(len(asked))
        largest, rest = np.zeros(len(asked)), np.zeros(len(asked))
        _loops.add_up_apart(rows, ratio, of_pair, number, largest, rest)
        total += np.where(own == largest[place], rest[place], rest[place] - own + largest[place])
    return np.maximum(total, 0)
