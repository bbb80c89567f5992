"""The matching pipeline: candidates, compare, weigh, resolve, estimate; on arrays, whatever the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from broker.engines import Engine
from broker.engines.local import LocalEngine
from broker.matching import duplicates, missed, quality, resolve, weigh
from broker.matching.candidates import CappedKey, Flags, Pairs, Rows
from broker.matching.compare import Compared, compare
from broker.matching.dataset import Dataset
from broker.matching.entities import LEAST_PROBABILITY, Links, gather_entities
from broker.matching.evidence import Feature, sums
from broker.matching.evidence.model import Floats
from broker.matching.explain import Explained, explain
from broker.matching.histogram import Histogram, histogram_of
from broker.matching.plan import Candidates, Plan, Size, make_plan
from broker.matching.quality import THRESHOLDS, Estimate
from broker.matching.strata import Stratum, by_stratum
from pprl.console import Progress, silent
from pprl.errors import LinkageError

DEFAULT_THRESHOLD = 0.5
TURNS = 3
"""Times that weights are learned where datasets may hold duplicates."""
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


@dataclass(frozen=True, slots=True)
class Linkage:
    """The outcome of a run.

    Attributes
    ----------
    datasets : tuple of Dataset
    comparisons : tuple of Comparison
    links : Links
        Over all datasets, records numbered through; those that entities keep.
    entity : ndarray of int64, shape (records,)
    n_dropped : int
        Links dropped because other pairs of the records they would have joined spoke against it, such as two
        records of a duplicate-free dataset.
    threshold : float
    """

    datasets: tuple[Dataset, ...]
    comparisons: tuple[Comparison, ...]
    links: Links
    entity: npt.NDArray[np.int64]
    n_dropped: int
    threshold: float


def plan_for(datasets: Sequence[Dataset], candidates: Candidates = "auto") -> Plan:
    """The plan of a run over these datasets.

    Raises
    ------
    LinkageError
        There are no two records to compare.
    """
    sizes = [Size(dataset.name, len(dataset), dataset.duplicate_free) for dataset in datasets]
    plan = make_plan(sizes, datasets[0].schema, candidates=candidates) if datasets else None
    if plan is None or not plan.comparisons:
        raise LinkageError(
            "there is nothing to link: give two datasets that hold records, or one that may hold duplicates"
        )
    return plan


def link(
    datasets: Sequence[Dataset],
    *,
    threshold: float = DEFAULT_THRESHOLD,
    seed: int = 0,
    candidates: Candidates = "auto",
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Linkage:
    """Link datasets of one schema, every two of them, and gather entities over all.

    Parameters
    ----------
    datasets : sequence of Dataset
        Two or more with different names, or one that may hold duplicates.
    threshold : float
        Least posterior of a link.
    seed : int
        Of all samples; the same inputs and seed give the same links.
    candidates : {"auto", "all", "keys"}
        As of `make_plan`.
    engine : Engine, optional
        Where candidates are found and compared; this machine by default.
    progress : callable
        Such as `pprl.console.progress`.

    Returns
    -------
    Linkage
        Of datasets that hold records every two are compared, and each with itself that may hold duplicates.

    Raises
    ------
    LinkageError
        There are no two records to compare.
    """
    plan = plan_for(datasets, candidates)
    engine = LocalEngine() if engine is None else engine

    def comparing() -> Iterator[Compared]:
        for planned in plan.comparisons:
            yield compare(datasets, planned, engine, seed=seed, progress=progress)

    # Many small products: on a busy machine the threads of BLAS would wait for each other most of the time.
    with threadpool_limits(1, "blas"):
        if all(dataset.duplicate_free for dataset in datasets):
            weighed: Iterable[tuple[Compared, _Weighed]] = (
                (compared, _weigh(compared, {}, seed=seed)) for compared in comparing()
            )
        else:
            weighed = _weigh_all(list(comparing()), datasets, seed=seed, progress=progress)
        concluded = [_conclude(*one, threshold=threshold, seed=seed) for one in weighed]
    comparisons = tuple(comparison for comparison, _, _ in concluded)
    with progress("entities", None):
        edges = _numbered_through([(c.left, c.right, e) for c, e, _ in concluded], datasets)
        is_link = np.concatenate([flags for _, _, flags in concluded])
        entity = _gather(edges, is_link, datasets, threshold)
    kept = is_link & (entity[edges.left] == entity[edges.right])
    n_dropped = int(is_link.sum() - kept.sum())
    return Linkage(tuple(datasets), comparisons, edges.some(kept), entity, n_dropped, threshold)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A fit, the candidates as they compete in it, and the strangers that it was learned from."""

    fit: weigh.Fit
    between: weigh.Between
    strangers: weigh.Strangers


def _weigh_all(
    compared: Sequence[Compared], datasets: Sequence[Dataset], *, seed: int, progress: Progress
) -> list[tuple[Compared, _Weighed]]:
    """Weigh comparisons of which some are of datasets that may hold duplicates.

    Who is twice in a dataset is to be known where weights are learned from it, and is known the better the better the
    weights: so they are learned several times, each time with the entities of the time before.
    """
    people = {}
    for one in compared:
        if one.plan.itself:
            prior = np.array([feature.prior for feature in one.evidence.features])
            fit = weigh.settle(one.between, prior, 0.0)
            people[one.plan.rows] = duplicates.people_within(one.between, fit.posterior)
    for turn in range(TURNS):
        weighed = [(one, _weigh(one, people, seed=seed)) for one in compared]
        if turn == TURNS - 1:
            break
        with progress("entities", None):
            parts = [
                (one.plan.rows, one.plan.columns, _edges(done.between.pairs, done.fit.posterior))
                for one, done in weighed
            ]
            edges = _numbered_through(parts, datasets)
            entity = _gather(edges, edges.probability >= 0.5, datasets, 0.5)
            starts = _starts(datasets)
            for number in people:
                mine = entity[starts[number] : starts[number + 1]]
                people[number] = np.unique(mine, return_inverse=True)[1].astype(np.int64)
    return weighed


