"""The matching pipeline: candidates, compare, weigh, resolve, estimate; pure, on arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from broker.matching import quality, resolve, weigh
from broker.matching.candidates import CappedKey, Pairs, n_possible_pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Feature, evidence_for
from broker.matching.evidence.model import Features, Floats
from broker.matching.quality import THRESHOLDS, Estimate, estimate
from broker.matching.resolve import Links, gather_entities
from pprl.errors import LinkageError

DEFAULT_THRESHOLD = 0.5
HISTOGRAM_BINS = 48


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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two datasets compared, or one with itself.

    Attributes
    ----------
    left, right : int
        Dataset numbers.
    n_possible, n_candidates, by_filter, by_key : int
        Pairs.
    capped : tuple of CappedKey
    features : tuple of Feature
    fit : weigh.Fit
    links : Pairs
        The chosen ones.
    probability : ndarray of float64, shape (links,)
    n_missed : float
        Expected matches that are not among the candidates.
    estimates : tuple of Estimate
        At the threshold of the run first, then at others.
    doubts : tuple of str
    histogram : Histogram
    seconds : dict of str to float
        By stage.
    """

    left: int
    right: int
    n_possible: int
    n_candidates: int
    by_filter: int
    by_key: int
    capped: tuple[CappedKey, ...]
    features: tuple[Feature, ...]
    fit: weigh.Fit
    links: Pairs
    probability: Floats
    n_missed: float
    estimates: tuple[Estimate, ...]
    doubts: tuple[str, ...]
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


