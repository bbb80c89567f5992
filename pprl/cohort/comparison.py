"""A cohort against a reference population: distances, what chance could do to them, and a plain sentence."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pprl.cohort.categories import JOINT, CategoryMap
from pprl.cohort.description import Description, describe, describe_quantity
from pprl.cohort.population import Period, Population, Reference
from pprl.cohort.suppression import suppress_small
from pprl.cohort.table import CohortTable, Paired, SuppressedAs, pair, tabulate
from pprl.cohort.tallies import Cohort
from pprl.cohort.uncertainty import missing_bounds, perfect_distances, resampled_distances
from pprl.distance import jensen_shannon_distance
from pprl.errors import CohortError

N_RESAMPLES = 10_000


class Verdict(StrEnum):
    """What the adjusted distance says beside what perfect sampling would give."""

    INDISTINGUISHABLE = "cannot be told from perfect sampling"
    DIFFERS = "differs"
    UNDEFINED = "not defined"


@dataclass(frozen=True)
class Comparison:
    """One attribute of a cohort against its reference.

    Attributes
    ----------
    table : CohortTable
        The cohort, as far as it is shown.
    population : Population
        The reference.
    pooled : Paired
        Both sides as they are drawn: suppressed cells as one.
    raw : float
        Distance with "Not reported" as a category.
    adjusted : float or None
        Distance without it, both sides scaled to 1: right where answers are missing at random.
    interval : (float, float) or None
        95 % bootstrap interval of the adjusted distance.
    null : float or None
        The distance that 95 % of perfect samples of as many people stay below.
    null_share : float or None
        The share of perfect samples at least as far away as the cohort.
    bounds : (float, float) or None
        Least and greatest distance over everything the people not reported could be.
    suppressed_range : ((float, float), (float, float)) or None
        Least and greatest raw and adjusted distance over everything the suppressed counts could be.
    """

    table: CohortTable
    population: Population
    pooled: Paired
    raw: float
    adjusted: float | None
    interval: tuple[float, float] | None
    null: float | None
    null_share: float | None
    bounds: tuple[float, float] | None
    suppressed_range: tuple[tuple[float, float], tuple[float, float]] | None

    @property
    def attribute(self) -> str:
        """The attribute's name."""
        return self.table.attribute

    @property
    def verdict(self) -> Verdict:
        """Whether chance alone could have done it."""
        if self.adjusted is None or self.null is None:
            return Verdict.UNDEFINED
        return Verdict.INDISTINGUISHABLE if self.adjusted <= self.null else Verdict.DIFFERS


@dataclass(frozen=True)
class Representation:
    """How representative a cohort is.

    Attributes
    ----------
    cohort, reference : str
        Their names.
    n : int
        People in the cohort.
    base : float
        Base of the logarithm in all distances.
    seed, n_resamples : int
        Of the intervals and the perfect samples.
    suppress : int
        The smallest count shown; 0 shows all.
    suppressed_as : {"split", "pool"}
        How counts that the cohort's file suppresses entered the distances.
    maps : tuple of str
        The category maps, in the order they were applied.
    comparisons : tuple of Comparison
    descriptions : tuple of Description
        Of every attribute counted, compared or not.
    """

    cohort: str
    reference: str
    n: int
    base: float
    seed: int
    n_resamples: int
    suppress: int
    suppressed_as: SuppressedAs
    maps: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    descriptions: tuple[Description, ...]


