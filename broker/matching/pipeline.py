"""The matching pipeline: candidates, compare, weigh, resolve, estimate; on arrays, whatever the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from broker.engines import Engine
from broker.engines.local import LocalEngine
from broker.matching import quality, resolve, weigh
from broker.matching.candidates import CappedKey, Found, Pairs, Scope, shared_keys
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Feature, evidence_for, patterns, sums
from broker.matching.evidence.model import Features, Floats
from broker.matching.explain import Explained, explain
from broker.matching.histogram import Histogram, histogram_of
from broker.matching.plan import Candidates, ComparisonPlan, Plan, Size, make_plan
from broker.matching.quality import THRESHOLDS, Estimate
from broker.matching.resolve import Links, gather_entities
from broker.matching.strata import Stratum, by_stratum
from pprl.console import Advance, Progress, silent
from pprl.errors import LinkageError

DEFAULT_THRESHOLD = 0.5
_HARDLY = 1e-3  # a posterior that does not count among the matches


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
    doubts: tuple[str, ...]
    strata: tuple[Stratum, ...]
    histogram: Histogram
    seconds: dict[str, float]


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
        Links dropped because their entity would hold two records of a duplicate-free dataset.
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
    # Many small products: on a busy machine the threads of BLAS would wait for each other most of the time.
    with threadpool_limits(1, "blas"):
        comparisons = tuple(
            _compare(datasets, planned, engine, threshold=threshold, seed=seed, progress=progress)
            for planned in plan.comparisons
        )
    with progress("entities", None):
        starts = np.concatenate([[0], np.cumsum([len(dataset) for dataset in datasets])])
        links = Links(
            np.concatenate([starts[c.left] + c.links.left for c in comparisons]),
            np.concatenate([starts[c.right] + c.links.right for c in comparisons]),
            np.concatenate([c.probability for c in comparisons]),
        )
        entity, kept = gather_entities(
            links, [len(d) for d in datasets], [d.duplicate_free for d in datasets]
        )
    links = Links(links.left[kept], links.right[kept], links.probability[kept])
    return Linkage(tuple(datasets), comparisons, links, entity, int((~kept).sum()), threshold)


def _compare(
    datasets: Sequence[Dataset],
    plan: ComparisonPlan,
    engine: Engine,
    *,
    threshold: float,
    seed: int,
    progress: Progress,
) -> Comparison:
    left, right = datasets[plan.rows], datasets[plan.columns]
    itself = plan.itself
    first, last = sorted((plan.rows, plan.columns))
    title = f"{datasets[first].name} x {datasets[last].name}"
    clock = _Clock()

    def show(label: str, total: int | None, *, unit: str = "") -> AbstractContextManager[Advance]:
        return progress(f"{title}: {label}", total, unit=unit)

    with clock("candidates"):
        # A dataset that may hold duplicates is no null of its own; the others tell what strangers look like.
        strangers = tuple(datasets[d] for d, _ in plan.null)
        evidence = evidence_for(left, None if itself else right, strangers, seed=seed)
        numbers = {plan.rows, plan.columns, *(d for d, _ in plan.null)}
        prepared = {d: evidence.prepare(datasets[d]) for d in sorted(numbers)}
        left, right = prepared[plan.rows], prepared[plan.columns]
        found = engine.candidates(evidence, left, None if itself else right, plan.cross, progress=show)
        pairs = found.pairs

    with clock("compare"), show("comparing candidates", None):
        vectors, of_pair = patterns(engine.compare(evidence, left, right, pairs))
        cross = evidence.measure(vectors)
        pair_weight = _stands_for(found, plan.cross)

    with clock("strangers"):
        within = [(prepared[d], scope) for d, scope in plan.null]
        null = _null(engine, evidence, within, n_possible=pairs.n_possible, progress=show)

    with clock("weigh"), show("weighing", None):
        exclusive = (not itself and right.duplicate_free, not itself and left.duplicate_free)
        fit = weigh.fit(
            cross,
            of_pair,
            pairs,
            pair_weight,
            null.features,
            null.weight,
            features=evidence.features,
            shape=(len(left), len(right)),
            exclusive=exclusive,
            seed=seed,
        )
        log_ratio = cross @ fit.weights + fit.intercept
        null_ratio = null.features @ fit.weights + fit.intercept

    with clock("resolve"):
        cuts = sorted({threshold, *THRESHOLDS}, key=lambda cut: (cut != threshold, cut))
        # The surest links are taken first, so those of a higher threshold are among those of a lower.
        chosen = resolve.choose(
            pairs, fit.posterior, log_ratio[of_pair], threshold=min(cuts), exclusive=exclusive
        )
        links = {cut: chosen[fit.posterior[chosen] >= cut] for cut in cuts}

    with clock("explain"):
        explained = explain(
            evidence,
            pairs,
            vectors=vectors,
            features=cross,
            of_pair=of_pair,
            fit=fit,
            chosen=links[threshold],
            shape=(len(left), len(right)),
            exclusive=exclusive,
        )

    with clock("estimate"):
        probed = pairs.left < plan.cross.n_probed
        n_keys = _keys_shared(left, right, pairs, fit.posterior)
        n_missed = quality.missed_by_candidates(
            fit.posterior, found.from_filter, found.from_key | found.from_bucket, probed, n_keys
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
        counts = sums(of_pair, pair_weight, len(cross))
        doubts = quality.doubts(
            n_matches=fit.n_matches,
            shape=(len(left), len(right)),
            converged=fit.converged,
            at_bound=fit.at_bound,
            has_null=bool(plan.null),
            expected_above=float((fit.posterior * pair_weight)[heavy[of_pair]].sum()),
            n_above=round(float(counts[heavy].sum())),
            n_null_above=int(null.n_pairs[null_heavy].sum()),
            null_above=float(null.weight[null_heavy].sum()),
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
        explained = explained.turned()
        made = Pairs(made.right, made.left, made.n_possible)
    return Comparison(
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
        doubts=doubts,
        strata=strata,
        histogram=histogram_of(
            log_ratio,
            counts,
            null=null_ratio,
            null_weight=null.weight,
            threshold=float(np.log(fit.odds * threshold / (1 - threshold))),
        ),
        seconds=clock.seconds,
    )


def _keys_shared(left: Dataset, right: Dataset, pairs: Pairs, posterior: Floats) -> npt.NDArray[np.int64]:
    """Match keys that each pair shares; 0 for those that are hardly a match."""
    some = np.flatnonzero(posterior > _HARDLY)
    n_keys = np.zeros(len(pairs), dtype=np.int64)
    n_keys[some] = np.bitwise_count(shared_keys(left, right, pairs.some(some))[0])
    return n_keys


def _stands_for(found: Found, scope: Scope) -> Floats:
    """Pairs that each candidate stands for: those only near were all looked for among the probed rows alone."""
    near = np.where(found.pairs.left < scope.n_probed, 1 / max(scope.coverage, 1e-12), 0.0)
    return np.where(found.from_key, 1.0, near)


@dataclass(frozen=True, slots=True)
class _Null:
    """Pairs within duplicate-free datasets, by distinct comparison vector.

    Attributes
    ----------
    features : ndarray of float32, shape (patterns, features)
    n_pairs : ndarray of int64, shape (patterns,)
        Candidate pairs that were looked at.
    weight : ndarray of float64, shape (patterns,)
        Pairs between the datasets that these stand for.
    """

    features: Features
    n_pairs: npt.NDArray[np.int64]
    weight: Floats


def _null(
    engine: Engine,
    evidence: Evidence,
    within: Sequence[tuple[Dataset, Scope]],
    *,
    n_possible: int,
    progress: Progress,
) -> _Null:
    """Look at the candidate pairs within prepared datasets; together they stand for ``n_possible`` pairs."""
    parts, n_within = [], 0
    for dataset, scope in within:
        found = engine.candidates(evidence, dataset, None, scope, progress=progress)
        with progress("comparing strangers", None):
            vectors, of_pair = patterns(engine.compare(evidence, dataset, dataset, found.pairs))
        weight = sums(of_pair, _stands_for(found, scope), len(vectors))
        parts.append(_Null(evidence.measure(vectors), np.bincount(of_pair, minlength=len(vectors)), weight))
        n_within += found.pairs.n_possible
    none = np.empty((0, len(evidence.features)), dtype=np.float32)
    return _Null(
        np.concatenate([none, *(part.features for part in parts)]),
        np.concatenate([np.empty(0, dtype=np.int64), *(part.n_pairs for part in parts)]),
        np.concatenate([np.empty(0), *(part.weight for part in parts)]) * n_possible / max(n_within, 1),
    )


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began
