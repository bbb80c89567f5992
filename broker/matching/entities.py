"""From links to entities: records of one person over all datasets.

A link says that two records are one person; so, with two links that share a record, do all three. Whether that is
so is asked of every pair: groups of records are joined, always the two whose pairs' log odds sum up to most, as long
as the sum is above zero (greedy additive edge contraction, Keuper et al., *Efficient decomposition of image and mesh
graphs by lifted multicuts*, ICCV 2015; an approximation to correlation clustering). So a doubtful link between two
groups gives way to the pairs of the same groups that speak against it, and two records of a duplicate-free dataset
are never joined.

Pairs of the same two groups are no independent evidence. Where two records differ as twins do, one of them may err;
where two that agree with each other differ so from two others that do, the same error would have come twice. So each
record more on the smaller side takes `REPEATED` nats of each pair.

Hardly any two strangers are among the pairs looked at. So a pair that is not speaks against by the logarithm of the
share of matches that are not either: where copies are damaged much, it says little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from broker.matching import _loops
from broker.matching.candidates import Flags, Rows
from broker.matching.evidence.model import Floats

LEAST_PROBABILITY = 1e-4
"""Pairs below this need not be among the edges."""
REPEATED = 3.0
"""Nats for an error that comes again the same: about one record in twenty errs in any one field."""
ABSENT = -6.0
"""Nats that a pair which is not among the edges adds, where nothing is known of the matches that are not."""
_LEAST_ABSENT, _MOST_ABSENT = -8.0, -1.0
_MOST = 8.0  # log odds of one pair, at most: none decides alone over many
_SPLITS = (0.9, 0.99, 0.999, 0.9999)  # parts that are too large fall apart at these probabilities
MOST_RECORDS = 400
"""Of a connected part that is looked at pair by pair; larger ones are joined link by link."""


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

    def some(self, which: Flags | Rows) -> Links:
        """Some of the links."""
        return Links(self.left[which], self.right[which], self.probability[which])


def weight_of_absent(n_absent: float, n_matches: float) -> float:
    """Nats that a pair which is not among the edges adds, by how many of the expected matches are not."""
    return float(np.clip(np.log((n_absent + 0.5) / (n_matches + 1)), _LEAST_ABSENT, _MOST_ABSENT))


def gather_entities(
    edges: Links,
    is_link: Flags,
    sizes: Sequence[int],
    duplicate_free: Sequence[bool],
    *,
    threshold: float,
    absent: float = ABSENT,
) -> Rows:
    """Join records into entities.

    Parameters
    ----------
    edges : Links
        Over all datasets: the links, and pairs that are none but were looked at. A pair that is not among them speaks
        against an entity.
    is_link : ndarray of bool, shape (edges,)
        Which of them are links.
    sizes : sequence of int
        Records of each dataset.
    duplicate_free : sequence of bool
        For each dataset.
    threshold : float
        Probability at which a pair speaks neither for nor against an entity.
    absent : float
        Nats that a pair which is not among the edges adds to those of two groups.

    Returns
    -------
    ndarray of int64, shape (records,)
        Entity numbers, 0, 1, ... in the order of their first record; a record without a link is an entity of its own.
    """
    n = sum(sizes)
    site = np.repeat(
        np.where(np.asarray(duplicate_free, dtype=np.bool_), np.arange(len(sizes)), -1), np.asarray(sizes)
    )
    used = is_link.copy()
    part = _parts(edges.some(used), n)
    for probability in _SPLITS:
        large = np.bincount(part)[part] > MOST_RECORDS
        if not large.any():
            break
        used &= ~large[edges.left] | (edges.probability >= probability)
        part = _parts(edges.some(used), n)
    size = np.bincount(part, minlength=1)[part]
    parent = np.arange(n, dtype=np.int64)
    large = size > MOST_RECORDS
    if large.any():
        _join_by_link(edges.some(used & large[edges.left]), site, parent)
    _contract(edges, is_link, part, (size > 1) & ~large, site, parent, threshold=threshold, absent=absent)
    entity = np.empty(n, dtype=np.int64)
    _loops.number_groups(parent, entity)
    return entity


def _parts(links: Links, n: int) -> Rows:
    """Numbers of the connected parts."""
    graph = coo_array((np.ones(len(links), dtype=np.int8), (links.left, links.right)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _join_by_link(links: Links, site: Rows, parent: Rows) -> None:
    """Join linked records, the most probable links first, unless a site would be twice in a group."""
    sites = np.unique(site[site >= 0])
    holds = np.zeros((len(parent), -(-len(sites) // 64)), dtype=np.uint64)
    for bit, number in enumerate(sites):
        holds[site == number, bit // 64] = np.uint64(1) << np.uint64(bit % 64)
    order = np.lexsort((np.arange(len(links)), -links.probability))
    _loops.join_groups(links.left, links.right, order, parent, holds)


def _contract(
    edges: Links,
    is_link: Flags,
    part: Rows,
    taken: Flags,
    site: Rows,
    parent: Rows,
    *,
    threshold: float,
    absent: float,
) -> None:
    """Write the groups of the records ``taken``, whole parts, to ``parent``."""
    records = np.flatnonzero(taken)
    records = records[np.argsort(part[records], kind="stable")]
    if not len(records):
        return
    starts = np.flatnonzero(np.diff(part[records], prepend=-1))
    place = np.full(len(parent), -1, dtype=np.int64)
    place[records] = np.arange(len(records))
    number = np.full(int(part.max()) + 1, -1, dtype=np.int64)
    number[part[records[starts]]] = np.arange(len(starts))

    within = np.flatnonzero((part[edges.left] == part[edges.right]) & taken[edges.left])
    component = number[part[edges.left[within]]]
    order = np.argsort(component, kind="stable")
    within, component = within[order], component[order]
    probability = np.clip(edges.probability[within], 1e-12, 1 - 1e-12)
    gain = np.log(probability / (1 - probability)) - np.log(threshold / (1 - threshold))
    gain = np.clip(gain, -_MOST, _MOST)
    gain[is_link[within]] = np.maximum(gain[is_link[within]], 1e-9)  # a link just at the threshold
    label = np.empty(len(records), dtype=np.int64)
    _loops.contract(
        np.append(starts, len(records)),
        site[records],
        np.searchsorted(component, np.arange(len(starts) + 1)),
        place[edges.left[within]] - starts[component],
        place[edges.right[within]] - starts[component],
        gain,
        absent,
        REPEATED,
        label,
    )
    parent[records] = records[label]
