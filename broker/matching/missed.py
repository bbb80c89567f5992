"""Matches that never became candidates: how many, by a model of what agrees between two records of one person.

A match becomes a candidate if it shares a match key, or is near by filter where filters were compared. So candidates
are a truncated sample of the matches, and what it lacks can be told from how the matches that share few keys shade off
into those that share none. Keys overlap, so that their number tells it badly; here they are what they are, conjunctions
of parts::

    care u of the two records   normal, of mean gamma . (fields they lack) and variance 1
    factor f errs               P = s(alpha_f + beta_f u), s the logistic function
    its state, if so            P(x_f), whatever the care                cells of `broker.matching.agreement`
    keys shared                 a function of all x_f
    near by filter              logistic in what of the fields is lost in x

The care is there because careless records err in several fields: were fields taken to err independently, far too few
would be missed (Coull and Agresti 1999 count a population so by captures of unequal chance). The model is fitted by EM
to the candidates weighted by their posteriors, with the matches not seen as missing data (Dempster, Laird and Rubin
1977, 4.2), on few quadrature points of u. Keys that a side lacks tell nothing: matches are grouped by the keys missing,
and the groups, whose numbers are free, share all else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching.agreement import Grid, grid_of
from broker.matching.candidates import Found, shared_keys
from broker.matching.dataset import Dataset
from broker.matching.evidence.model import Floats, sums
from pprl.schema import Schema

HARDLY = 1e-3
"""A posterior up to this does not count among the matches."""
MAX_GROUPS = 48
"""Sets of missing keys told apart, the most frequent; of the matches in others as many are missed as of all these."""
MAX_ROUNDS = 400
_MAX_GROUP_CELLS = 400_000
_MAX_UNREACHABLE = 0.5  # of all pairs: beyond, nothing is said of them
_TOLERANCE = 1e-5  # of all matches, by which the number missed changes in a round
_LEAST_FOUND = 0.02  # a share of matches found below this tells no number

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_SLOPE = 1.0  # beta: log odds of an error, for one standard deviation of care
_GAP = 0.3  # gamma: standard deviations of care, for a field that is missing
_MAX_GAP = 2.0
_ERR_FIRMNESS = np.array([0.25, 4.0])  # inverse variances of the priors of alpha and beta
_GAP_FIRMNESS = 4.0
_SPLIT_FIRMNESS = 2.0  # matches that the prior of the states counts for
_NEAR_PRIOR = np.array(
    [5.0, 1.2]
)  # log odds of nearness where all agrees; and lost for a tenth of all fields
_NEAR_FIRMNESS = np.array([0.04, 0.25])
_FIELD_FIRMNESS = (
    2.0  # of what a tenth lost of one field, or by fields on one side only, tells more than of others
)
_ABSENT = (
    2 / 3
)  # of what a field that differs costs, where each has its filter: it does not speak against a pair
_MAX_STEP = 3.0
_MAX_LOG_ODDS = 30.0

Flags = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Matches:
    """Candidates, as far as they may match.

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
    """

    posterior: Floats
    shared: Bits
    missing: Bits
    absent: Bits
    one_sided: Bits
    near: Flags
    probed: Flags

    def __len__(self) -> int:
        return len(self.posterior)

    def some(self, which: Flags) -> Matches:
        """Some of the pairs."""
        return Matches(*(getattr(self, name)[which] for name in self.__slots__))


def likely_matches(
    left: Dataset, right: Dataset, found: Found, posterior: Floats, *, n_probed: int
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
    """
    some = np.flatnonzero(posterior > HARDLY)
    pairs = found.pairs.some(some)
    shared, missing = shared_keys(left, right, pairs)
    one, two = left.presence[pairs.left], right.presence[pairs.right]
    all_fields = np.uint32((1 << len(left.schema.fields)) - 1)
    return some, Matches(
        posterior[some],
        shared,
        missing,
        ~(one & two) & all_fields,
        one ^ two,
        found.from_filter[some],
        pairs.left < n_probed,
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


def expected_missed(matches: Matches, schema: Schema, *, without_key: float = 0.0) -> float | None:
    """Expected matches that are not among the candidates; None where keys and fields do not allow the model.

    Parameters
    ----------
    matches : Matches
        Pairs of a negligible posterior may be left out.
    schema : Schema
        For what its match keys read.
    without_key : float
        As of `share_without_key`: where nothing was probed these are as many of the matches, not seen at all.
    """
    grid = grid_of(schema)
    if grid is None:
        return None
    by_key = matches.shared != 0
    # What only buckets found among rows that were not probed is no part of the sample.
    groups, rest = _grouped(matches.some(by_key | matches.probed), grid, len(schema.match_keys))
    if not groups:
        return 0.0
    probed, others = Model(grid, groups).fit()
    more = 1 + rest / sum(group.total for group in groups)
    at_random = min(without_key, _MAX_UNREACHABLE)
    by_key_elsewhere = float(matches.posterior[by_key & ~matches.probed].sum())
    elsewhere = others * more
    elsewhere += (by_key_elsewhere + elsewhere) * at_random / (1 - at_random)
    met_otherwise = float(matches.posterior[~by_key & ~matches.probed].sum())
    return probed * more + max(elsewhere - met_otherwise, 0.0)


@dataclass(frozen=True, slots=True)
class Group:
    """Matches that lack the same keys.

    Attributes
    ----------
    probed : bool
    missing, absent : int
        Keys; and fields of which another may stand in, see `Grid.of_several`.
    there : ndarray of float64, shape (fields,)
        Shares of the matches that have each field on both sides.
    one_sided : float
        Mean load that missing fields take away from nearness.
    shared : ndarray of uint32, shape (seen,)
        Distinct sets of keys shared.
    far, near : ndarray of float64, shape (seen,)
        Matches with them; all are far where not probed, since it is not known.
    """

    probed: bool
    missing: int
    absent: int
    there: Floats
    one_sided: float
    shared: Bits
    far: Floats
    near: Floats

    @property
    def total(self) -> float:
        """Matches seen."""
        return float(self.far.sum() + self.near.sum())


def _grouped(matches: Matches, grid: Grid, n_keys: int) -> tuple[list[Group], float]:
    """The most frequent groups, and the number of matches in others."""
    n_most = int(np.clip(_MAX_GROUP_CELLS // len(grid), 4, MAX_GROUPS))
    lacks = matches.missing.astype(np.uint64) | matches.probed.astype(np.uint64) << np.uint64(63)
    lacks |= (matches.absent & np.uint32(grid.of_several)).astype(np.uint64) << np.uint64(32)
    codes, of_pair = np.unique(lacks, return_inverse=True)
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
        absent, one = (
            sums(of_pair, some.posterior * (bits >> np.uint32(field) & np.uint32(1)), len(kept)) / totals
            for bits in (some.absent, some.one_sided)
        )
        there[:, field] -= absent
        one_sided += load * (_ABSENT * absent if grid.apart else one)
    sets, of_set = np.unique(of_pair.astype(np.uint64) << np.uint64(32) | some.shared, return_inverse=True)
    known_near = some.near & some.probed
    near = sums(of_set, some.posterior * known_near, len(sets))
    far = sums(of_set, some.posterior * ~known_near, len(sets))
    groups = []
    for number, code in enumerate(codes[kept].tolist()):
        mine = sets >> np.uint64(32) == number
        groups.append(
            Group(
                probed=bool(code >> 63),
                missing=code & ((1 << n_keys) - 1),
                absent=code >> 32 & 0x7FFFFFFF,
                there=there[number],
                one_sided=float(one_sided[number]),
                shared=(sets[mine] & np.uint64(0xFFFFFFFF)).astype(np.uint32),
                far=far[mine],
                near=near[mine],
            )
        )
    return groups, rest


class Model:
    """The model of a grid and of groups of matches; see the module's docstring.

    Parameters
    ----------
    grid : Grid
    groups : list of Group
        None without matches.
    """

    def __init__(self, grid: Grid, groups: list[Group]) -> None:
        self._grid, self._groups = grid, groups
        self._filters = any(group.probed and group.near.any() for group in groups)
        # Of each group: the set of keys that each cell shares, by number; the first set is the empty one.
        of_variant = {absent: grid.shared(absent) for absent in {group.absent for group in groups}}
        self._sets: list[npt.NDArray[np.int64]] = []
        self._seen: list[tuple[Floats, Floats]] = []
        for group in groups:
            bits = of_variant[group.absent] & np.uint32(~group.missing & 0xFFFFFFFF)
            sets = np.unique(np.append(bits, np.uint32(0)))
            self._sets.append(np.searchsorted(sets, bits))
            known = np.isin(group.shared, sets)  # others cannot be, or only by a chance agreement
            places = np.searchsorted(sets, group.shared[known])
            far, near = np.zeros(len(sets)), np.zeros(len(sets))
            far[places], near[places] = group.far[known], group.near[known]
            self._seen.append((far, near))
        err = np.array([1 - prior[0] for prior in grid.priors])
        self._err_prior = np.stack([np.log(err / (1 - err)), np.full(len(err), _SLOPE)], axis=1)
        self._err = self._err_prior.copy()  # alpha and beta of each factor
        self._splits = [prior[1:] / prior[1:].sum() for prior in grid.priors]
        totals, absent = np.array([g.total for g in groups]), 1 - np.stack([g.there for g in groups])
        self._lacks = absent - totals @ absent / totals.sum()
        self._gap = np.full(len(grid.loads), _GAP)
        read = np.flatnonzero(grid.lost.any(axis=0))
        self._lost = grid.lost[:, read] * grid.loads[read]
        self._there = [group.there[read] for group in groups]
        self._near_prior = np.concatenate([_NEAR_PRIOR, np.zeros(1 + len(read))])
        self._near_firmness = np.concatenate([_NEAR_FIRMNESS, np.full(1 + len(read), _FIELD_FIRMNESS)])
        self._near = self._near_prior.copy()

    def fit(self) -> tuple[float, float]:
        """Fit, and give the expected matches missed among the probed, and among the others."""
        total = sum(group.total for group in self._groups)
        before = np.full(2, np.inf)
        for turn in range(MAX_ROUNDS):
            missed = self._round(learn_nearness=turn % 3 == 0)
            if abs(missed - before).sum() < _TOLERANCE * total and turn > 9:
                break
            before = missed
        return float(missed[0]), float(missed[1])

    def _round(self, *, learn_nearness: bool) -> Floats:
        """One round of EM; gives the numbers missed as they were before it."""
        by_node = self._by_node()
        weights = self._node_weights()
        by_group = weights @ by_node
        per_chance = np.empty_like(by_group)  # matches expected in a cell, by its probability
        missed = np.zeros(2)
        regression = []
        for number, (group, sets, (far, near)) in enumerate(
            zip(self._groups, self._sets, self._seen, strict=True)
        ):
            cells = by_group[number]
            p_near = self._p_near(number) if group.probed and self._filters else None
            cells_far = cells if p_near is None else cells * (1 - p_near)
            p_far_set = sums(sets, cells_far, len(far))
            lost = min(float(p_far_set[0]), 1 - _LEAST_FOUND)
            far = far.copy()
            far[0] = (far.sum() + near.sum()) * lost / (1 - lost)
            missed[0 if group.probed else 1] += far[0]
            is_far = (far / np.maximum(p_far_set, 1e-300))[sets]
            if p_near is None:
                per_chance[number] = is_far
                continue
            p_near_set = sums(sets, cells * p_near, len(far))
            is_near = (near / np.maximum(p_near_set, 1e-300))[sets] * p_near
            is_far *= 1 - p_near
            per_chance[number] = is_far + is_near
            if learn_nearness:
                regression.append((self._design(number), cells * is_far, cells * is_near))
        self._learn_care(weights * (per_chance @ by_node.T))
        self._learn_errors(by_node * (weights.T @ per_chance))
        if regression:
            self._learn_nearness(regression)
        return missed

    def _by_node(self) -> Floats:
        """Probability of each cell at each quadrature point of care, shape (nodes, cells)."""
        out = np.ones((len(_NODES), len(self._grid)))
        for states, (alpha, beta), split in zip(self._grid.states.T, self._err, self._splits, strict=True):
            err = _logistic(alpha + beta * _NODES)[:, None]
            out *= np.hstack([1 - err, err * split, np.ones_like(err)])[
                :, states
            ]  # the last one for state -1
        return out

    def _node_weights(self) -> Floats:
        """Of the quadrature points in each group, shape (groups, nodes)."""
        mean = np.clip(self._lacks @ self._gap, -_MAX_GAP, _MAX_GAP)[:, None]
        weights = _NODE_WEIGHTS * np.exp(mean * _NODES)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def _design(self, number: int) -> Floats:
        """Regressors of nearness in a group, shape (cells, regressors)."""
        lost = self._lost * self._there[number]
        one_sided = np.full(len(lost), self._groups[number].one_sided)
        return np.column_stack([np.ones(len(lost)), -lost.sum(axis=1) - one_sided, -one_sided, -lost])

    def _p_near(self, number: int) -> Floats:
        return _logistic(self._design(number) @ self._near)

    def _learn_care(self, found: Floats) -> None:
        """Regress the care on what is missing; ``found`` is matches by group and node."""
        n, care, lacks = found.sum(axis=1), found @ _NODES, self._lacks
        hessian = (lacks.T * n) @ lacks + _GAP_FIRMNESS * np.eye(lacks.shape[1])
        self._gap = _GAP + np.linalg.solve(hessian, lacks.T @ (care - n * lacks.sum(axis=1) * _GAP))

    def _learn_errors(self, found: Floats) -> None:
        """What of the factors errs, and how; ``found`` is matches by node and cell."""
        design = np.stack([np.ones(len(_NODES)), _NODES], axis=1)
        for place, prior in enumerate(self._grid.priors):
            states = self._grid.states[:, place] + 1  # 0 for those that do not apply
            counts = np.stack([sums(states, one, len(prior) + 1) for one in found])[:, 1:]
            split = counts[:, 1:].sum(axis=0) + _SPLIT_FIRMNESS * prior[1:]
            self._splits[place] = split / split.sum()
            data = (design, counts[:, 0], counts[:, 1:].sum(axis=1))
            self._err[place] = _newton([data], self._err[place], self._err_prior[place], _ERR_FIRMNESS)

    def _learn_nearness(self, data: list[tuple[Floats, Floats, Floats]]) -> None:
        self._near = _newton(data, self._near, self._near_prior, self._near_firmness)


def _newton(
    data: list[tuple[Floats, Floats, Floats]], weights: Floats, prior: Floats, firmness: Floats
) -> Floats:
    """One step of a logistic regression; the data are regressors, and the weights of noes and of ayes."""
    gradient, hessian = -firmness * (weights - prior), np.diag(firmness)
    for design, no, aye in data:
        p = _logistic(design @ weights)
        gradient = gradient + design.T @ (aye - (no + aye) * p)
        hessian = hessian + (design.T * ((no + aye) * p * (1 - p))) @ design
    step = np.linalg.solve(hessian, gradient)
    return np.asarray(weights + step * min(1.0, _MAX_STEP / max(float(np.abs(step).max()), 1e-300)))


def _logistic(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -_MAX_LOG_ODDS, _MAX_LOG_ODDS))))
