"""The evidence model of profile ``fields``: which columns are compared, and their levels as features."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Flags, Pairs, Rows, n_possible_pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.chain import CHAINED, ChainedColumn, condition_of
from broker.matching.evidence.fields.column import Column
from broker.matching.evidence.fields.dates import DateColumn
from broker.matching.evidence.fields.exact import CategoryColumn
from broker.matching.evidence.fields.household import household_column
from broker.matching.evidence.fields.names import NAMES, MiddleNameColumn, NameColumn
from broker.matching.evidence.fields.quick import QuickLook
from broker.matching.evidence.fields.similarity import SimilarityColumn
from broker.matching.evidence.model import Feature, Features, Floats, Nearness, Reach, Seen, Vectors
from pprl.schema import FieldSpec, Kind, Schema, Tokens

_MIN_SHARE = 0.02  # of records with a value, in both datasets, for a field to be compared
_MIN_FULL = 0.2  # of middle names that are more than an initial, in both datasets, to be compared in full
_FIRMNESS = 3.0
_SAMPLE = 500_000


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
        # What only one dataset has is no evidence between them; left in, it would tell the strangers within that one
        # from the pairs across.
        compared = [f for f in schema.fields if all(_share(d.has(f.name)) >= _MIN_SHARE for d in datasets)]
        initials_only = any(
            f.kind is Kind.MIDDLE_NAME
            and any(_share(lv.has_filter(d, f.name)) < _MIN_FULL * _share(d.has(f.name)) for d in datasets)
            for f in compared
        )
        self._columns = _columns(schema, compared, datasets, initials_only=initials_only, seed=seed)
        datasets = tuple(self.prepare(dataset) for dataset in datasets)
        random = np.random.default_rng(seed)
        strangers = [_random_pairs(dataset, _SAMPLE // len(datasets), random) for dataset in datasets]
        self._features = tuple(
            Feature(column.part, label, float(weight), _FIRMNESS)
            for column in self._columns
            for label, weight in zip(
                column.labels[1:], _prior_weights(column, datasets, strangers)[1:], strict=True
            )
        )
        looked_at = [f for f in compared if f.n_hashes and not (f.kind is Kind.MIDDLE_NAME and initials_only)]
        self._quick = QuickLook.by_features(schema, looked_at, self._features)
        self._quick.expect(datasets, strangers)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the feature matrix, in order."""
        return self._features

    @property
    def compares_filters(self) -> bool:
        """Whether there are filters to find near pairs by."""
        return bool(self._quick.fields)

    @property
    def reach(self) -> Reach:
        """The weights of the quick look, and the least one."""
        return self._quick.reach

    @property
    def nearness(self) -> Nearness:
        """By the weights of the quick look."""
        return self._quick.nearness

    def reaching(self, reach: Reach) -> FieldEvidence | None:
        """The model with the quick look of another one, if that finds all that its own does."""
        quick = self._quick.reaching(reach)
        return None if quick is None else self._with(quick)

    def farther(self) -> FieldEvidence:
        """The model with a quick look that has room for its weights to move."""
        return self._with(self._quick.farther())

    def _with(self, quick: QuickLook) -> FieldEvidence:
        other = copy(self)
        other._quick = quick
        return other

    def prepare(self, dataset: Dataset) -> Dataset:
        """The dataset with which filters each record has, and how rare its values are."""
        derived = {f"filter:{name}": lv.has_filter(dataset, name).view(np.uint8) for name in dataset.filters}
        for column in self._columns:
            derived |= column.derive(dataset)
        return replace(dataset, derived=derived)

    def near(self, left: Dataset, right: Dataset, *, n_threads: int | None = None) -> tuple[Rows, Rows]:
        """Rows of all pairs whose filters alone weigh enough by the prior."""
        return self._quick.near(left, right, n_threads=n_threads)

    def near_among(self, left: Dataset, right: Dataset, pairs: Pairs) -> Flags:
        """Which of listed pairs weigh enough by the quick look."""
        return self._quick.near_among(left, right, pairs)

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

    def describe(self, vectors: Vectors) -> tuple[Seen, ...]:
        """What the levels say of each field."""
        levels = {
            column.part: level.astype(np.int64)
            for column, level in zip(self._columns, vectors.T, strict=True)
        }
        return tuple(column.describe(levels) for column in self._columns)


def _columns(
    schema: Schema,
    compared: Sequence[FieldSpec],
    datasets: tuple[Dataset, ...],
    *,
    initials_only: bool,
    seed: int,
) -> list[Column]:
    """The columns of the fields compared; those of a chain come behind what they depend on."""
    names = {kind: f for kind in (*NAMES, Kind.MIDDLE_NAME) for f in reversed(compared) if f.kind is kind}
    personal = [f for f in compared if f.kind in (Kind.GIVEN_NAME, Kind.BIRTH_DATE) and f.n_hashes]

    def column(field: FieldSpec) -> Column:
        if field.kind is Kind.BIRTH_DATE:
            return DateColumn(field, schema, datasets)
        if field.kind is Kind.MIDDLE_NAME:
            return MiddleNameColumn(field, schema, initials_only=initials_only)
        if field.tokens is Tokens.WHOLE:
            return CategoryColumn(field)
        condition = condition_of(field, compared)
        if condition is not None:
            return ChainedColumn(field, condition, personal, schema, datasets, seed=seed)
        if field.kind in NAMES:
            return NameColumn(field, schema, datasets, names)
        return SimilarityColumn(field, schema, datasets)

    chained_last = sorted(compared, key=lambda f: f.kind in CHAINED)
    household = household_column(schema, compared, datasets)
    return [*map(column, chained_last), *([household] if household else [])]


def _prior_weights(column: Column, datasets: tuple[Dataset, ...], strangers: Sequence[Pairs]) -> Floats:
    """Weights of a column's levels without data, its u by random pairs within each dataset."""
    levels = [column.levels(d, d, pairs) for d, pairs in zip(datasets, strangers, strict=True) if len(pairs)]
    if not levels:
        return np.zeros(len(column.labels))
    return column.weights(np.bincount(np.concatenate(levels), minlength=len(column.labels)))


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
