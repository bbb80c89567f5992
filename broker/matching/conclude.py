"""The end of a comparison: links, their estimated quality, and what speaks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.matching import alone, missed, quality, resolve, weigh
from broker.matching.candidates import CappedKey, Flags, Pairs, Rows
from broker.matching.compare import Compared
from broker.matching.dataset import Dataset
from broker.matching.entities import LEAST_PROBABILITY, Links
from broker.matching.evidence import Feature, sums
from broker.matching.evidence.model import Floats
from broker.matching.explain import Explained, explain
from broker.matching.histogram import Histogram, histogram_of
from broker.matching.quality import THRESHOLDS, Estimate
from broker.matching.strata import Stratum, by_stratum

_LOW_THRESHOLD = 0.1  # below all that would be recommended


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two datasets compared, or one with itself.

    Attributes
    ----------
    left, right : int
        Dataset numbers.
    route : str
        How candidates were found; see `ComparisonPlan.route`.
    why : str
        Of that choice.
    n_compared : int
        Comparisons of filters, strangers included.
    n_possible, n_candidates, by_filter, by_key : int
        Pairs.
    capped : tuple of CappedKey
    features : tuple of Feature
    fit : weigh.Fit
    links : Pairs
        The chosen ones.
    probability : ndarray of float64, shape (links,)
    explained : Explained
        Of the links and of what might have been one.
    n_missed : float
        Expected matches that are not among the candidates.
    bucket_recall : float or None
        Of the expected matches near by filter, the share that met in a bucket; measured on the probe.
    estimates : tuple of Estimate
        At the threshold of the run first, then at others.
    recommended_threshold : float
        See `broker.matching.quality.recommend`.
    doubts : tuple of str
    strata : tuple of Stratum
        Of both datasets; none where the schema has no strata.
    histogram : Histogram
    seconds : dict of str to float
        By stage.
    """

    left: int
    right: int
    route: str
    why: str
    n_compared: int
    n_possible: int
    n_candidates: int
    by_filter: int
    by_key: int
    capped: tuple[CappedKey, ...]
    features: tuple[Feature, ...]
    fit: weigh.Fit
    links: Pairs
    probability: Floats
    explained: Explained
    n_missed: float
    bucket_recall: float | None
    estimates: tuple[Estimate, ...]
    recommended_threshold: float
    doubts: tuple[str, ...]
    strata: tuple[Stratum, ...]
    histogram: Histogram
    seconds: dict[str, float]

    @property
    def n_matches(self) -> float:
        """Expected matches, among the candidates and not: what estimated recall is a share of."""
        return float(self.fit.posterior.sum()) + self.n_missed

    @property
    def n_absent(self) -> float:
        """Expected matches that entities are not gathered from: no candidates, or improbable ones."""
        posterior = self.fit.posterior
        return float(posterior[posterior < LEAST_PROBABILITY].sum()) + self.n_missed


@dataclass(frozen=True, slots=True)
class Weighed:
    """A fit, the candidates as they compete in it, and the strangers that it was learned from."""

    fit: weigh.Fit
    between: weigh.Between
    strangers: weigh.Strangers


@dataclass(frozen=True, slots=True)
class Concluded:
    """A comparison, and what entities are gathered from.

    Attributes
    ----------
    comparison : Comparison
    edges : Links
        Row numbers of the comparison's left and right dataset: the links, and the pairs below the threshold that are
        not quite improbable.
    is_link : ndarray of bool, shape (edges,)
    """

    comparison: Comparison
    edges: Links
    is_link: Flags


