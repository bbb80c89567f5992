"""From posteriors to links, and from links to entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching import _loops
from broker.matching.candidates import Pairs
from broker.matching.evidence.model import Floats

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def choose(
    pairs: Pairs, posterior: Floats, log_ratio: Floats, *, threshold: float, exclusive: tuple[bool, bool]
) -> Rows:
    """Choose links greedily, the most probable first.

    Parameters
    ----------
    pairs : Pairs
        The candidates.
    posterior, log_ratio : ndarray of float64, shape (pairs,)
        Ties of the posterior go to the larger match weight, then to the earlier pair.
    threshold : float
        Least posterior of a link, inclusive.
    exclusive : (bool, bool)
        Whether a left row takes at most one link, and a right row.

    Returns
    -------
    ndarray of int64
        Positions in ``pairs``, ascending.
    """
    some = np.flatnonzero(posterior >= threshold)
    order = some[np.lexsort((some, -log_ratio[some], -posterior[some]))]
    left_taken, right_taken = (
        np.zeros(int(rows.max(initial=-1)) + 1 if once else 0, dtype=np.bool_)
        for rows, once in zip((pairs.left, pairs.right), exclusive, strict=True)
    )
    chosen = np.zeros(len(pairs), dtype=np.bool_)
    _loops.choose(pairs.left, pairs.right, order, left_taken, right_taken, chosen)
    return np.flatnonzero(chosen)


@dataclass(frozen=True, slots=True)
class Links:
    """Links over all datasets, records numbered through: dataset 0 first, then dataset 1, ...

    Attributes
    ----------
    left, right : ndarray of int64, shape (links,)
    probability : ndarray of float64, shape (links,)
    """

    left: Rows
    right: Rows
    probability: Floats

    def __len__(self) -> int:
        return len(self.left)


def gather_entities(links: Links, sizes: Sequence[int], duplicate_free: Sequence[bool]) -> tuple[Rows, Flags]:
    """Join linked records into entities, the most probable links first.

    A link that would bring two records of a duplicate-free dataset into one entity is dropped.

    Parameters
    ----------
    links : Links
        Over all datasets.
    sizes : sequence of int
        Records of each dataset.
    duplicate_free : sequence of bool
        For each dataset.

    Returns
    -------
    entity : ndarray of int64, shape (records,)
        Entity numbers, 0, 1, ... in the order of their first record; a record without a link is an entity of its own.
    kept : ndarray of bool, shape (links,)
        Links whose two records are in one entity.
    """
    parent = np.arange(sum(sizes), dtype=np.int64)
    # A bit for each duplicate-free dataset: which of them the record's entity holds.
    vouched = np.flatnonzero(duplicate_free)
    holds = np.zeros((len(parent), -(-len(vouched) // 64)), dtype=np.uint64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for bit, dataset in enumerate(vouched):
        holds[starts[dataset] : starts[dataset + 1], bit // 64] = np.uint64(1) << np.uint64(bit % 64)
    order = np.lexsort((np.arange(len(links)), -links.probability))
    _loops.join_groups(links.left, links.right, order, parent, holds)
    entity = np.empty(len(parent), dtype=np.int64)
    _loops.number_groups(parent, entity)
    kept: Flags = entity[links.left] == entity[links.right]
    return entity, kept