def _weigh(compared: Compared, people: Mapping[int, Rows], *, seed: int) -> _Weighed:
    """Learn weights among representatives of the people known, and weigh all candidates with them."""
    plan, between = compared.plan, compared.between
    with compared.clock("weigh"), compared.show("weighing", None):
        if plan.itself:
            sample, strangers = duplicates.halves(between, people[plan.rows])
        else:
            known = {d: duplicates.representatives(people[d]) for d in people}
            between = duplicates.told_apart(between, people.get(plan.rows), people.get(plan.columns))
            sample = between
            if plan.rows in known or plan.columns in known:
                everyone = [np.ones(len(x), dtype=np.bool_) for x in (compared.left, compared.right)]
                kept = [
                    known.get(d, all_of)
                    for d, all_of in zip((plan.rows, plan.columns), everyone, strict=True)
                ]
                sample = duplicates.among(between, *kept)
            strangers = duplicates.strangers(
                [(within.between, within.n_left) for within in compared.within],
                [known.get(within.dataset) for within in compared.within],
                n_features=len(compared.evidence.features),
                n_possible=sample.pairs.n_possible,
            )
        fit = weigh.fit(sample, strangers, compared.evidence.features, seed=seed)
        if sample is not between:
            fit = weigh.settle(between, fit.weights, fit.intercept)
    return _Weighed(fit, between, strangers)


def _edges(pairs: Pairs, posterior: Floats) -> Links:
    some = np.flatnonzero(posterior >= LEAST_PROBABILITY)
    return Links(pairs.left[some], pairs.right[some], posterior[some])


def _starts(datasets: Sequence[Dataset]) -> Rows:
    return np.concatenate([[0], np.cumsum([len(dataset) for dataset in datasets])])


def _numbered_through(parts: Sequence[tuple[int, int, Links]], datasets: Sequence[Dataset]) -> Links:
    """Links of several comparisons as of all datasets; each with the numbers of its left and right one."""
    starts = _starts(datasets)
    return Links(
        np.concatenate([starts[left] + links.left for left, _, links in parts]),
        np.concatenate([starts[right] + links.right for _, right, links in parts]),
        np.concatenate([links.probability for _, _, links in parts]),
    )


def _gather(edges: Links, is_link: Flags, datasets: Sequence[Dataset], threshold: float) -> Rows:
    return gather_entities(
        edges,
        is_link,
        [len(dataset) for dataset in datasets],
        [dataset.duplicate_free for dataset in datasets],
        threshold=threshold,
    )


def _conclude(
    compared: Compared, weighed: _Weighed, *, threshold: float, seed: int
) -> tuple[Comparison, Links, Flags]:
    """Choose links and estimate their quality; also the edges for entities, and which of these are links."""
    plan, evidence, found, clock = compared.plan, compared.evidence, compared.found, compared.clock
    left, right, pairs = compared.left, compared.right, found.pairs
    fit, between, strangers = weighed.fit, weighed.between, weighed.strangers
    itself = plan.itself
    first, last = sorted((plan.rows, plan.columns))
    of_pair, pair_weight = between.of_pair, between.weight
    log_ratio = between.features @ fit.weights + fit.intercept
    null_ratio = strangers.features @ fit.weights + fit.intercept

    with clock("resolve"):
        once = (not itself and right.duplicate_free, not itself and left.duplicate_free)
        cuts = sorted({threshold, *THRESHOLDS}, key=lambda cut: (cut != threshold, cut))
        # From one half on rivals leave no choice: the links of a higher threshold are among those of a lower.
        links: dict[float, Rows] = {}
        for lowest in sorted({min(cuts), min(THRESHOLDS)}):
            found_at = resolve.choose(
                pairs, fit.posterior, log_ratio[of_pair], threshold=lowest, exclusive=once
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
        some, likely = missed.likely_matches(left, right, found, fit.posterior, n_probed=n_looked)
        n_keys = np.zeros(len(pairs), dtype=np.int64)  # 0 for those that are hardly a match
        n_keys[some] = np.bitwise_count(likely.shared)
        without_key = missed.share_without_key(left, right)
        by_model = missed.expected_missed(likely, left.schema, without_key=without_key)
        n_missed = (
            quality.missed_by_candidates(
                fit.posterior, found.from_filter, found.from_key | found.from_bucket, probed, n_keys
            )
            if by_model is None
            else by_model
        )
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
            pairs, fit.posterior, log_ratio[of_pair], threshold=_LOW_THRESHOLD, exclusive=once
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
    return comparison, edges, flags


def _presence(left: Dataset, right: Dataset) -> dict[str, tuple[float, float]]:
    """Of each field, the shares of records with a value."""
    return {
        name: (float(left.has(name).mean()), float(right.has(name).mean()))
        for name in left.schema.field_names
    }


def _share_linked(links: Pairs, n_rows: int) -> float:
    """Share of a dataset's records that have a link within it."""
    return len(np.union1d(links.left, links.right)) / n_rows
