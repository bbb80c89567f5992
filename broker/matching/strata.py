"""Who is linked, and who is lost: a comparison's quality by coarse classes of the records.

For each class of each stratum, on either side, the expected matches of its records are the posteriors of their
candidate pairs and a share of the matches that never became candidates; recall is the share of them that are links.
What is given out may be shown: small counts are left out, and others that they would follow from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Found, Rows
from broker.matching.dataset import Dataset
from broker.matching.evidence.model import Floats, sums
from broker.matching.missed import HARDLY
from broker.matching.quality import Interval, with_intervals
from pprl.distance import jensen_shannon_distance
from pprl.suppression import SMALL, cells_to_hide, shown_counts

_N_DRAWS = 400
_LEVEL = 0.95
_WORTH_SAYING = 0.01  # of recall
_SIGMAS = NormalDist().inv_cdf((1 + _LEVEL) / 2)


@dataclass(frozen=True, slots=True)
class Group:
    """The records of one category on one side; None is what must not be shown, or cannot be told.

    Attributes
    ----------
    category : str or None
        None: those of no category.
    records : int or None
    linked : int or None
        Records with a link.
    expected : float or None
        Expected matches of its records.
    recall, precision : Interval or None
    """

    category: str | None
    records: int | None
    linked: int | None
    expected: float | None
    recall: Interval | None
    precision: Interval | None


@dataclass(frozen=True, slots=True)
class Lower:
    """A category whose estimated recall is significantly lower than that of the others together."""

    category: str
    recall: Interval
    others: Interval


@dataclass(frozen=True, slots=True)
class Distance:
    """A Jensen-Shannon distance in base 2, and the interval that holds 95 % of those of chance alone."""

    value: float
    chance_low: float
    chance_high: float


@dataclass(frozen=True, slots=True)
class Stratum:
    """One stratum of one dataset in one comparison.

    Attributes
    ----------
    name : str
    dataset : int
        Its number.
    groups : tuple of Group
        By category, those of none last; empty where the dataset has no category at all.
    lower : tuple of Lower
    before, after : Distance or None
        Between the dataset and its records that have a match, and its records that are linked; over the categories,
        hidden ones as one.
    """

    name: str
    dataset: int
    groups: tuple[Group, ...]
    lower: tuple[Lower, ...]
    before: Distance | None
    after: Distance | None


def by_stratum(
    datasets: Sequence[tuple[int, Dataset]],
    found: Found,
    posterior: Floats,
    pair_weight: Floats,
    links: Rows,
    *,
    n_probed: int,
    n_keys: Rows,
    n_missed: float,
    seed: int,
) -> tuple[Stratum, ...]:
    """Estimate a comparison's quality by stratum.

    Parameters
    ----------
    datasets : sequence of (int, Dataset)
        Numbers and datasets of the left and the right side; one where a dataset is compared with itself, of which a
        pair then counts for both of its records.
    found : Found
        The candidates.
    posterior : ndarray of float64, shape (pairs,)
        Of each.
    pair_weight : ndarray of float64, shape (pairs,)
        Pairs that each stands for.
    links : ndarray of int64
        Positions of the links among the candidates.
    n_probed : int
        The first so many left rows were compared by filter with all right rows.
    n_keys : ndarray of int64, shape (pairs,)
        Match keys each pair shares; 0 may stand for those that are hardly a match.
    n_missed : float
        Expected matches that are not among the candidates.
    seed : int
        Of all draws.

    Returns
    -------
    tuple of Stratum
        By stratum, then in the order of the datasets' numbers; none where the schema has no strata.

    Notes
    -----
    Matches that never became candidates are shared out in two parts. Where only a sample of rows was compared by
    filter, the pairs found there and in no other way stand for those of the other rows. The rest goes by the matches
    that nearly were not found, by one way only: by the filters but no match key, or by a single key but not the
    filters. One more such match is shared out like all matches, so that few do not decide.
    """
    if not any(len(dataset.strata) for _, dataset in datasets):
        return ()
    sides = [found.pairs.left, found.pairs.right]
    of_sides = [datasets[0][1], datasets[-1][1]]
    by_row = [np.empty((7, len(dataset))) for dataset in of_sides]
    every = _values(found, posterior, pair_weight, links, n_probed=n_probed, n_keys=n_keys)
    for number, values in enumerate(every):
        for rows, dataset, of_row in zip(sides, of_sides, by_row, strict=True):
            of_row[number] = sums(rows, values, len(dataset))
    if len(datasets) == 1:
        by_row, n_missed = [by_row[0] + by_row[1]], 2 * n_missed
    found_strata = [
        _stratum(number, dataset, name, sums_of, n_missed=n_missed, seed=seed)
        for (number, dataset), sums_of in zip(datasets, by_row, strict=True)
        for name in dataset.strata
    ]
    order = [stratum.name for stratum in datasets[0][1].schema.strata]
    return tuple(sorted(found_strata, key=lambda one: (order.index(one.name), one.dataset)))


def _values(
    found: Found, posterior: Floats, pair_weight: Floats, links: Rows, *, n_probed: int, n_keys: Rows
) -> Iterator[Floats]:
    """What is summed over the candidates of a row, one after the other, as each is as long as there are pairs."""
    probed = found.pairs.left < n_probed if n_probed else np.ones(len(posterior), dtype=np.bool_)
    is_link = np.zeros(len(posterior), dtype=np.bool_)
    is_link[links] = True
    yield is_link.astype(np.float64)
    yield posterior * is_link
    yield posterior * ~is_link
    yield posterior * (1 - posterior) * is_link
    yield posterior * (1 - posterior) * ~is_link
    near_only = found.from_filter & ~found.from_key & ~found.from_bucket & probed
    yield posterior * near_only * np.maximum(pair_weight - 1, 0)
    one_way = np.where(found.from_filter, n_keys == 0, n_keys == 1)
    yield posterior * (one_way & probed & (posterior > HARDLY))


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over rows, by category or of several.

    Attributes
    ----------
    total : ndarray of float64, shape (3,)
        Links, expected true links, other expected matches.
    covariance : ndarray of float64, shape (3, 3)
    n_missed, missed_variance : float
    """

    total: Floats
    covariance: Floats
    n_missed: float
    missed_variance: float

    def __sub__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.total - other.total,
            self.covariance - other.covariance,
            self.n_missed - other.n_missed,
            max(self.missed_variance - other.missed_variance, 0.0),
        )

    @property
    def expected(self) -> float:
        """Expected matches, found or not."""
        return float(self.total[1] + self.total[2] + self.n_missed)

    def measure(self, seed: int) -> tuple[Interval, Interval]:
        """Recall and precision."""
        precision, recall, _ = with_intervals(
            self.total,
            self.covariance,
            n_missed=self.n_missed,
            missed_sd=self.missed_variance**0.5,
            seed=seed,
        )
        return recall, precision


