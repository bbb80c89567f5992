"""The matching pipeline: candidates, compare, weigh, resolve, estimate; on arrays, whatever the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from broker.engines import Engine
from broker.engines.local import LocalEngine
from broker.matching import duplicates, weigh
from broker.matching.alone import learn_alone
from broker.matching.candidates import Flags, Pairs, Rows
from broker.matching.compare import Compared, compare
from broker.matching.conclude import Comparison, Weighed, conclude
from broker.matching.dataset import Dataset
from broker.matching.entities import ABSENT, LEAST_PROBABILITY, Links, gather_entities, weight_of_absent
from broker.matching.evidence.model import Floats, default_weights
from broker.matching.plan import Candidates, Plan, Size, make_plan
from pprl.console import Progress, silent
from pprl.errors import LinkageError

DEFAULT_THRESHOLD = 0.5
TURNS = 3
"""Times that weights are learned where datasets may hold duplicates."""


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

    @property
    def starts(self) -> Rows:
        """The number of each dataset's first record, and behind the last one that of all records."""
        return starts_of(self.datasets)


def plan_for(
    datasets: Sequence[Dataset],
    candidates: Candidates = "auto",
    *,
    allowed: Collection[frozenset[int]] | None = None,
) -> Plan:
    """The plan of a run over these datasets; ``allowed`` as of `make_plan`.

    Raises
    ------
    LinkageError
        There are no two records to compare.
    """
    sizes = [Size(dataset.name, len(dataset), dataset.duplicate_free) for dataset in datasets]
    plan = make_plan(sizes, datasets[0].schema, candidates=candidates, allowed=allowed) if datasets else None
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
    allowed: Collection[frozenset[int]] | None = None,
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
    allowed : collection of frozenset of int, optional
        As of `make_plan`: comparisons that are permitted. A dataset that takes part in none keeps a record an entity.
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
    plan = plan_for(datasets, candidates, allowed=allowed)
    engine = LocalEngine() if engine is None else engine

    def comparing() -> Iterator[Compared]:
        for planned in plan.comparisons:
            yield compare(datasets, planned, engine, seed=seed, progress=progress)

    # Many small products: on a busy machine the threads of BLAS would wait for each other most of the time.
    with threadpool_limits(1, "blas"):
        if all(dataset.duplicate_free for dataset in datasets):
            weighed: Iterable[tuple[Compared, Weighed]] = (
                (compared, _weigh(compared, {}, None, seed=seed)) for compared in comparing()
            )
        else:
            weighed = _weigh_all(list(comparing()), datasets, seed=seed, progress=progress)
        concluded = [conclude(*one, threshold=threshold, seed=seed) for one in weighed]
    comparisons = tuple(one.comparison for one in concluded)
    with progress("entities", None):
        parts = [(one.comparison.left, one.comparison.right, one.edges) for one in concluded]
        edges = _numbered_through(parts, datasets)
        is_link = np.concatenate([one.is_link for one in concluded])
        n_absent = sum(one.n_absent for one in comparisons)
        against = weight_of_absent(n_absent, sum(one.n_matches for one in comparisons))
        entity = _gather(edges, is_link, datasets, threshold, absent=against)
    kept = is_link & (entity[edges.left] == entity[edges.right])
    n_dropped = int(is_link.sum() - kept.sum())
    return Linkage(tuple(datasets), comparisons, edges.some(kept), entity, n_dropped, threshold)


def _weigh_all(
    compared: Sequence[Compared], datasets: Sequence[Dataset], *, seed: int, progress: Progress
) -> list[tuple[Compared, Weighed]]:
    """Weigh comparisons of which some are of datasets that may hold duplicates.

    Who is twice in a dataset is to be known where weights are learned from it, and is known the better the better the
    weights: so they are learned several times, each time with the entities of the time before.
    """
    within = {one.plan.rows: one for one in compared if one.plan.itself}
    by_default = {
        number: weigh.settle(one.between, default_weights(one.evidence.features), 0.0)
        for number, one in within.items()
    }
    people = {
        number: duplicates.people_within(one.between, by_default[number].posterior)
        for number, one in within.items()
    }
    alone: dict[int, weigh.Fit] = {}
    fits: dict[tuple[int, int], weigh.Fit] = {}
    for turn in range(TURNS):
        between = {
            pair: (one, _weigh(one, people, fits.get(pair), seed=seed))
            for pair, one in ((_pair_of(one), one) for one in compared)
            if not one.plan.itself
        }
        weighed = []
        for one in compared:
            if not one.plan.itself:
                weighed.append(between[_pair_of(one)])
                continue
            number = one.plan.rows
            others = [
                (other.evidence.features, done.fit)
                for pair, (other, done) in between.items()
                if number in pair
            ]
            if sum(fit.n_matches for _, fit in others) > by_default[number].n_matches:
                fit = weigh.settle(one.between, *duplicates.borrowed(one.evidence.features, others))
            else:
                if number not in alone:
                    alone[number] = learn_alone(one.between, one.evidence.features, seed=seed)
                fit = alone[number]
            weighed.append((one, _within(one, fit, people[number])))
        if turn == TURNS - 1 or not between:
            break
        fits = {pair: done.fit for pair, (_, done) in between.items()}
        with progress("entities", None):
            parts = [
                (*_pair_of(one), _edges(done.between.pairs, done.fit.posterior)) for one, done in weighed
            ]
            edges = _numbered_through(parts, datasets)
            entity = _gather(edges, edges.probability >= 0.5, datasets, 0.5, absent=ABSENT)
            starts = starts_of(datasets)
            for number in people:
                mine = entity[starts[number] : starts[number + 1]]
                people[number] = np.unique(mine, return_inverse=True)[1].astype(np.int64)
    return weighed