def conclude(compared: Compared, weighed: Weighed, *, threshold: float, seed: int) -> Concluded:
    """Choose the links of a comparison, estimate their quality, and explain them.

    Parameters
    ----------
    compared : Compared
        The candidates.
    weighed : Weighed
        Their fit.
    threshold : float
        Least posterior of a link.
    seed : int
        Of the bootstrap.
    """
    plan, evidence, found, clock = compared.plan, compared.evidence, compared.found, compared.clock
    left, right, pairs = compared.left, compared.right, found.pairs
    fit, between, strangers = weighed.fit, weighed.between, weighed.strangers
    itself = plan.itself
    first, last = sorted((plan.rows, plan.columns))
    of_pair, pair_weight = between.of_pair, between.weight
    log_ratio = between.features @ fit.weights + fit.intercept
    null_ratio = strangers.features @ fit.weights + fit.intercept

    with clock("resolve"):
        cuts = sorted({threshold, *THRESHOLDS}, key=lambda cut: (cut != threshold, cut))
        # From one half on rivals leave no choice: the links of a higher threshold are among those of a lower.
        links: dict[float, Rows] = {}
        for lowest in sorted({min(cuts), min(THRESHOLDS)}):
            found_at = resolve.choose(
                pairs, fit.posterior, log_ratio[of_pair], threshold=lowest, exclusive=between.exclusive
            )
            links |= {cut: found_at[fit.posterior[found_at] >= cut] for cut in cuts if cut >= lowest}
        is_link = np.zeros(len(pairs), dtype=np.bool_)
        is_link[links[threshold]] = True
        some = np.flatnonzero(is_link | ((fit.posterior >= LEAST_PROBABILITY) & (fit.posterior < threshold)))
        edges, flags = Links(pairs.left[some], pairs.right[some], fit.posterior[some]), is_link[some]

    with clock("explain"):
        explained = explain(evidence, between, vectors=compared.vectors, fit=fit, chosen=links[threshold])

    with clock("estimate"):
        probed = pairs.left < plan.cross.n_probed
        n_looked = plan.cross.n_probed if evidence.compares_filters else 0
        thirds = alone.thirds(between, fit.posterior) if itself else None
        some, likely = missed.likely_matches(
            left, right, found, fit.posterior, n_probed=n_looked, thirds=thirds
        )
        n_keys = np.zeros(len(pairs), dtype=np.int64)  # 0 for those that are hardly a match
        n_keys[some] = np.bitwise_count(likely.shared[likely.seen])
        without_key = missed.share_without_key(left, right)
        by_model = missed.expected_missed(
            likely, left.schema, without_key=without_key, nearness=evidence.nearness
        )
        n_missed = (
            quality.missed_by_candidates(
                fit.posterior, found.from_filter, found.from_key | found.from_bucket, probed, n_keys
            )
            if by_model is None
            else by_model
        )
        if thirds is not None:
            n_missed = min(n_missed, len(thirds.unseen) + alone.most_unseen(between, fit.posterior, thirds))
        by_filter = fit.posterior * (found.from_filter & probed)
        bucket_recall = (
            float(by_filter @ found.from_bucket / max(by_filter.sum(), 1e-300))
            if plan.cross.n_tables
            else None
        )
        estimates = quality.estimate(pairs, fit.posterior, links, n_missed=n_missed, seed=seed)
        even = float(np.log(max(pairs.n_possible / fit.n_matches - 1, 1e-9)))
        heavy, null_heavy = log_ratio >= even, null_ratio >= even
        counts = sums(of_pair, pair_weight, len(between.features))
        doubts = quality.doubts(
            n_matches=fit.n_matches,
            shape=(len(left), len(right)),
            converged=fit.converged,
            at_bound=fit.at_bound,
            n_strangers=int(strangers.n_pairs.sum()),
            expected_above=float((fit.posterior * pair_weight)[heavy[of_pair]].sum()),
            n_above=round(float(counts[heavy].sum())),
            n_null_above=int(strangers.n_pairs[null_heavy].sum()),
            null_above=float(strangers.weight[null_heavy].sum()),
            presence={} if itself else _presence(left, right),
            share_twice=_share_linked(pairs.some(links[threshold]), len(left)) if itself else None,
        )
        low = resolve.choose(
            pairs, fit.posterior, log_ratio[of_pair], threshold=_LOW_THRESHOLD, exclusive=between.exclusive
        )
        recommended = quality.recommend(
            fit.posterior[low], float(fit.posterior.sum()) + n_missed, doubtful=bool(doubts)
        )
        strata = by_stratum(
            [(plan.rows, left)] if itself else [(plan.rows, left), (plan.columns, right)],
            found,
            fit.posterior,
            pair_weight,
            links[threshold],
            n_probed=plan.cross.n_probed,
            n_keys=n_keys,
            n_missed=n_missed,
            seed=seed,
        )
    made = pairs.some(links[threshold])
    if plan.rows != first:
        edges = Links(edges.right, edges.left, edges.probability)
        explained = explained.turned()
        made = Pairs(made.right, made.left, made.n_possible)
    comparison = Comparison(
        left=first,
        right=last,
        route=plan.route,
        why=plan.why,
        n_compared=plan.n_compared if evidence.compares_filters else 0,
        n_possible=pairs.n_possible,
        n_candidates=len(pairs),
        by_filter=int(found.from_filter.sum()),
        by_key=int(found.from_key.sum()),
        capped=found.capped,
        features=evidence.features,
        fit=fit,
        links=made,
        probability=fit.posterior[links[threshold]],
        explained=explained,
        n_missed=n_missed,
        bucket_recall=bucket_recall,
        estimates=estimates,
        recommended_threshold=recommended,
        doubts=doubts,
        strata=strata,
        histogram=histogram_of(
            log_ratio,
            counts,
            null=null_ratio,
            null_weight=strangers.weight,
            threshold=float(np.log(fit.odds * threshold / (1 - threshold))),
        ),
        seconds=clock.seconds,
    )
    return Concluded(comparison, edges, flags)


def _presence(left: Dataset, right: Dataset) -> dict[str, tuple[float, float]]:
    """Of each field, the shares of records with a value."""
    return {
        name: (float(left.has(name).mean()), float(right.has(name).mean()))
        for name in left.schema.field_names
    }


def _share_linked(links: Pairs, n_rows: int) -> float:
    """Share of a dataset's records that have a link within it."""
    return len(np.union1d(links.left, links.right)) / n_rows
