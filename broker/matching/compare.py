"""From two datasets to their candidate pairs, compared; and pairs within them, which show what strangers look like."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np

from broker.engines import Engine
from broker.matching.candidates import Found, Scope
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Vectors, evidence_for, patterns
from broker.matching.evidence.model import Floats
from broker.matching.plan import ComparisonPlan
from broker.matching.weigh import Between
from pprl.console import Advance, Progress


class Clock:
    """Seconds by stage; a stage that comes again adds to them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Within:
    """Candidates within one dataset.

    Attributes
    ----------
    dataset : int
        Its number.
    between : Between
        The candidates (i, j), i < j.
    n_left : int
        Below how many i all were looked at.
    """

    dataset: int
    between: Between
    n_left: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Two datasets compared, or one with itself; nothing is weighed yet.

    Attributes
    ----------
    plan : ComparisonPlan
    evidence : Evidence
    left, right : Dataset
        Prepared, those of the plan's rows and columns.
    found : Found
    vectors : ndarray of uint32, shape (patterns, columns)
        Distinct comparison vectors of the candidates.
    between : Between
        The candidates.
    within : tuple of Within
        The plan's samples of strangers.
    show : Progress
        Of this comparison.
    clock : Clock
    """

    plan: ComparisonPlan
    evidence: Evidence
    left: Dataset
    right: Dataset
    found: Found
    vectors: Vectors
    between: Between
    within: tuple[Within, ...]
    show: Progress
    clock: Clock


def compare(
    datasets: Sequence[Dataset], plan: ComparisonPlan, engine: Engine, *, seed: int, progress: Progress
) -> Compared:
    """Find and compare the candidates of a planned comparison, and those within datasets that it learns from.

    Parameters
    ----------
    datasets : sequence of Dataset
        All of the run.
    plan : ComparisonPlan
        Which datasets, and how.
    engine : Engine
        Where it is done.
    seed : int
        Of random samples.
    progress : Progress
        Of the run.
    """
    first, last = sorted((plan.rows, plan.columns))
    title = f"{datasets[first].name} x {datasets[last].name}"
    clock = Clock()

    def show(label: str, total: int | None, *, unit: str = "") -> AbstractContextManager[Advance]:
        return progress(f"{title}: {label}", total, unit=unit)

    with clock("candidates"):
        left, right = datasets[plan.rows], None if plan.itself else datasets[plan.columns]
        evidence = evidence_for(left, right, tuple(datasets[d] for d, _ in plan.null), seed=seed)
        numbers = {plan.rows, plan.columns, *(d for d, _ in plan.null)}
        prepared = {d: evidence.prepare(datasets[d]) for d in sorted(numbers)}
        left, right = prepared[plan.rows], prepared[plan.columns]
        found = engine.candidates(evidence, left, None if plan.itself else right, plan.cross, progress=show)
    with clock("compare"), show("comparing candidates", None):
        vectors, between = _compared(engine, evidence, left, right, found, plan.cross)
    within = []
    for number, scope in plan.null:
        with clock("strangers"):
            dataset = prepared[number]
            met = engine.candidates(evidence, dataset, None, scope, progress=show)
            with show("comparing strangers", None):
                _, of_dataset = _compared(engine, evidence, dataset, dataset, met, scope)
            within.append(Within(number, of_dataset, scope.n_left))
    return Compared(plan, evidence, left, right, found, vectors, between, tuple(within), show, clock)


def _compared(
    engine: Engine, evidence: Evidence, left: Dataset, right: Dataset, found: Found, scope: Scope
) -> tuple[Vectors, Between]:
    vectors, of_pair = patterns(engine.compare(evidence, left, right, found.pairs))
    return vectors, Between(
        features=evidence.measure(vectors),
        of_pair=of_pair,
        pairs=found.pairs,
        weight=_stands_for(found, scope),
        shape=(len(left), len(right)),
        exclusive=(False, False),
    )


def _stands_for(found: Found, scope: Scope) -> Floats:
    """Pairs that each candidate stands for: those only near were all looked for among the probed rows alone."""
    near = np.where(found.pairs.left < scope.n_probed, 1 / max(scope.coverage, 1e-12), 0.0)
    return np.where(found.from_key, 1.0, near)
