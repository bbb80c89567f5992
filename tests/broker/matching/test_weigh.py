"""Competition and fit, on simulated features whose weights are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching import regression
from broker.matching.candidates import Pairs
from broker.matching.evidence.model import Feature, patterns
from broker.matching.weigh import Between, Strangers, compete, fit, odds_against, settle

M = np.array([0.9, 0.85, 0.95, 0.8, 0.9, 0.7])
U = np.array([0.02, 0.1, 0.03, 0.2, 0.05, 0.01])
AGREE, DISAGREE = np.log(M / U), np.log((1 - M) / (1 - U))


@dataclass
class World:
    """Two duplicate-free datasets of which every pair is a candidate, with independent fields that agree or not."""

    cross: np.ndarray
    pairs: Pairs
    null: np.ndarray
    null_weight: float
    shape: tuple[int, int]
    truth: np.ndarray

    def fit(self, prior=None, seed=0, **changes):
        prior = np.column_stack([AGREE, DISAGREE]).ravel() if prior is None else prior
        features = tuple(Feature("field", str(number), float(weight)) for number, weight in enumerate(prior))
        null, _, counts = by_pattern(self.null)
        strangers = Strangers(null, counts, self.null_weight * counts)
        return fit(self.between(**changes), strangers, features, seed=seed)

    def between(self, **changes):
        cross, of_pair, _ = by_pattern(self.cross)
        weight = np.ones(len(self.pairs))
        return replace(Between(cross, of_pair, self.pairs, weight, self.shape), **changes)


def by_pattern(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows, which of them each row is, and how many rows are each."""
    distinct, of_row = patterns(rows.astype(np.uint32))
    return distinct.astype(np.float32), of_row, np.bincount(of_row, minlength=len(distinct))


def indicators(agrees: np.ndarray) -> np.ndarray:
    """Two features a field: agrees, disagrees."""
    return np.stack([agrees, ~agrees], axis=-1).reshape(len(agrees), -1).astype(np.float32)


def a_world(n_left=250, n_right=220, n_matches=130, seed=0) -> World:
    random = np.random.default_rng(seed)
    left, right = (rows.ravel() for rows in np.indices((n_left, n_right)))
    truth = (left == right) & (left < n_matches)
    agrees = random.random((len(left), len(M))) < np.where(truth[:, None], M, U)
    n_null = n_left * (n_left - 1) // 2 + n_right * (n_right - 1) // 2
    null = random.random((n_null, len(M))) < U
    pairs = Pairs(left, right, n_left * n_right)
    return World(indicators(agrees), pairs, indicators(null), len(left) / n_null, (n_left, n_right), truth)


@pytest.fixture(scope="module")
def world() -> World:
    return a_world()


# Competition