def link(
    datasets: Sequence[Dataset],
    *,
    threshold: float = DEFAULT_THRESHOLD,
    seed: int = 0,
    stage: Callable[[str], None] = lambda _: None,
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
    stage : callable
        Told the name of each stage as it begins.

    Returns
    -------
    Linkage
        Of datasets that hold records every two are compared, and each with itself that may hold duplicates.

    Raises
    ------
    LinkageError
        There are no two records to compare.
    """
    numbers = list(combinations(range(len(datasets)), 2))
    numbers += [(d, d) for d, dataset in enumerate(datasets) if not dataset.duplicate_free]
    numbers = [(left, right) for left, right in numbers if _can_match(datasets, left, right)]
    if not numbers:
        raise LinkageError(
            "there is nothing to link: give two datasets that hold records, or one that may hold duplicates"
        )
    # Many small products: on a busy machine the threads of BLAS would wait for each other most of the time.
    with threadpool_limits(1, "blas"):
        comparisons = tuple(
            _compare(datasets, left, right, threshold=threshold, seed=seed, stage=stage)
            for left, right in numbers
        )
    stage("entities")
    starts = np.concatenate([[0], np.cumsum([len(dataset) for dataset in datasets])])
    links = Links(
        np.concatenate([starts[c.left] + c.links.left for c in comparisons]),
        np.concatenate([starts[c.right] + c.links.right for c in comparisons]),
        np.concatenate([c.probability for c in comparisons]),
    )
    entity, kept = gather_entities(links, [len(d) for d in datasets], [d.duplicate_free for d in datasets])
    links = Links(links.left[kept], links.right[kept], links.probability[kept])
    return Linkage(tuple(datasets), comparisons, links, entity, int((~kept).sum()), threshold)


def _can_match(datasets: Sequence[Dataset], left: int, right: int) -> bool:
    other = None if left == right else datasets[right]
    return n_possible_pairs(datasets[left], other) > 0


def _compare(
    datasets: Sequence[Dataset],
    left_number: int,
    right_number: int,
    *,
    threshold: float,
    seed: int,
    stage: Callable[[str], None],
) -> Comparison:
    left, right = datasets[left_number], datasets[right_number]
    itself = left_number == right_number
    title = f"{left.name} x {right.name}"
    clock = _Clock(lambda name: stage(f"{title}: {name}"))

    clock.start("candidates")
    # A dataset that may hold duplicates is no null of its own; the others tell what strangers look like.
    strangers = [d for d in (datasets if itself else (left, right)) if d.duplicate_free]
    evidence = evidence_for((left, *strangers) if itself else (left, right), seed=seed)
    found = evidence.candidates(left, None if itself else right)
    pairs = found.pairs

    clock.start("compare")
    cross = evidence.measure(left, right, pairs)
    null, n_within = _within(evidence, strangers)
    null_weight = pairs.n_possible / n_within if n_within else 0.0

    clock.start("weigh")
    exclusive = (not itself and right.duplicate_free, not itself and left.duplicate_free)
    fit = weigh.fit(
        cross,
        pairs,
        null,
        null_weight,
        features=evidence.features,
        shape=(len(left), len(right)),
        exclusive=exclusive,
        seed=seed,
    )
    log_ratio = cross @ fit.weights + fit.intercept
    null_ratio = null @ fit.weights + fit.intercept

    clock.start("resolve")
    links = {
        cut: resolve.choose(pairs, fit.posterior, log_ratio, threshold=cut, exclusive=exclusive)
        for cut in sorted({threshold, *THRESHOLDS}, key=lambda cut: (cut != threshold, cut))
    }
    chosen = links[threshold]

    clock.start("estimate")
    n_missed = quality.missed_by_candidates(fit.posterior, found.from_filter, found.from_key)
    estimates = tuple(
        estimate(
            pairs, fit.posterior, found_at, threshold=cut, n_left=len(left), n_missed=n_missed, seed=seed
        )
        for cut, found_at in links.items()
    )
    even = float(np.log(max(pairs.n_possible / fit.n_matches - 1, 1e-9)))
    heavy = log_ratio >= even
    doubts = quality.doubts(
        n_matches=fit.n_matches,
        shape=(len(left), len(right)),
        converged=fit.converged,
        at_bound=fit.at_bound,
        has_null=bool(n_within),
        expected_above=float(fit.posterior[heavy].sum()),
        n_above=int(heavy.sum()),
        n_null_above=int((null_ratio >= even).sum()),
        null_weight=null_weight,
    )
    clock.stop()
    return Comparison(
        left=left_number,
        right=right_number,
        n_possible=pairs.n_possible,
        n_candidates=len(pairs),
        by_filter=int(found.from_filter.sum()),
        by_key=int(found.from_key.sum()),
        capped=found.capped,
        features=evidence.features,
        fit=fit,
        links=Pairs(pairs.left[chosen], pairs.right[chosen], pairs.n_possible),
        probability=fit.posterior[chosen],
        n_missed=n_missed,
        estimates=estimates,
        doubts=doubts,
        histogram=_histogram(log_ratio, null_ratio, null_weight, even + np.log(threshold / (1 - threshold))),
        seconds=clock.seconds,
    )


def _within(evidence: Evidence, datasets: Sequence[Dataset]) -> tuple[Features, int]:
    """Features of the candidate pairs within duplicate-free datasets, and how many pairs these have in all."""
    rows, n_possible = [np.empty((0, len(evidence.features)), dtype=np.float32)], 0
    for dataset in datasets:
        pairs = evidence.candidates(dataset, None).pairs
        rows.append(evidence.measure(dataset, dataset, pairs))
        n_possible += pairs.n_possible
    return np.concatenate(rows), n_possible


def _histogram(between: Floats, null: Floats, null_weight: float, threshold: float) -> Histogram:
    everything = np.concatenate([between, null, [threshold - 5, threshold + 5]])
    edges = np.linspace(np.floor(everything.min()), np.ceil(everything.max()), HISTOGRAM_BINS + 1)
    return Histogram(
        edges,
        np.histogram(between, edges)[0].astype(np.float64),
        np.histogram(null, edges)[0] * null_weight,
        float(threshold),
    )


class _Clock:
    """Seconds by stage."""

    def __init__(self, stage: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._name, self._since = stage, "", 0.0

    def start(self, name: str) -> None:
        self.stop()
        self._stage(name)
        self._name, self._since = name, time.perf_counter()

    def stop(self) -> None:
        if self._name:
            self.seconds[self._name] = time.perf_counter() - self._since
            self._name = ""
