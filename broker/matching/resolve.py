"""From posteriors to links, and from links to entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for position, left, right in zip(
        order.tolist(), pairs.left[order].tolist(), pairs.right[order].tolist(), strict=True
    ):
        if (exclusive[0] and left in taken[0]) or (exclusive[1] and right in taken[1]):
            continue
        taken[0].add(left)
        taken[1].add(right)
        chosen.append(position)
    return np.sort(np.array(chosen, dtype=np.int64))


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
    n_records = sum(sizes)
    dataset = np.repeat(np.arange(len(sizes)), sizes)
    parent = list(range(n_records))
    holds = [
        1 << int(d) if duplicate_free[d] else 0 for d in dataset.tolist()
    ]  # duplicate-free datasets in the entity

    def root(record: int) -> int:
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    order = np.lexsort((np.arange(len(links)), -links.probability))
    for left, right in zip(links.left[order].tolist(), links.right[order].tolist(), strict=True):
        one, two = root(left), root(right)
        if one == two or holds[one] & holds[two]:
            continue
        first, second = min(one, two), max(one, two)
        parent[second] = first
        holds[first] |= holds[second]
    roots = np.array([root(record) for record in range(n_records)], dtype=np.int64)
    _, entity = np.unique(roots, return_inverse=True)
    kept: Flags = roots[links.left] == roots[links.right]
    return entity.astype(np.int64), kept