@st.composite
def contests(draw):
    n_left, n_right = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    codes = draw(st.lists(st.integers(0, n_left * n_right - 1), unique=True, max_size=20).map(sorted))
    ratios = draw(st.lists(st.floats(-30, 60), min_size=len(codes), max_size=len(codes)))
    share = draw(st.floats(0.01, 0.99))
    pairs = Pairs(np.array(codes, np.int64) // n_right, np.array(codes, np.int64) % n_right, n_left * n_right)
    n_matches = share * min(min(n_left, n_right), 0.5 * n_left * n_right)
    return np.array(ratios, dtype=np.float64), pairs, (n_left, n_right), n_matches


def contestants(pairs, shape, of_pair=None, **more):
    """Candidates that have only their weights; a pattern each."""
    of_pair = np.arange(len(pairs)) if of_pair is None else of_pair
    return Between(np.empty((len(pairs), 0), np.float32), of_pair, pairs, np.ones(len(pairs)), shape, **more)


@given(contests())
def test_posteriors_are_probabilities_and_a_row_has_at_most_one_match(contest):
    ratios, pairs, shape, n_matches = contest
    posterior = compete(contestants(pairs, shape), ratios, n_matches)
    assert ((posterior >= 0) & (posterior <= 1)).all()
    for rows, n_rows in zip((pairs.left, pairs.right), shape, strict=True):
        assert (np.bincount(rows, posterior, n_rows) <= 1 + 1e-9).all()
    for side, exclusive in enumerate([(True, False), (False, True)]):
        posterior = compete(contestants(pairs, shape, exclusive=exclusive), ratios, n_matches)
        rows = (pairs.left, pairs.right)[side]
        assert (np.bincount(rows, posterior, shape[side]) <= 1 + 1e-9).all()
        assert ((posterior >= 0) & (posterior <= 1)).all()


@given(contests())
def test_a_rival_only_takes(contest):
    ratios, pairs, shape, n_matches = contest
    alone = compete(contestants(pairs, shape, exclusive=(False, False)), ratios, n_matches)
    odds = n_matches / pairs.n_possible * np.exp(np.minimum(ratios, 40))
    np.testing.assert_allclose(alone, odds / (1 + odds), rtol=1e-12)  # plain Bayes
    if len(ratios) > 1:
        before = compete(contestants(pairs, shape), ratios, n_matches)
        ratios[0] += 1
        after = compete(contestants(pairs, shape), ratios, n_matches)
        assert after[0] >= before[0] - 1e-12
        assert (after[1:] <= before[1:] + 1e-12).all()


def test_without_rivals_it_is_bayes_with_the_rows_odds():
    pairs = Pairs(np.arange(4), np.arange(4), 16)
    ratios = np.array([-2.0, 0.0, 3.0, 9.0])
    posterior = compete(contestants(pairs, (4, 4)), ratios, 2.0)
    odds = 2 / 16 / ((1 - 2 / 4) * (1 - 2 / 4))
    np.testing.assert_allclose(posterior, odds * np.exp(ratios) / (1 + odds * np.exp(ratios)))


def test_equal_rivals_share():
    pairs = Pairs(np.zeros(3, np.int64), np.arange(3), 9)
    one = np.zeros(3, np.int32)  # one pattern
    posterior = compete(contestants(pairs, (3, 3), one), np.array([35.0]), 1.0)
    np.testing.assert_allclose(posterior, 1 / 3, atol=1e-9)
    alone = compete(contestants(pairs, (3, 3), one, exclusive=(False, True)), np.array([35.0]), 1.0)
    np.testing.assert_allclose(alone, 1)


@given(contests(), st.tuples(st.booleans(), st.booleans()))
def test_only_exclusive_rows_have_rivals(contest, exclusive):
    ratios, pairs, shape, n_matches = contest
    ratios = np.clip(ratios, -5, 10)  # moderate, so that sums lose nothing to rounding
    between = contestants(pairs, shape, exclusive=exclusive)
    odds, ratio = pairs.n_possible / n_matches, np.exp(ratios)
    for once, size in zip(exclusive, shape, strict=True):
        odds *= 1 - min(n_matches / size, 0.98) if once else 1
    assert odds_against(between, n_matches) == pytest.approx(max(odds, 1))
    posterior = compete(between, ratios, n_matches)
    for place in range(len(ratios)):
        rivals = sum(
            ratio[k]
            for rows, once in zip((pairs.left, pairs.right), exclusive, strict=True)
            for k in range(len(pairs))
            if once and k != place and rows[k] == rows[place]
        )
        assert posterior[place] == pytest.approx(ratio[place] / (max(odds, 1) + ratio[place] + rivals))


# Fit


@pytest.mark.parametrize(("start", "tolerance"), [("known", 0.9), ("vague", 1.3)])
def test_planted_weights_are_found(world, start, tolerance):
    found = world.fit(None if start == "known" else np.tile([2.0, -2.0], len(M)))
    weights = found.weights.reshape(-1, 2)
    # An agreement against its opposite: what the two features say apart from the intercept.
    np.testing.assert_allclose(weights[:, 0] - weights[:, 1], AGREE - DISAGREE, atol=tolerance)
    assert found.converged
    assert not found.at_bound
    assert found.n_matches == pytest.approx(130, abs=6)
    assert found.posterior[world.truth].mean() > 0.94
    assert found.posterior.sum() == pytest.approx(found.n_matches, rel=1e-3)


def test_posteriors_are_calibrated(world):
    found = world.fit()
    for low, high in ((0.02, 0.3), (0.3, 0.7), (0.7, 0.98)):
        some = (found.posterior >= low) & (found.posterior < high)
        slack = 3 * np.sqrt((found.posterior[some] * (1 - found.posterior[some])).sum())
        assert abs(found.posterior[some].sum() - world.truth[some].sum()) < slack + 1


@pytest.mark.parametrize("start", ["weak", "strong", "noisy", "a field upside down"])
def test_labels_do_not_swap_from_a_bad_start(world, start):
    prior = np.column_stack([AGREE, DISAGREE]).ravel() * {"weak": 0.3, "strong": 2}.get(start, 1)
    if start == "noisy":
        prior += np.random.default_rng(0).normal(0, 1.5, len(prior))
    if start == "a field upside down":
        prior[:2] *= -1
    found = world.fit(prior)
    assert found.posterior[world.truth].mean() > 0.94
    assert found.posterior[~world.truth].mean() < 0.001
    assert found.n_matches == pytest.approx(130, abs=8)


def test_the_same_input_and_seed_give_the_same_fit(world):
    one, two = world.fit(), world.fit()
    assert np.array_equal(one.posterior, two.posterior)
    assert np.array_equal(one.weights, two.weights)
    assert (one.intercept, one.n_matches, one.rounds) == (two.intercept, two.n_matches, two.rounds)


def test_a_sample_of_the_patterns_hardly_matters(world, monkeypatch):
    whole = world.fit().posterior
    monkeypatch.setattr(regression, "_MAX_PATTERNS", 48)
    assert len(by_pattern(world.cross)[0]) > 48
    for seed in (0, 1):
        posterior = world.fit(seed=seed).posterior
        assert np.abs(posterior - whole).mean() < 1e-3
        assert posterior.sum() == pytest.approx(whole.sum(), rel=0.03)


def test_what_is_sampled_stands_for_the_rest(monkeypatch):
    monkeypatch.setattr(regression, "_MAX_PATTERNS", 200)
    weight = np.random.default_rng(0).exponential(size=1000)
    rows, scale = regression._sampled(weight, np.random.default_rng(0))
    heaviest = set(np.argsort(-weight)[:100].tolist())
    assert heaviest <= set(rows.tolist())
    assert (len(rows), len(set(rows.tolist()))) == (200, 200)
    assert scale.sum() == pytest.approx(1000)
    assert {float(s) for row, s in zip(rows.tolist(), scale, strict=True) if row in heaviest} == {1.0}
    rows, scale = regression._sampled(weight[:200], np.random.default_rng(0))
    assert rows.tolist() == list(range(200))
    assert (scale == 1).all()


def test_pairs_that_stand_for_others_count_for_them(world):
    """All pairs whose first field agrees, as by a key, and of every other left row the rest, counted twice."""
    keyed = world.cross[:, 0] == 1
    seen = keyed | (world.pairs.left % 2 == 0)
    pairs, weight = world.pairs.some(seen), np.where(keyed, 1.0, 2.0)[seen]
    sample = World(world.cross[seen], pairs, world.null, world.null_weight, world.shape, world.truth[seen])
    found, whole = sample.fit(weight=weight), world.fit()
    tell = [fitted.weights.reshape(-1, 2) @ [1, -1] for fitted in (found, whole)]
    np.testing.assert_allclose(*tell, atol=1)
    assert found.n_matches == pytest.approx(whole.n_matches, rel=0.05)
    assert found.posterior[sample.truth].mean() > 0.94


def test_without_pairs_that_cannot_match_it_falls_back_on_the_pairs_between(world):
    alone = World(world.cross, world.pairs, world.null[:0], 0.0, world.shape, world.truth)
    found = alone.fit(exclusive=(False, False))
    assert found.posterior[world.truth].mean() > 0.85
    assert found.n_matches == pytest.approx(130, abs=13)


def test_rows_may_have_several_matches_where_the_other_side_has_duplicates():
    """Every person of the left dataset stands twice in the right one."""
    random = np.random.default_rng(1)
    left, right = (rows.ravel() for rows in np.indices((120, 240)))
    truth = left == right % 120
    agrees = random.random((len(left), len(M))) < np.where(truth[:, None], M, U)
    null = random.random((120 * 119 // 2, len(M))) < U
    world = World(
        indicators(agrees),
        Pairs(left, right, 120 * 240),
        indicators(null),
        120 * 240 / 7140,
        (120, 240),
        truth,
    )
    found = world.fit(exclusive=(False, True))
    assert found.posterior[truth].mean() > 0.9
    assert found.n_matches == pytest.approx(240, rel=0.06)
    assert np.bincount(left, found.posterior).mean() == pytest.approx(2, abs=0.15)
    wrong = world.fit(exclusive=(True, True))
    assert wrong.posterior[truth].mean() < 0.6


def test_known_weights_settle_where_they_were_fitted(world):
    found = world.fit()
    settled = settle(world.between(), found.weights, found.intercept)
    assert settled.converged
    assert not settled.at_bound
    assert settled.n_matches == pytest.approx(found.n_matches, rel=1e-3)
    np.testing.assert_allclose(settled.posterior, found.posterior, atol=1e-3)
    assert settled.odds == pytest.approx(found.odds, rel=1e-3)
    nothing = settle(world.between(), np.zeros(2 * len(M)), -30.0)
    assert nothing.at_bound
    assert nothing.posterior.max() < 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 1)])
@pytest.mark.parametrize("agree", [True, False])
def test_tiny_inputs(shape, agree):
    left, right = (rows.ravel() for rows in np.indices(shape))
    cross = indicators(np.full((len(left), len(M)), agree))
    for pairs, rows in (
        (Pairs(left, right, len(left)), cross),
        (Pairs(left[:0], right[:0], len(left)), cross[:0]),
    ):
        world = World(rows, pairs, cross[:0], 0.0, shape, np.zeros(0))
        found = world.fit()
        assert np.isfinite(found.weights).all()
        assert np.isfinite([found.intercept, found.n_matches]).all()
        assert ((found.posterior >= 0) & (found.posterior <= 1)).all()
        assert 0 < found.n_matches <= min(shape)
        assert found.at_bound


def test_no_match_at_all(world):
    random = np.random.default_rng(5)
    strangers = indicators(random.random(world.cross.shape[:1] + M.shape) < U)
    found = World(strangers, world.pairs, world.null, world.null_weight, world.shape, world.truth).fit()
    assert found.posterior.sum() < 10
    assert (found.posterior >= 0.5).sum() <= 3