def _stratum(
    number: int, dataset: Dataset, name: str, by_row: Floats, *, n_missed: float, seed: int
) -> Stratum:
    spec = next(stratum for stratum in dataset.schema.strata if stratum.name == name)
    codes, n_codes = dataset.strata[name].astype(np.int64), len(spec.categories) + 1
    records = np.bincount(codes, minlength=n_codes)
    if not records[1:].any():
        return Stratum(name, number, (), (), None, None)
    linked = np.bincount(codes[by_row[0] > 0], minlength=n_codes)
    by_code = _by_code(codes, n_codes, by_row, n_missed)
    expected = np.array([one.expected for one in by_code])
    hidden_records, hidden = _hidden(records, linked)
    groups, intervals = [], {}
    for code in (*range(1, n_codes), 0):
        told = code not in hidden_records and expected[code] >= SMALL and linked[code] >= SMALL
        if told:
            intervals[code] = by_code[code].measure(seed)
        recall, precision = intervals.get(code, (None, None))
        groups.append(
            Group(
                category=spec.categories[code - 1] if code else None,
                records=None if code in hidden_records else int(records[code]),
                linked=None if code in hidden else int(linked[code]),
                expected=None if code in hidden else float(expected[code]),
                recall=recall,
                precision=precision,
            )
        )
    told_codes = [code for code in intervals if code]
    lower = [
        Lower(spec.categories[code - 1], intervals[code][0], others)
        for code, others in _lower(by_code, told_codes, {c: intervals[c][0] for c in told_codes}, seed)
    ]
    cells = _cells(n_codes, hidden_records | hidden)
    random = np.random.default_rng(seed)
    before, after = (
        _distance(_pool(records, cells), _pool(part, cells), random) for part in (expected, linked)
    )
    return Stratum(name, number, tuple(groups), tuple(lower), before, after)


