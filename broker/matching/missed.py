"""Matches that never became candidates: how many.

A match becomes a candidate if it shares a match key, or is near by filter where filters were compared. So candidates
are a truncated sample of the matches, and what it lacks can be told from how the matches that share few keys shade off
into those that share none. Keys overlap, so that their number tells it badly; `broker.matching.agreement_model` has
them as what they are, conjunctions of parts. Keys that a side lacks tell nothing: matches are grouped by the keys
missing, and the groups, whose numbers are free, share all else. Within a dataset there is a part that is not truncated:
two records that are surely one person with a third, candidates or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching.agreement import Grid, grid_of
from broker.matching.agreement_model import Group, Model
from broker.matching.alone import JOINED, Thirds
from broker.matching.candidates import Flags, Found, Pairs, shared_keys
from broker.matching.dataset import Dataset
from broker.matching.evidence.model import Floats, Nearness, sums
from pprl.schema import Schema

HARDLY = 1e-3
"""A posterior up to this does not count among the matches."""
MAX_GROUPS = 32
"""Sets of missing keys told apart, the most frequent; of the matches in others as many are missed as of all these."""
_MAX_GROUP_CELLS = 200_000
_MAX_UNREACHABLE = 0.5  # of all pairs: beyond, nothing is said of them

_ABSENT = (
    2 / 3
)  # of what a field that differs costs, where each has its filter: it does not speak against a pair

Bits = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Matches:
    """Candidates, as far as they may match; and pairs that are none and match all the same.

    Attributes
    ----------
    posterior : ndarray of float64, shape (pairs,)
    shared, missing : ndarray of uint32, shape (pairs,)
        Match keys shared, and those a side has not; bit k for key k.
    absent, one_sided : ndarray of uint32, shape (pairs,)
        Fields that are not there on both sides, and those there on one; bit i for field i.
    near : ndarray of bool, shape (pairs,)
        Found by filter.
    probed : ndarray of bool, shape (pairs,)
        Whether the pair would be a candidate for being near, whatever keys it shares.
    joined : ndarray of bool, shape (pairs,)
        Whether a third record joins the two, so that they are known whatever they share.
    seen : ndarray of bool, shape (pairs,)
        Whether it is a candidate.
    """

    posterior: Floats
    shared: Bits
    missing: Bits
    absent: Bits
    one_sided: Bits
    near: Flags
    probed: Flags
    joined: Flags
    seen: Flags

    def __len__(self) -> int:
        return len(self.posterior)

    def some(self, which: Flags) -> Matches:
        """Some of the pairs."""
        return Matches(*(getattr(self, name)[which] for name in self.__slots__))


def likely_matches(
    left: Dataset,
    right: Dataset,
    found: Found,
    posterior: Floats,
    *,
    n_probed: int,
    thirds: Thirds | None = None,
) -> tuple[npt.NDArray[np.int64], Matches]:
    """Candidates of more than a negligible posterior, and where they are among all.

    Parameters
    ----------
    left, right : Dataset
        The same one twice for pairs within it.
    found : Found
        The candidates.
    posterior : ndarray of float64, shape (pairs,)
        Of each candidate.
    n_probed : int
        Of the left rows, how many were compared by filter with all others.
    thirds : Thirds, optional
        Of pairs within a dataset. The pairs that they join and that are no candidates come last.
    """
    some = np.flatnonzero(posterior > HARDLY)
    pairs, is_near, is_joined = found.pairs.some(some), found.from_filter[some], np.zeros(len(some), np.bool_)
    value = posterior[some]
    if thirds is not None:
        more = thirds.unseen
        pairs = Pairs(
            np.concatenate([pairs.left, more.left]),
            np.concatenate([pairs.right, more.right]),
            pairs.n_possible,
        )
        is_near = np.append(is_near, np.zeros(len(more), np.bool_))
        is_joined = np.append(thirds.joined[some], np.ones(len(more), np.bool_))
        value = np.append(value, np.full(len(more), JOINED))
    shared, missing = shared_keys(left, right, pairs)
    one, two = left.presence[pairs.left], right.presence[pairs.right]
    all_fields = np.uint32((1 << len(left.schema.fields)) - 1)
    return some, Matches(
        value,
        shared,
        missing,
        ~(one & two) & all_fields,
        one ^ two,
        is_near,
        pairs.left < n_probed,
        is_joined,
        np.arange(len(pairs)) < len(some),
    )


def share_without_key(left: Dataset, right: Dataset) -> float:
    """Share of all pairs of rows that lack a side of every match key, so that they can share none."""
    everything = np.uint32((1 << len(left.keys)) - 1)
    sides = []
    for dataset in (left, right):
        lacks = np.zeros(len(dataset), dtype=np.uint32)
        for number, columns in enumerate(dataset.keys):
            there = np.logical_or.reduce([column != 0 for column in columns])
            lacks |= (~there).astype(np.uint32) << np.uint32(number)
        codes, counts = np.unique(lacks, return_counts=True)
        sides.append((codes, counts / max(len(dataset), 1)))
    (one, share_one), (two, share_two) = sides
    return float(
        sum(
            share * share_two[(code | two) == everything].sum()
            for code, share in zip(one, share_one, strict=True)
        )
    )


def expected_missed(
    matches: Matches, schema: Schema, *, without_key: float = 0.0, nearness: Nearness | None = None
) -> float | None:
    """Expected matches that are not among the candidates; None where keys and fields do not allow the model.

    Parameters
    ----------
    matches : Matches
        Pairs of a negligible posterior may be left out.
    schema : Schema
        For what its match keys read.
    without_key : float
        As of `share_without_key`: where nothing was probed these are as many of the matches, not seen at all.
    nearness : Nearness, optional
        Of the evidence model.
    """
    grid = grid_of(schema)
    if grid is None:
        return None
    by_key = matches.shared != 0
    unseen = float(matches.posterior[~matches.seen].sum())
    # What only buckets found among rows that were not probed is no part of the sample.
    sample = by_key | matches.probed | matches.joined
    groups, rest = _grouped(matches.some(sample), grid, len(schema.match_keys))
    if not groups:
        return unseen
    known = None
    if nearness is not None:
        taken = [nearness.taken.get(name, 0.0) for name in schema.field_names]
        known = nearness.agreeing, np.array(taken)
    probed, others = Model(grid, groups, known).fit()
    more = 1 + rest / sum(group.total for group in groups)
    at_random = min(without_key, _MAX_UNREACHABLE)
    by_key_elsewhere = float(matches.posterior[by_key & ~matches.probed].sum())
    elsewhere = others * more
    elsewhere += (by_key_elsewhere + elsewhere) * at_random / (1 - at_random)
    met_otherwise = float(matches.posterior[~sample].sum())
    return unseen + probed * more + max(elsewhere - met_otherwise, 0.0)


def _grouped(matches: Matches, grid: Grid, n_keys: int) -> tuple[list[Group], float]:
    """The most frequent groups, and the number of matches in others."""
    n_most = int(np.clip(_MAX_GROUP_CELLS // len(grid), 4, MAX_GROUPS))
    absent, of_absent = np.unique(matches.absent & np.uint32(grid.of_several), return_inverse=True)
    kinds = matches.missing.astype(np.uint64) | of_absent.astype(np.uint64) << np.uint64(32)
    kinds |= matches.probed.astype(np.uint64) << np.uint64(62)
    kinds |= matches.joined.astype(np.uint64) << np.uint64(63)
    codes, of_pair = np.unique(kinds, return_inverse=True)
    weights = sums(of_pair, matches.posterior, len(codes))
    kept = [n for n in np.lexsort((codes, -weights)).tolist()[:n_most] if weights[n] > 0]
    place = np.full(len(codes), -1)
    place[kept] = np.arange(len(kept))
    in_groups = place[of_pair] >= 0
    rest = float(matches.posterior[~in_groups].sum())
    some, of_pair = matches.some(in_groups), place[of_pair][in_groups]
    totals = weights[kept]
    there, one_sided = np.ones((len(kept), len(grid.loads))), np.zeros(len(kept))
    for field, load in enumerate(grid.loads):
        neither, one = (
            sums(of_pair, some.posterior * (bits >> np.uint32(field) & np.uint32(1)), len(kept)) / totals
            for bits in (some.absent, some.one_sided)
        )
        there[:, field] -= neither
        one_sided += load * (_ABSENT * neither if grid.apart else one)
    sets, of_set = np.unique(of_pair.astype(np.uint64) << np.uint64(32) | some.shared, return_inverse=True)
    known_near = some.near & some.probed
    near = sums(of_set, some.posterior * known_near, len(sets))
    far = sums(of_set, some.posterior * ~known_near, len(sets))
    groups = []
    for number, code in enumerate(codes[kept].tolist()):
        mine = sets >> np.uint64(32) == number
        groups.append(
            Group(
                probed=bool(code >> 62 & 1),
                joined=bool(code >> 63),
                missing=code & ((1 << n_keys) - 1),
                absent=int(absent[code >> 32 & 0x3FFFFFFF]),
                there=there[number],
                one_sided=float(one_sided[number]),
                shared=(sets[mine] & np.uint64(0xFFFFFFFF)).astype(np.uint32),
                far=far[mine],
                near=near[mine],
            )
        )
    return groups, rest
