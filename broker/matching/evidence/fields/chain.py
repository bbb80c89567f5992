"""Parts of an address that depend on another part: what they say is weighed given how alike that one is.

A street that agrees says little where the postcode does, for both follow from living there. It says little more where
the postcodes differ by a slip: strangers who share a street mostly share a household, and one of them has the slip. So
there is a context for each level of the postcode, and in each it is counted how many strangers have the street in
common; in a sample of all pairs there would be none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from broker.matching.candidates import Pairs, n_possible_pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.column import Column, Counts
from broker.matching.evidence.model import Floats
from pprl.schema import FieldSpec, Kind, Schema

CHAINED = (Kind.CITY, Kind.STREET)

_LABELS = (*lv.LABELS[1 : lv.EQUAL], "equal")
_CONTEXTS = ("missing", *_LABELS)  # of the condition
_N_LEVELS = len(_LABELS)  # in each context
_SAMPLE = 200_000  # pairs of equal values, of each dataset
_LEAST = 0.5  # pairs, where none was counted


def condition_of(field: FieldSpec, compared: Sequence[FieldSpec]) -> FieldSpec | None:
    """The field that an address part depends on: the postcode, or else the city."""
    if field.kind not in CHAINED:
        return None
    for kind in (Kind.POSTCODE, Kind.CITY):
        for other in compared:
            if other.kind is kind and other is not field and other.n_hashes:
                return other
    return None


class ChainedColumn(Column):
    """A city or a street by similarity, in a context for each level of its condition.

    Parameters
    ----------
    field, condition : FieldSpec
        The part, and the one that it depends on.
    personal : sequence of FieldSpec
        Two records that are equal in one of these may be one person's; they are not counted among strangers.
    schema : Schema
    datasets : tuple of Dataset
        Those compared, in each of which equal values are counted.
    seed : int
        Of the pairs sampled.
    """

    def __init__(
        self,
        field: FieldSpec,
        condition: FieldSpec,
        personal: Sequence[FieldSpec],
        schema: Schema,
        datasets: tuple[Dataset, ...],
        *,
        seed: int,
    ) -> None:
        contexts = [f"{condition.name} {context}" for context in _CONTEXTS]
        super().__init__(
            field,
            ("missing", *(f"{label}, {context}" for context in contexts for label in _LABELS)),
            (0.0, *len(_CONTEXTS) * lv.M_PRIOR),
        )
        self._condition, self._personal, self._schema = condition, tuple(personal), schema
        random = np.random.default_rng(seed)
        n_equal = np.sum([self._count_equal(dataset, random) for dataset in datasets], axis=0)
        n_possible = sum(
            n_possible_pairs(dataset, None) * dataset.has(field.name).mean() ** 2 for dataset in datasets
        )
        self._equal: Floats = np.maximum(n_equal, _LEAST) / max(n_possible, 1.0)

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        """See `Column.levels`."""
        level, context = (
            lv.similarity_levels(self._schema, field, left, right, pairs, by_rarity=False)
            for field in (self.field, self._condition)
        )
        return np.where(level > 0, level + _N_LEVELS * context, level).astype(np.int8)

    def u(self, counts: Counts) -> Floats:
        """See `Column.u`; within each context, as m is."""
        u = np.ones(len(counts))
        for context, chance in enumerate(self._equal.tolist()):
            first = 1 + _N_LEVELS * context
            seen = counts[first : first + _N_LEVELS]
            n_here = max(seen.sum() + 0.3 * _N_LEVELS, 1)
            u[first : first + _N_LEVELS] = (seen + 0.3) / n_here
            share = n_here / max(int(counts[1:].sum()), 1)
            u[first + _N_LEVELS - 1] = min(chance / share, 1.0)
        return u

    def weights(self, counts: Counts) -> Floats:
        """See `Column.weights`; within a context no level weighs more than a better one.

        Strangers of one postcode rarely have a misspelt city between them, but no more rarely than one person has.
        """
        weights = super().weights(counts)
        for first in range(1, len(counts), _N_LEVELS):
            context = slice(first, first + _N_LEVELS)
            weights[context] = np.minimum.accumulate(weights[context][::-1])[::-1]
        return weights

    def _count_equal(self, dataset: Dataset, random: np.random.Generator) -> Floats:
        """How many pairs of strangers have an equal value, in each context; by a sample of them, shape (contexts,)."""
        pairs = _equal_pairs(dataset, self.field.name, random)
        if not len(pairs):
            return np.zeros(len(_CONTEXTS))
        one_person = np.zeros(len(pairs), dtype=np.bool_)
        for field in self._personal:
            one_person |= lv.bits_apart(dataset, dataset, pairs, field.name, field.name) == 0
        counts = np.bincount(
            self.levels(dataset, dataset, pairs.some(~one_person)), minlength=len(self.labels)
        )
        return np.asarray(counts[_N_LEVELS::_N_LEVELS] * (pairs.n_possible / len(pairs)))


def _equal_pairs(dataset: Dataset, field: str, random: np.random.Generator) -> Pairs:
    """Random pairs of rows with an equal value, of all that there are; none if there are none."""
    there = np.flatnonzero(lv.has_filter(dataset, field))
    codes = lv.filter_codes(dataset.filters[field][there])
    rows = there[np.argsort(codes, kind="stable")]
    _, sizes = np.unique(codes, return_counts=True)
    n_pairs = sizes * (sizes - 1) // 2
    total = int(n_pairs.sum())
    if not total:
        return Pairs(rows[:0], rows[:0], 0)
    group = random.choice(len(sizes), _SAMPLE, p=n_pairs / total)
    one = random.integers(0, sizes[group])
    two = (one + random.integers(1, sizes[group])) % sizes[group]
    first = (np.cumsum(sizes) - sizes)[group]
    return Pairs(rows[first + one], rows[first + two], total)