def _weigh(compared: Compared, people: Mapping[int, Rows], before: weigh.Fit | None, *, seed: int) -> Weighed:
    """Learn the weights between two datasets among representatives of the people known, and weigh all candidates.

    ``before`` has the weights by which two of a dataset that are not known to be one person may yet be one; None: the
    default ones.
    """
    plan, features = compared.plan, compared.evidence.features
    left, right = compared.left, compared.right
    weights, intercept = (
        (default_weights(features), 0.0) if before is None else (before.weights, before.intercept)
    )
    with compared.clock("weigh"), compared.show("weighing", None):
        between = replace(compared.between, exclusive=(right.duplicate_free, left.duplicate_free))
        sides = (plan.rows, plan.columns)
        known = {d: duplicates.representatives(people[d]) for d in sides if d in people}
        sample = between
        if known:
            everyone = {plan.rows: left, plan.columns: right}
            kept = [known.get(d, np.ones(len(everyone[d]), dtype=np.bool_)) for d in sides]
            sample = duplicates.among(between, *kept)
        strangers = duplicates.strangers(
            [(within.between, within.n_left) for within in compared.within],
            [known.get(within.dataset) for within in compared.within],
            [
                weigh.settle(within.between, weights, intercept).posterior
                if within.dataset in people
                else None
                for within in compared.within
            ],
            n_features=len(features),
            n_possible=sample.pairs.n_possible,
        )
        fit = weigh.fit(sample, strangers, features, seed=seed)
        if sample is not between:
            fit = weigh.settle(between, fit.weights, fit.intercept)
    return Weighed(fit, between, strangers)


def _within(compared: Compared, fit: weigh.Fit, people: Rows) -> Weighed:
    """A dataset compared with itself, and its representatives as strangers."""
    strangers = duplicates.strangers(
        [(compared.between, len(compared.left))],
        [duplicates.representatives(people)],
        [fit.posterior],
        n_features=len(compared.evidence.features),
        n_possible=compared.between.pairs.n_possible,
    )
    return Weighed(fit, compared.between, strangers)


def _pair_of(compared: Compared) -> tuple[int, int]:
    return compared.plan.rows, compared.plan.columns


def _edges(pairs: Pairs, posterior: Floats) -> Links:
    some = np.flatnonzero(posterior >= LEAST_PROBABILITY)
    return Links(pairs.left[some], pairs.right[some], posterior[some])


def starts_of(datasets: Sequence[Dataset]) -> Rows:
    """The number of each dataset's first record where records are numbered through, and that of all records."""
    return np.concatenate([[0], np.cumsum([len(dataset) for dataset in datasets])])


def _numbered_through(parts: Sequence[tuple[int, int, Links]], datasets: Sequence[Dataset]) -> Links:
    """Links of several comparisons as of all datasets; each with the numbers of its left and right one."""
    starts = starts_of(datasets)
    return Links(
        np.concatenate([starts[left] + links.left for left, _, links in parts]),
        np.concatenate([starts[right] + links.right for _, right, links in parts]),
        np.concatenate([links.probability for _, _, links in parts]),
    )


def _gather(
    edges: Links, is_link: Flags, datasets: Sequence[Dataset], threshold: float, *, absent: float
) -> Rows:
    return gather_entities(
        edges,
        is_link,
        [len(dataset) for dataset in datasets],
        [dataset.duplicate_free for dataset in datasets],
        threshold=threshold,
        absent=absent,
    )