def represent(
    cohort: Cohort,
    reference: Reference,
    *,
    attributes: Sequence[str] = (),
    maps: Sequence[CategoryMap] = (),
    period: Period = (None, None),
    geography: str | None = None,
    base: float = 2.0,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    suppress: int = 0,
    suppressed_as: SuppressedAs = "split",
) -> Representation:
    """Compare a cohort with a reference population.

    Parameters
    ----------
    cohort : Cohort
        Counted by `load_cohort`.
    reference : Reference
        Read by `load_reference`.
    attributes : sequence of str
        Those to compare; by default all that both sides have.
    maps : sequence of CategoryMap
        Applied to the labels of both sides in order, before the reference's own.
    period : (date or None, date or None)
        Which rows of the reference count.
    geography : str, optional
        Which place of the reference counts.
    base : float
        Base of the logarithm.
    seed, n_resamples : int
        Of the intervals and perfect samples; an attribute's do not depend on which others are compared.
    suppress : int
        Hide counts below this one; all figures then follow from what is shown.
    suppressed_as : {"split", "pool"}
        How counts that the cohort's file suppresses enter the distances.

    Raises
    ------
    CohortError
        Where the two cannot be compared.
    """
    compared = list(attributes) or [name for name in reference.attributes if name in cohort.tallies]
    if not compared:
        message = (
            f"has no attribute of the reference {reference.name}: it has {', '.join(cohort.tallies)}, the "
            "reference "
            f"{', '.join(reference.attributes)}"
        )
        raise CohortError(message, path=cohort.name)
    if n_resamples < 100:
        raise ValueError(f"n_resamples is {n_resamples}; an interval needs 100 at least")
    _refuse_margins(list(cohort.tallies), suppress, cohort.name)
    every = (*maps, *reference.maps)
    comparisons, descriptions = [], []
    for name in compared:
        if name not in cohort.tallies:
            raise CohortError(
                f"has no attribute {name!r}; it has {', '.join(cohort.tallies)}", path=cohort.name
            )
        population = reference.population(name, maps=maps, period=period, geography=geography)
        table = tabulate(
            cohort.tallies[name],
            cohort=cohort.name,
            maps=every,
            categories=population.categories,
            reference=reference.name,
        )
        table = suppress_small(table, suppress)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        comparisons.append(
            _compare(
                table, population, base=base, n_resamples=n_resamples, suppressed_as=suppressed_as, rng=rng
            )
        )
        descriptions.append(describe(table))
    for name, tally in cohort.tallies.items():
        if name in compared:
            continue
        quantity = describe_quantity(tally, maps=every)
        if quantity is not None:
            descriptions.append(quantity)
        else:
            table = tabulate(tally, cohort=cohort.name, maps=every, categories=None)
            descriptions.append(describe(suppress_small(table, suppress)))
    return Representation(
        cohort=cohort.name,
        reference=reference.name,
        n=cohort.n,
        base=base,
        seed=seed,
        n_resamples=n_resamples,
        suppress=suppress,
        suppressed_as=suppressed_as,
        maps=tuple(one.name for one in every),
        comparisons=tuple(comparisons),
        descriptions=tuple(descriptions),
    )


def _compare(
    table: CohortTable,
    population: Population,
    *,
    base: float,
    n_resamples: int,
    suppressed_as: SuppressedAs,
    rng: np.random.Generator,
) -> Comparison:
    paired = pair(table, population, suppressed_as=suppressed_as)
    raw = float(jensen_shannon_distance(paired.cohort, paired.reference, base=base))
    counts, weights = paired.cohort[:-1], paired.reference[:-1]
    adjusted = interval = null = null_share = bounds = None
    if paired.has_gap and counts.sum() > 0:
        adjusted = float(jensen_shannon_distance(counts, weights, base=base))
        n = round(float(counts.sum()))
        drawn = resampled_distances(counts, weights, n_resamples=n_resamples, base=base, rng=rng)
        low, high = np.quantile(drawn, [0.025, 0.975])
        perfect = perfect_distances(n, weights, n_resamples=n_resamples, base=base, rng=rng)
        interval, null = (float(low), float(high)), float(np.quantile(perfect, 0.95))
        null_share = float(np.mean(perfect >= adjusted * (1.0 - 1e-9)))
        bounds = missing_bounds(
            counts, float(paired.cohort[-1]), weights, float(paired.reference[-1]), base=base
        )
    return Comparison(
        table=table,
        population=population,
        pooled=pair(table, population, suppressed_as="pool"),
        raw=raw,
        adjusted=adjusted,
        interval=interval,
        null=null,
        null_share=null_share,
        bounds=bounds,
        suppressed_range=_suppressed_range(table, population, base=base),
    )


def _suppressed_range(
    table: CohortTable, population: Population, *, base: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    ways = table.ways()
    if ways is None or (ways[:, :-1].sum(axis=1) == 0).any():
        return None
    raw = jensen_shannon_distance(ways, np.append(population.weights, population.gap), base=base)
    adjusted = jensen_shannon_distance(ways[:, :-1], population.weights, base=base)
    return (float(raw.min()), float(raw.max())), (float(adjusted.min()), float(adjusted.max()))


def _refuse_margins(names: Sequence[str], suppress: int, cohort: str) -> None:
    """A joint table beside the tables of its parts gives hidden cells away by subtraction."""
    if suppress < 2:
        return
    for joint in (name for name in names if JOINT in name):
        for other in names:
            if other != joint and set(other.split(JOINT)) & set(joint.split(JOINT)):
                message = (
                    f"{joint!r} and {other!r} cannot be shown together with small counts suppressed: the "
                    "one would "
                    "give cells of the other away; choose with --attribute"
                )
                raise CohortError(message, path=cohort)


def base_name(base: float) -> str:
    """How a base is written: ``2``, ``e`` or the number."""
    return "e" if math.isclose(base, math.e) else f"{base:g}"
