"""Similarity levels of one filter field, and what a level weighs without data.

::

    0 missing   1 disagree   2 Dice >= .5   3 Dice >= .65   4 Dice >= .8   5... equal, by rarity of the value

Under diffusion a Dice coefficient is seen as a Hamming distance: two values of n tokens each differ in
``2 n (1 - Dice)`` tokens, hence in a share ``d = 2 n (1 - Dice) .88 k / l`` of the bits before diffusion, and in
``(1 - (1 - 2d)**t) / 2`` of them after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence.model import Floats
from pprl import similarity
from pprl.schema import FieldSpec, Schema
from pprl.schema.kinds import DEFAULTS

Levels = npt.NDArray[np.int8]

MISSING, DISAGREE, EQUAL = 0, 1, 5
DICE_CUTS = (0.5, 0.65, 0.8)
RARITY_BINS = tuple(range(4, 12))
"""Bins of ``floor(-log2 frequency)`` of an equal value: commoner than 1 in 32, ..., rarer than 1 in 2,048."""
LABELS = (
    "missing",
    "disagree",
    "slightly similar",
    "similar",
    "close",
    *(f"equal, 1 in {2**bits}" for bits in RARITY_BINS),
)
M_PRIOR = (0.12, 0.02, 0.03, 0.08, 0.75)
"""Default m of levels 1 to 4, and of equal."""
_COLLISIONS = 0.88  # share of a token's bits that no other token of the value sets


def distance_cut(schema: Schema, field: FieldSpec, dice: float) -> int:
    """Largest distance in bits at which two values of a field count as having at least this Dice coefficient."""
    filters = schema.filter
    share = 2 * DEFAULTS[field.kind].n_tokens * (1 - dice) * _COLLISIONS * field.n_hashes / filters.n_bits
    diffused = (1 - max(1 - 2 * share, 0.0) ** filters.n_taps) / 2
    # Never so far that strangers, at one half give or take sd, count as alike.
    limit = 0.5 - 3 * 0.5 / np.sqrt(filters.n_bits)
    return int(min(diffused, limit) * filters.n_bits)


@dataclass(frozen=True, slots=True)
class Rarity:
    """How common each record's value of a field is, by pooled frequency over the datasets compared.

    Attributes
    ----------
    bins : dict of str to ndarray of uint8, shape (n,)
        By dataset name: 0 for the commonest bin to 7 for the rarest.
    m_share, u : ndarray of float64, shape (8,)
        Share of records in each bin, and the chance that two random records share a value of the bin.
    """

    bins: dict[str, npt.NDArray[np.uint8]]
    m_share: Floats
    u: Floats

    @classmethod
    def count(cls, datasets: tuple[Dataset, ...], field: str) -> Rarity:
        """Count equal filters of a field."""
        rows = np.concatenate([dataset.filters[field] for dataset in datasets])
        present = np.concatenate([has_filter(dataset, field) for dataset in datasets])
        _, code, count = np.unique(filter_codes(rows), return_inverse=True, return_counts=True)
        n = max(int(present.sum()), 1)
        frequency = np.minimum(count / n, 1.0)
        bits = np.clip(np.floor(-np.log2(frequency)), RARITY_BINS[0], RARITY_BINS[-1]).astype(np.int64)
        place = (bits - RARITY_BINS[0])[code]
        real = np.zeros(len(count), dtype=np.bool_)
        real[code[present]] = True
        n_bins = len(RARITY_BINS)
        m_share: Floats = np.bincount(place[present], minlength=n_bins) / n
        u = np.bincount((bits - RARITY_BINS[0])[real], frequency[real] ** 2, minlength=n_bins)
        ends = np.cumsum([0] + [len(dataset) for dataset in datasets])
        bins = {
            d.name: place[start:end].astype(np.uint8)
            for d, start, end in zip(datasets, ends[:-1], ends[1:], strict=True)
        }
        return cls(bins, m_share, np.asarray(u, dtype=np.float64))


def has_filter(dataset: Dataset, field: str) -> npt.NDArray[np.bool_]:
    """Records with a filter for the field: a value that is more than an initial; none where it is compared whole."""
    known = dataset.derived.get(f"filter:{field}")
    if known is not None:
        return known.view(np.bool_)
    if field not in dataset.filters:
        return np.zeros(len(dataset), dtype=np.bool_)
    return np.asarray(dataset.filters[field].any(axis=1), dtype=np.bool_)


def bits_apart(
    left: Dataset, right: Dataset, pairs: Pairs, left_field: str, right_field: str
) -> npt.NDArray[np.int32]:
    """Distance of two fields' filters, shape (pairs,); far beyond any cut where one is missing."""
    if left_field not in left.filters or right_field not in right.filters:
        return np.full(len(pairs), np.iinfo(np.int32).max, dtype=np.int32)
    distance = similarity.of_pairs(
        left.filters[left_field], right.filters[right_field], pairs.left, pairs.right
    ).astype(np.int32)
    there = has_filter(left, left_field)[pairs.left] & has_filter(right, right_field)[pairs.right]
    distance[~there] = np.iinfo(np.int32).max
    return distance


def similarity_levels(
    schema: Schema, field: FieldSpec, left: Dataset, right: Dataset, pairs: Pairs, *, by_rarity: bool
) -> Levels:
    """Levels of one field, int8, shape (pairs,); equal values by the rarity derived for the left record, or not."""
    distance = bits_apart(left, right, pairs, field.name, field.name)
    level = np.full(len(pairs), DISAGREE, dtype=np.int8)
    for step, dice in enumerate(DICE_CUTS, DISAGREE + 1):
        level[distance <= distance_cut(schema, field, dice)] = step
    equal = distance == 0
    level[equal] = EQUAL
    if by_rarity:
        level[equal] += left.derived[f"rarity:{field.name}"][pairs.left[equal]].astype(np.int8)
    there = left.has(field.name)[pairs.left] & right.has(field.name)[pairs.right]
    level[~there] = MISSING
    return level


def filter_codes(rows: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One word a filter that tells filters apart, uint64, shape (n,): a multiply-and-add of its words."""
    constants = np.arange(1, 2 * rows.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (rows ^ (rows >> np.uint64(29))) * (constants | np.uint64(1))
    keys: npt.NDArray[np.uint64] = mixed.sum(axis=1, dtype=np.uint64)
    return keys


def joint_codes(one: npt.NDArray[np.uint64], two: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Codes of two values together, shape (n,): equal where both are, and hardly else."""
    return (one ^ (one >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15) + two
