"""A dataset alone: what third records tell, counted one by one; and what is learned from it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching import alone
from broker.matching.alone import SURE, by_a_third, learn_alone, most_unseen, thirds
from broker.matching.candidates import Pairs
from broker.matching.evidence.model import Feature, default_weights, patterns
from broker.matching.weigh import Between, settle


def within_of(pairs, n, features=None) -> Between:
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    features = np.empty((len(pairs), 0), np.float32) if features is None else features
    distinct, of_pair = patterns(features.astype(np.uint32)) if features.size else (features, None)
    of_pair = np.arange(len(pairs), dtype=np.int32) if of_pair is None else of_pair
    possible = n * (n - 1) // 2
    return Between(
        distinct.astype(np.float32),
        of_pair,
        Pairs(left, right, possible),
        np.ones(len(pairs)),
        (n, n),
        (False, False),
    )


@st.composite
def candidates(draw):
    n = draw(st.integers(2, 7))
    possible = list(itertools.combinations(range(n), 2))
    pairs = sorted(draw(st.sets(st.sampled_from(possible), min_size=1)))
    posterior = draw(
        st.lists(
            st.sampled_from([0.0, 0.05, 0.3, 0.7, SURE, 0.999]), min_size=len(pairs), max_size=len(pairs)
        )
    )
    return n, dict(zip(pairs, posterior, strict=True))


@given(candidates())
def test_third_records_one_by_one(case):
    n, p = case
    sure = {frozenset(pair) for pair, value in p.items() if value >= SURE}
    both, one = {}, {}
    for i, j in itertools.combinations(range(n), 2):
        thirds_of = [({i, k} in sure, {j, k} in sure) for k in range(n) if k not in (i, j)]
        both[i, j] = any(a and b for a, b in thirds_of)
        one[i, j] = any(a or b for a, b in thirds_of)
    n_with = sum(one[pair] for pair in p if frozenset(pair) in sure)
    n_joined = sum(both[pair] for pair in p if frozenset(pair) in sure)
    lone = n - len(set().union(*sure))
    none = ((lone + 1) / (n + 2)) ** 2
    matches = (n_with + 2 * (1 - none)) / (len(sure) + 2)
    share = n_joined / max(n_with, 1)
    with_third = min((1 - share / 2) * matches / (1 - none), 1)
    with_none = min((1 - matches) / none, 10)
    expected = []
    for pair, value in p.items():
        odds = value / (1 - value) * (with_third if one[pair] else with_none)
        likely = both[pair] and value > 1e-4
        expected.append(value if value >= SURE else max(value, 0.99) if likely else odds / (1 + odds))
    within, posterior = within_of(list(p), n), np.array(list(p.values()))
    np.testing.assert_allclose(by_a_third(within, posterior), expected)
    found = thirds(within, posterior)
    unseen = sorted(pair for pair, joined in both.items() if joined and pair not in p)
    assert list(zip(found.unseen.left.tolist(), found.unseen.right.tolist(), strict=True)) == unseen
    assert found.joined.tolist() == [both[pair] and value > 1e-4 for pair, value in p.items()]
    assert not (found.joined & found.apart).any()
    lone_by_chance = sum(np.prod([1 - v for pair, v in p.items() if record in pair]) for record in range(n))
    assert most_unseen(within, posterior, found) == pytest.approx(lone_by_chance / 2 / (1 - matches))


N_FIELDS = 6


def features(agrees=3.0):
    return tuple(
        Feature(f"field {k}", label, prior)
        for k in range(N_FIELDS)
        for label, prior in (("agrees", agrees), ("differs", -2.5))
    )


FEATURES = features()


def a_register(*, n_people, copies, error, kin=False, seed=0):
    """Pairs of records by which of six fields agree, and which are one person's; relatives agree in the first four."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_people), copies)
    wrong = random.random((len(person), N_FIELDS)) < error
    left, right = np.array(list(itertools.combinations(range(len(person)), 2))).T
    same = person[left] == person[right]
    relatives = ~same & (person[left] // 2 == person[right] // 2) & kin
    agree = same[:, None] | (relatives[:, None] & (np.arange(N_FIELDS) < 4))
    agree = agree & ~wrong[left] & ~wrong[right] | (random.random(agree.shape) < 0.02)
    some = agree.any(axis=1)
    rows = np.stack([agree, ~agree], axis=2).reshape(len(agree), -1)[some]
    within = within_of(list(zip(left[some].tolist(), right[some].tolist(), strict=True)), len(person), rows)
    return within, same[some], relatives[some]


def by_default(within, features=FEATURES):
    return settle(within, default_weights(features), 0.0)


def test_damaged_copies_are_found_by_third_records():
    """Default weights believe in too few of them, and so would strangers that hold the others."""
    within, truth, _ = a_register(n_people=60, copies=4, error=0.15)
    before, after = by_default(within), learn_alone(within, FEATURES)
    assert before.n_matches < 0.85 * truth.sum()
    assert after.n_matches == pytest.approx(truth.sum(), rel=0.1)
    assert after.posterior[truth].mean() > before.posterior[truth].mean() + 0.1
    assert after.converged


def test_relatives_are_kept_apart_by_third_records():
    """Whom default weights take for one person as likely as not."""
    within, truth, relatives = a_register(n_people=60, copies=3, error=0.02, kin=True)
    before, after = by_default(within, features(2.5)), learn_alone(within, features(2.5))
    assert before.posterior[relatives].mean() > 0.3
    assert after.posterior[relatives].mean() < 0.7 * before.posterior[relatives].mean()
    assert after.posterior[truth].mean() > 0.9


def test_where_all_have_two_records_the_few_left_over_belong_together():
    within, truth, _ = a_register(n_people=80, copies=2, error=0.15)
    before, after = by_default(within), learn_alone(within, FEATURES)
    assert (before.posterior[truth] >= 0.5).mean() < 0.9
    assert (after.posterior[truth] >= 0.5).mean() > 0.95
    assert truth[after.posterior >= 0.5].mean() > 0.99


def test_where_most_have_many_records_two_lone_ones_are_rather_two_people():
    many, truth, _ = a_register(n_people=100, copies=[4] * 20 + [1] * 80, error=0.1)
    records = np.arange(80, 160)
    lone = np.isin(many.pairs.left, records) & np.isin(many.pairs.right, records)
    assert not truth[lone].any()
    posterior = np.where(lone, 0.3, by_default(many).posterior)
    assert by_a_third(many, posterior)[lone].max() < 0.05


def test_where_few_have_two_records_the_default_weights_stand():
    within, _, _ = a_register(n_people=300, copies=[2] * 12 + [1] * 288, error=0.1)
    before, after = by_default(within), learn_alone(within, FEATURES)
    np.testing.assert_allclose(after.weights, before.weights, atol=0.1)
    assert after.n_matches == pytest.approx(before.n_matches, rel=0.1)


def test_default_weights_stand_where_less_is_believed_than_was_sure_by_them(monkeypatch):
    within, _, _ = a_register(n_people=40, copies=3, error=0.1)
    before = by_default(within)
    monkeypatch.setattr(alone, "by_a_third", lambda _within, posterior: 0.01 * posterior)
    after = learn_alone(within, FEATURES)
    assert np.array_equal(after.weights, before.weights)
    assert np.array_equal(after.posterior, 0.01 * before.posterior)


def test_turns_run_out(monkeypatch):
    monkeypatch.setattr(alone, "TOLERANCE", 0.0)
    monkeypatch.setattr(alone, "MAX_TURNS", 3)
    within, _, _ = a_register(n_people=30, copies=3, error=0.3)
    found = learn_alone(within, FEATURES)
    assert (found.rounds, found.converged) == (3, False)


def test_relatives_of_the_few_that_have_several_records_are_not_drawn_in():
    """A third record of one of the two never speaks for a match, however rare it is to have one."""
    n = 10_000
    triples = [pair for k in range(0, 300, 3) for pair in itertools.combinations(range(k, k + 3), 2)]
    relatives = [(k, 5_000 + k) for k in range(0, 300, 3)]
    within = within_of(sorted([*triples, *relatives]), n)
    kin = within.pairs.right >= 5_000
    told = by_a_third(within, np.where(kin, 0.3, 0.999))
    assert told[kin].max() <= 0.3


def test_relatives_among_the_few_left_over_are_hardly_more_likely():
    """Where all but a few have found their only partner, the odds of the few grow tenfold at most."""
    n = 10_000
    within = within_of([*((k, k + 1) for k in range(0, n - 10, 2)), (n - 10, n - 9)], n)
    told = by_a_third(within, np.append(np.full((n - 10) // 2, 0.999), 0.01))
    assert 0.05 < told[-1] < 0.1


def test_no_candidates_at_all():
    found = learn_alone(within_of([], 3, np.empty((0, 2 * N_FIELDS), np.float32)), FEATURES)
    assert np.isfinite(found.weights).all()
    assert found.posterior.shape == (0,)
