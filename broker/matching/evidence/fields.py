"""Evidence of profile ``fields``: a filter a field, and exact parts of dates and categories.

Columns of levels, each level an indicator feature:

* names: similarity, an equal value by rarity; *swapped* (given name and surname exchanged), *moved* (a surname that
  is the other record's middle name, as after a marriage);
* middle name: full against full, full against initial, initial against initial;
* birth date: which of year, month and day agree, day and month exchanged, near by its digits, partly missing;
* address as a chain: postcode, then city and street given whether the postcode is equal, since they depend on it;
* everything else by similarity, categories by equality.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs, Rows, n_possible_pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.model import Feature, Features, Floats, Vectors
from pprl import similarity
from pprl.schema import FieldSpec, Kind, Schema, Tokens

_MIN_SHARE = 0.02  # of records with a value, in both datasets, for a field to be compared
_MIN_FULL = 0.2  # of middle names that are more than an initial, in both datasets, to be compared in full
_FIRMNESS = 3.0  # the default m are known from many linkages, and u is counted
_KEPT_PER_RECORD = 10
_SAMPLE = 500_000
_SWAPPED, _MOVED = lv.EQUAL + len(lv.RARITY_BINS), lv.EQUAL + len(lv.RARITY_BINS) + 1
_M_SWAPPED, _M_MOVED = 0.01, 0.02
_NAMES = (Kind.GIVEN_NAME, Kind.SURNAME)
_CHAINED = (Kind.CITY, Kind.STREET)
_N_CHAINED = len(lv.M_PRIOR)  # levels of a chained field in each state of its condition

_DATE = (
    ("missing", 0.0),
    ("nothing agrees", 0.02),
    ("near only", 0.01),
    ("year only", 0.01),
    ("year, rest near", 0.02),
    ("two parts, not the year", 0.02),
    ("two parts, not the year, near", 0.04),
    ("year and one part", 0.02),
    ("year and one part, near", 0.06),
    ("day and month exchanged", 0.03),
    ("all", 0.75),
    ("known parts agree", 0.015),
    ("a known part disagrees", 0.005),
)
_MIDDLE = (
    ("missing", 0.0),
    ("disagree", 0.08),
    ("initials agree", 0.5),
    ("same initial, other name", 0.02),
    ("similar", 0.06),
    ("equal", 0.34),
)
_CATEGORY = (("missing", 0.0), ("disagree", 0.05), ("agree", 0.95))


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its labels and default m, and the function that gives the levels of pairs.

    ``u_equal`` holds u of the equal levels where it is known from frequencies; ``contexts`` the ranges of levels
    within which m and u are given a condition, where there is one.
    """

    part: str
    labels: tuple[str, ...]
    m_prior: Floats
    levels: Callable[[Dataset, Dataset, Pairs], lv.Levels]
    u_equal: Floats | None = None
    contexts: tuple[slice, ...] = ()