def _by_code(codes: Rows, n_codes: int, by_row: Floats, n_missed: float) -> list[_Sums]:
    """Sums for each category; see `by_stratum` for how missed matches are shared out."""
    *three, found_noise, rest_noise, elsewhere, one_way = by_row

    def add(values: Floats) -> Floats:
        return sums(codes, values, n_codes)

    total = np.stack([add(values) for values in three])
    # A bootstrap weighs every row by a Poisson number of mean 1: the sums have this covariance.
    covariance = np.array([[add(one * two) for one in three] for two in three])
    covariance[1, 1] += add(found_noise)
    covariance[2, 2] += add(rest_noise)
    sampled = add(elsewhere)
    sampled *= min(1.0, n_missed / max(sampled.sum(), 1e-300))
    matches = total[1] + total[2]
    nearly = add(one_way) + matches / max(matches.sum(), 1e-300)
    share = nearly / max(nearly.sum(), 1e-300)
    rest = n_missed - sampled.sum()
    missed = sampled + rest * share
    # Both of a Poisson number of missed matches, and of the few by which they are shared out.
    variance = missed + rest**2 * share * (1 - share) / max(nearly.sum(), 1.0)
    return [
        _Sums(total[:, code], covariance[:, :, code], float(missed[code]), float(variance[code]))
        for code in range(n_codes)
    ]


def _hidden(records: npt.NDArray[np.int64], linked: npt.NDArray[np.int64]) -> tuple[set[int], set[int]]:
    """Categories whose records are not shown, and whose links are not.

    Records without a link are counts as well, by subtraction. Those of no category, number 0, are shown whatever
    their number: they tell nobody's class, and the counts of fields tell of them already.
    """
    shown = shown_counts(records[1:].tolist())
    hidden_records = {code for code, count in enumerate(shown, 1) if count is None}
    outcomes = [linked[1:], (records - linked)[1:]]
    small = np.logical_or.reduce([(counts > 0) & (counts < SMALL) for counts in outcomes])
    hidden = hidden_records | set((np.flatnonzero(small) + 1).tolist())
    before: set[int] | None = None
    while hidden != before:
        before = set(hidden)
        for counts in outcomes:
            more = cells_to_hide(counts.tolist(), hidden=[code - 1 for code in hidden])
            hidden |= set(range(1, len(records))) if more is None else {cell + 1 for cell in more}
    return hidden_records, hidden


def _cells(n_codes: int, hidden: set[int]) -> list[list[int]]:
    """The categories, each by itself but for the hidden ones."""
    pool = sorted(hidden)
    cells = [[code] for code in range(1, n_codes) if code not in hidden]
    return [*cells, pool] if pool else cells


def _pool(values: npt.NDArray[Any], cells: Sequence[list[int]]) -> npt.NDArray[Any]:
    return np.array([values[cell].sum() for cell in cells])


def _distance(
    records: npt.NDArray[Any], part: npt.NDArray[Any], random: np.random.Generator
) -> Distance | None:
    """From a dataset to a part of it, and what as many records drawn at random give."""
    n = min(round(float(part.sum())), int(records.sum()))
    if len(records) < 2 or not n:
        return None
    drawn = random.multivariate_hypergeometric(records, n, _N_DRAWS, method="marginals")
    low, high = np.quantile(jensen_shannon_distance(drawn, records), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Distance(float(jensen_shannon_distance(part, records)), float(low), float(high))


def _lower(
    by_code: Sequence[_Sums], told: Sequence[int], recall: dict[int, Interval], seed: int
) -> Iterator[tuple[int, Interval]]:
    """Categories of lower recall than the others together, and the recall of those.

    One-sided, at a level of 5 % over all categories of the stratum (Bonferroni), and only what makes a difference.
    """
    if len(told) < 2:
        return
    sigmas = NormalDist().inv_cdf(1 - (1 - _LEVEL) / len(told))
    everybody = [one for code, one in enumerate(by_code) if code]
    whole = _Sums(
        np.sum([one.total for one in everybody], axis=0),
        np.sum([one.covariance for one in everybody], axis=0),
        sum(one.n_missed for one in everybody),
        sum(one.missed_variance for one in everybody),
    )
    for code in told:
        others, _ = (whole - by_code[code]).measure(seed)
        here = recall[code]
        sd = float(np.hypot(here.high - here.value, others.value - others.low)) / _SIGMAS
        if others.value - here.value > max(sigmas * sd, _WORTH_SAYING):
            yield code, others
