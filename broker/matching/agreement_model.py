"""What agrees between two records of one person, learned from matches of which those that agree least are unseen.

::

    care u of the two records   normal, of mean gamma . (fields they lack, joined by a third) and variance 1
    factor f errs               P = s(alpha_f + beta_f u), s the logistic function
    its state, if so            P(x_f), whatever the care                cells of `broker.matching.agreement`
    keys shared                 a function of all x_f
    near by filter              logistic in what of the fields is lost in x

The care is there because careless records err in several fields: were fields taken to err independently, far too few
would be missed (Coull and Agresti 1999 count a population so by captures of unequal chance). The model is fitted by EM
to the candidates weighted by their posteriors, with the matches not seen as missing data (Dempster, Laird and Rubin
1977, 4.2), on few quadrature points of u. As the unseen are many next to what tells of them EM alone is slow; every
two rounds are extrapolated (Varadhan and Roland 2008, SQUAREM, third scheme). Matches that a third record joins are
all seen, those that share nothing too; their records may be more careful than others, so that they have a mean of
their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching.agreement import Grid
from broker.matching.evidence.model import Floats, sums

MAX_TURNS = 80
"""Of three rounds each."""
_MAX_STRIDE = 30.0
_TOLERANCE = 3e-4  # log odds, by which any parameter changes in a round
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
_KNOWN_FIRMNESS, _KNOWN_FIELD_FIRMNESS = 0.25, 16.0  # of these where it is known how near pairs are found
_FIELD_FIRMNESS = (
    2.0  # of what a tenth lost of one field, or by fields on one side only, tells more than of others
)
_MAX_STEP = 3.0
_MAX_LOG_ODDS = 30.0


Bits = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Group:
    """Matches that lack the same keys, and are known in the same way.

    Attributes
    ----------
    probed : bool
    joined : bool
        Whether a third record joins the two of each, so that they are known whatever they share.
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
    joined: bool
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


class Model:
    """The model of a grid and of groups of matches; see the module's docstring.

    Parameters
    ----------
    grid : Grid
    groups : list of Group
        None without matches.
    nearness : (float, ndarray of float64, shape (fields,)), optional
        Log odds of being near where all fields agree, and what each takes that does not, as known beforehand.
    """

    def __init__(self, grid: Grid, groups: list[Group], nearness: tuple[float, Floats] | None = None) -> None:
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
        err = np.array([max(1 - prior[0], 1e-9) for prior in grid.priors])
        self._err_prior = np.stack([np.log(err / (1 - err)), np.full(len(err), _SLOPE)], axis=1)
        self._err = self._err_prior.copy()  # alpha and beta of each factor
        self._splits = [prior[1:] / prior[1:].sum() for prior in grid.priors]
        totals, absent = np.array([g.total for g in groups]), 1 - np.stack([g.there for g in groups])
        joined = np.array([[float(group.joined)] for group in groups])
        lacks = np.hstack([absent, joined])
        self._lacks = lacks - totals @ lacks / totals.sum()
        self._gap_prior = np.append(np.full(len(grid.loads), _GAP), 0.0)
        self._gap = self._gap_prior.copy()
        read = np.flatnonzero(grid.lost.any(axis=0))
        self._lost = grid.lost[:, read] * grid.loads[read]
        self._there = [group.there[read] for group in groups]
        self._near_prior = np.concatenate([_NEAR_PRIOR, np.zeros(1 + len(read))])
        self._near_firmness = np.concatenate([_NEAR_FIRMNESS, np.full(1 + len(read), _FIELD_FIRMNESS)])
        if nearness is not None:
            agreeing, taken = nearness
            per_load = taken[read] / grid.loads[read]
            self._near_prior[:2] = agreeing, per_load.mean()
            self._near_prior[3:] = per_load - per_load.mean()
            self._near_firmness[0] = _KNOWN_FIRMNESS
            self._near_firmness[1] = self._near_firmness[3:] = _KNOWN_FIELD_FIRMNESS
        self._near = self._near_prior.copy()
        self._p_near = self._nearness()

    def fit(self) -> tuple[float, float]:
        """Fit, and give the expected matches missed among the probed, and among the others; of those not joined."""
        moved = np.inf
        for _ in range(MAX_TURNS):
            start = self._pack()
            self._round()
            first = self._pack()
            missed = self._round()
            second = self._pack()
            if max(abs(second - first).max(), moved) < _TOLERANCE:
                break
            change, bend = first - start, second - 2 * first + start
            ratio = float(np.linalg.norm(change)) / max(float(np.linalg.norm(bend)), 1e-300)
            step = min(max(ratio, 1.0), _MAX_STRIDE)  # 1 is no more than the two rounds
            self._unpack(start + 2 * step * change + step**2 * bend)
            near = self._near
            self._round(learn_nearness=True)
            moved = float(abs(self._near - near).max())
        return float(missed[0]), float(missed[1])

    def _pack(self) -> Floats:
        """The parameters but those of nearness as a vector, on scales without bounds."""
        return np.concatenate([self._err.ravel(), self._gap, *map(np.log, self._splits)])

    def _unpack(self, vector: Floats) -> None:
        lengths = [self._err.size, len(self._gap), *map(len, self._splits)]
        err, self._gap, *splits = np.split(vector, np.cumsum(lengths)[:-1])
        self._err = err.reshape(-1, 2)
        powers = [np.exp(one - one.max(initial=0.0)) for one in splits]
        self._splits = [one / one.sum() for one in powers]

    def _round(self, *, learn_nearness: bool = False) -> Floats:
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
            p_near = self._p_near[number]
            cells_far = cells if p_near is None else cells * (1 - p_near)
            p_far_set = sums(sets, cells_far, len(far))
            if not group.joined:
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

    def _nearness(self) -> list[Floats | None]:
        """Of each group the chance that a match in a cell is near, shape (cells,); None where none can be."""
        return [
            _logistic(self._design(number) @ self._near) if group.probed and self._filters else None
            for number, group in enumerate(self._groups)
        ]

    def _learn_care(self, found: Floats) -> None:
        """Regress the care on what is missing and on being joined; ``found`` is matches by group and node."""
        n, care, lacks = found.sum(axis=1), found @ _NODES, self._lacks
        hessian = (lacks.T * n) @ lacks + _GAP_FIRMNESS * np.eye(lacks.shape[1])
        unexplained = care - n * (lacks @ self._gap_prior)
        self._gap = self._gap_prior + np.linalg.solve(hessian, lacks.T @ unexplained)

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
        self._p_near = self._nearness()


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