class FieldEvidence:
    """Field by field comparison of two datasets.

    Parameters
    ----------
    schema : Schema
    datasets : tuple of Dataset
        Those to be compared; value frequencies are pooled over them.
    seed : int
        Of the random pairs that set the prior u-probabilities.
    """

    def __init__(self, schema: Schema, datasets: tuple[Dataset, ...], *, seed: int = 0) -> None:
        self._schema = schema
        # What only one dataset has is no evidence between them; left in, it would tell the strangers within that one
        # from the pairs across.
        self._comparable = comparable = [
            f for f in schema.fields if all(_share(d.has(f.name)) >= _MIN_SHARE for d in datasets)
        ]
        self._initials_only = any(
            f.kind is Kind.MIDDLE_NAME
            and any(_share(lv.has_filter(d, f.name)) < _MIN_FULL * _share(d.has(f.name)) for d in datasets)
            for f in comparable
        )
        self._names = {
            kind: f for kind in (*_NAMES, Kind.MIDDLE_NAME) for f in reversed(comparable) if f.kind is kind
        }
        self._rarities: dict[str, lv.Rarity] = {}
        self._columns = [
            self._column(field, datasets)
            for field in sorted(comparable, key=lambda f: f.kind in _CHAINED)  # after what they depend on
        ]
        datasets = tuple(self.prepare(dataset) for dataset in datasets)
        random = np.random.default_rng(seed)
        strangers = [_random_pairs(dataset, _SAMPLE // len(datasets), random) for dataset in datasets]
        features: list[Feature] = []
        for column in self._columns:
            levels = [column.levels(d, d, p) for d, p in zip(datasets, strangers, strict=True) if len(p)]
            counts = np.bincount(np.concatenate(levels), minlength=len(column.labels)) if levels else None
            weights = _prior_weights(column, counts)
            features += [
                Feature(column.part, label, float(weight), _FIRMNESS)
                for label, weight in zip(column.labels[1:], weights[1:], strict=True)
            ]
        self._features = tuple(features)
        self._quick = [
            f for f in comparable if f.n_hashes and not (f.kind is Kind.MIDDLE_NAME and self._initials_only)
        ]
        self._tables = self._quick_tables()
        self._min_weight = self._choose_min_weight(datasets, strangers)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the feature matrix, in order."""
        return self._features

    @property
    def compares_filters(self) -> bool:
        """Whether there are filters to find near pairs by."""
        return bool(self._quick)

    def prepare(self, dataset: Dataset) -> Dataset:
        """The dataset with which filters each record has, and how rare its values are."""
        derived = {f"filter:{name}": lv.has_filter(dataset, name).view(np.uint8) for name in dataset.filters}
        for field, rarity in self._rarities.items():
            derived[f"rarity:{field}"] = rarity.bins[dataset.name]
        return replace(dataset, derived=derived)

    def near(self, left: Dataset, right: Dataset, *, n_threads: int | None = None) -> tuple[Rows, Rows]:
        """Rows of all pairs whose filters alone weigh enough by the prior."""
        return similarity.within_weighted(
            self._stack(left),
            self._stack(right),
            left_present=self._present(left),
            right_present=self._present(right),
            weights=self._tables,
            min_weight=self._min_weight,
            n_threads=n_threads,
        )

    def bucketed(self, left: Dataset, right: Dataset | None, *, n_tables: int) -> Rows:
        """Nothing: buckets sample one filter a record."""
        del left, right, n_tables
        return np.empty(0, dtype=np.int64)

    def compare(self, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """Levels of listed pairs, shape (pairs, columns compared); 0 where a side is missing."""
        vectors = np.empty((len(pairs), len(self._columns)), dtype=np.uint32)
        for place, column in enumerate(self._columns):
            vectors[:, place] = column.levels(left, right, pairs)
        return vectors

    def measure(self, vectors: Vectors) -> Features:
        """Indicators of the levels, float32, shape (vectors, features); all zero for a missing column."""
        out = np.zeros((len(vectors), len(self._features)), dtype=np.float32)
        place = 0
        for column, level in zip(self._columns, vectors.T, strict=True):
            rows = np.flatnonzero(level)
            out[rows, place + level[rows].astype(np.int64) - 1] = 1
            place += len(column.labels) - 1
        return out

    # Columns

    def _column(self, field: FieldSpec, datasets: tuple[Dataset, ...]) -> _Column:
        if field.kind is Kind.BIRTH_DATE:
            return _simple(field, _DATE, lambda a, b, p: self._date_levels(field, a, b, p))
        if field.kind is Kind.MIDDLE_NAME:
            return _simple(field, _MIDDLE, lambda a, b, p: self._middle_levels(field, a, b, p))
        if field.tokens is Tokens.WHOLE:
            return _simple(field, _CATEGORY, lambda a, b, p: _same(a, b, p, f"{field.name}:value"))
        condition = self._condition(field)
        if condition is not None:
            states = [f"{condition.name} {state}" for state in ("not equal", "equal")]
            labels = ("missing", *(f"{label}, {s}" for s in states for label in (*lv.LABELS[1:5], "equal")))
            return _Column(
                field.name,
                labels,
                np.concatenate([[0.0], np.tile(lv.M_PRIOR, 2)]),
                lambda a, b, p: self._chained_levels(field, condition, a, b, p),
                contexts=(slice(1, 1 + _N_CHAINED), slice(1 + _N_CHAINED, 1 + 2 * _N_CHAINED)),
            )
        self._rarities[field.name] = rarity = lv.Rarity.count(datasets, field.name)
        equal = lv.M_PRIOR[-1]
        labels = lv.LABELS
        prior = np.concatenate([[0.0], lv.M_PRIOR[:-1], equal * np.maximum(rarity.m_share, 1e-3)])
        if field.kind in _NAMES:
            labels = (*labels, "exchanged", "moved")
            prior = np.concatenate([prior, [_M_SWAPPED, _M_MOVED]])
            return _Column(
                field.name, labels, prior, lambda a, b, p: self._name_levels(field, a, b, p), rarity.u
            )
        return _Column(
            field.name,
            labels,
            prior,
            lambda a, b, p: lv.similarity_levels(self._schema, field, a, b, p, by_rarity=True),
            rarity.u,
        )

    def _condition(self, field: FieldSpec) -> FieldSpec | None:
        """The field an address part depends on: the postcode, or else the city."""
        if field.kind not in _CHAINED:
            return None
        for kind in (Kind.POSTCODE, Kind.CITY):
            for other in self._comparable:
                if other.kind is kind and other is not field and other.n_hashes:
                    return other
            if field.kind is kind:
                break
        return None

    def _chained_levels(
        self, field: FieldSpec, condition: FieldSpec, left: Dataset, right: Dataset, pairs: Pairs
    ) -> lv.Levels:
        level = lv.similarity_levels(self._schema, field, left, right, pairs, by_rarity=False)
        equal = lv.bits_apart(left, right, pairs, condition.name, condition.name) == 0
        return np.where((level > 0) & equal, level + _N_CHAINED, level).astype(np.int8)

    def _close(
        self, left: Dataset, right: Dataset, pairs: Pairs, one: Kind, two: Kind
    ) -> npt.NDArray[np.bool_]:
        """Whether the left record's name of one kind is close to the right record's name of another."""
        if one not in self._names or two not in self._names:
            return np.zeros(len(pairs), dtype=np.bool_)
        cut = lv.distance_cut(self._schema, self._names[one], lv.DICE_CUTS[-1])
        return lv.bits_apart(left, right, pairs, self._names[one].name, self._names[two].name) <= cut

    def _name_levels(self, field: FieldSpec, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        level = lv.similarity_levels(self._schema, field, left, right, pairs, by_rarity=True)
        if self._names.get(field.kind) is not field:
            return level
        # Only where the straight comparison is poor can an exchange be what happened.
        poor = np.flatnonzero(level < lv.EQUAL - 1)
        some = Pairs(pairs.left[poor], pairs.right[poor], pairs.n_possible)
        middle = Kind.MIDDLE_NAME
        moved = self._close(left, right, some, field.kind, middle) | self._close(
            left, right, some, middle, field.kind
        )
        level[poor[moved]] = _MOVED
        exchanged = self._close(left, right, some, *_NAMES) & self._close(left, right, some, *_NAMES[::-1])
        # One piece of evidence, not two: the given name's column carries it, the surname's counts as missing.
        level[poor[exchanged]] = _SWAPPED if field.kind is Kind.GIVEN_NAME else lv.MISSING
        return level

    def _middle_levels(self, field: FieldSpec, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        initial = _same(left, right, pairs, f"{field.name}:initial")
        full_left = lv.has_filter(left, field.name)[pairs.left]
        full_right = lv.has_filter(right, field.name)[pairs.right]
        distance = lv.bits_apart(left, right, pairs, field.name, field.name)
        similar = distance <= lv.distance_cut(self._schema, field, lv.DICE_CUTS[1])
        both = full_left & full_right & (not self._initials_only)
        level = np.select(
            [
                initial == 0,
                both & (distance == 0),
                both & similar,
                (initial == 2) & both,
                initial == 2,
            ],
            [0, 5, 4, 3, 2],
            default=1,
        )
        return level.astype(np.int8)

    def _date_levels(self, field: FieldSpec, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        names = [f"{field.name}:{part}" for part in ("year", "month", "day")]
        year, month, day = (_same(left, right, pairs, name) for name in names)
        near = lv.bits_apart(left, right, pairs, field.name, field.name) <= lv.distance_cut(
            self._schema, field, 0.74
        )
        agree = (year == 2).astype(np.int8) + (month == 2) + (day == 2)
        known = (year > 0).astype(np.int8) + (month > 0) + (day > 0)
        crossed = (
            (_across(left, right, pairs, names[1], names[2]) == 2)
            & (_across(left, right, pairs, names[2], names[1]) == 2)
            & (year == 2)
        )
        level = np.select(
            [
                known == 0,
                (known < 3) & (agree == known),
                known < 3,
                agree == 3,
                crossed,
                (agree == 2) & (year == 2) & near,
                (agree == 2) & (year == 2),
                (agree == 2) & near,
                agree == 2,
                (year == 2) & near,
                year == 2,
                near,
            ],
            [0, 11, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2],
            default=1,
        )
        return level.astype(np.int8)

    # The quick look at all pairs

    def _stack(self, dataset: Dataset) -> npt.NDArray[np.uint64]:
        return np.ascontiguousarray(np.stack([dataset.filters[field.name] for field in self._quick]))

    def _present(self, dataset: Dataset) -> npt.NDArray[np.bool_]:
        return np.stack([lv.has_filter(dataset, field.name) for field in self._quick])

    def _quick_tables(self) -> npt.NDArray[np.float32]:
        """Rough weight of a field by distance: what an equal value typically weighs, less where it is only like."""
        n_bits = self._schema.filter.n_bits
        tables = np.zeros((len(self._quick), n_bits + 1), dtype=np.float32)
        for table, field in zip(tables, self._quick, strict=True):
            equal = [f.prior for f in self._features if f.part == field.name and f.label.startswith("equal")]
            typical = float(np.median(equal)) if equal else 4.0
            table[:] = -2.0
            for dice, share in zip(lv.DICE_CUTS, (0.0, 0.35, 0.7), strict=True):
                table[: lv.distance_cut(self._schema, field, dice) + 1] = share * typical
            table[0] = typical
        return tables

    def _choose_min_weight(self, datasets: tuple[Dataset, ...], strangers: list[Pairs]) -> float:
        """The quick weight that about 10 strangers per record reach."""
        scores = []
        for dataset, pairs in zip(datasets, strangers, strict=True):
            score = np.zeros(len(pairs), dtype=np.float32)
            for table, field in zip(self._tables, self._quick, strict=True):
                distance = lv.bits_apart(dataset, dataset, pairs, field.name, field.name)
                there = distance < len(table)
                score[there] += table[distance[there]]
            scores.append(score)
        n_rows = [len(dataset) for dataset in datasets]
        share = min(_KEPT_PER_RECORD * sum(n_rows) / max(n_rows[0] * n_rows[-1], 1), 0.5)
        pooled = np.concatenate(scores)
        return float(np.quantile(pooled, 1 - share)) if len(pooled) else 0.0


def _simple(
    field: FieldSpec,
    table: tuple[tuple[str, float], ...],
    levels: Callable[[Dataset, Dataset, Pairs], lv.Levels],
) -> _Column:
    return _Column(field.name, tuple(label for label, _ in table), np.array([m for _, m in table]), levels)


def _prior_weights(column: _Column, counts: npt.NDArray[np.int64] | None) -> Floats:
    """``log(m / u)`` from the default m and the strangers' levels; equal values' u from their frequencies."""
    m = column.m_prior
    if counts is None:
        return np.zeros(len(m))
    known = max(int(counts[1:].sum()), 1)
    u = (counts + 0.3) / known
    if column.u_equal is not None:
        equal = slice(lv.EQUAL, lv.EQUAL + len(lv.RARITY_BINS))
        u[equal] = np.maximum(column.u_equal, 1e-7)
    weights = np.log(np.maximum(m, 1e-6) / u)
    for context in column.contexts:
        seen = counts[context]
        weights[context] = np.log(m[context] / ((seen + 0.3) / max(seen.sum() + 0.3 * len(seen), 1)))
    weights[0] = 0
    clipped: Floats = np.clip(weights, -6, 14)
    return clipped


def _same(left: Dataset, right: Dataset, pairs: Pairs, name: str) -> lv.Levels:
    return _across(left, right, pairs, name, name)


def _across(left: Dataset, right: Dataset, pairs: Pairs, one: str, two: str) -> lv.Levels:
    """0 a side is missing, 1 the exact tokens differ, 2 they are equal."""
    a, b = left.exact[one][pairs.left], right.exact[two][pairs.right]
    return np.where((a == 0) | (b == 0), 0, np.where(a == b, 2, 1)).astype(np.int8)


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _random_pairs(dataset: Dataset, n: int, random: np.random.Generator) -> Pairs:
    """Random pairs of different rows: strangers, but for the duplicates a dataset may have."""
    n_rows = len(dataset)
    if n_rows < 2:
        return Pairs(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), 0)
    left = random.integers(0, n_rows, n)
    right = (left + random.integers(1, n_rows, n)) % n_rows
    return Pairs(left, right, n_possible_pairs(dataset, None))
