"""What is kept of a pair's evidence: that it adds up, of which pairs, and in which words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching import _loops
from broker.matching import explain as explain_module
from broker.matching.candidates import Pairs
from broker.matching.evidence.model import Feature, Seen
from broker.matching.explain import LEAST_POSTERIOR, MOST_PER_RECORD, explain
from broker.matching.pipeline import link
from broker.matching.weigh import Between, Fit, compete, odds_against

from ..population import Town
from ..tokens import a_dataset, a_schema

PROFILES = ("standard", "strict", "fields", "tokens")
MORE = {
    "standard": {"match keys", "filter distance"},
    "strict": {"match keys", "filter distance"},
    "fields": {"same household"},
    "tokens": {"match keys"},
}


class TwoParts:
    """An evidence model of two features: whether a and b agree."""

    features = (Feature("a", "agrees", 3.0), Feature("b", "agrees", 2.0))

    def describe(self, vectors):
        return tuple(
            Seen(part, ("differs", "agrees"), column.astype(np.int64))
            for part, column in zip("ab", vectors.T, strict=True)
        )


VECTORS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.uint32)


@st.composite
def contests(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    n = shape[0] * shape[1]
    codes = np.array(draw(st.lists(st.integers(0, n - 1), unique=True, min_size=1).map(sorted)), np.int64)
    of_pair = np.array(draw(st.lists(st.integers(0, 3), min_size=len(codes), max_size=len(codes))), np.int32)
    weights = np.array(draw(st.tuples(st.floats(-3, 30), st.floats(-3, 8))))
    exclusive = draw(st.tuples(st.booleans(), st.booleans()))
    n_matches = draw(st.floats(0.05, 0.5)) * min(shape)
    return Pairs(*np.divmod(codes, shape[1]), n), of_pair, weights, shape, exclusive, n_matches


def explained(contest, intercept=0.5, threshold=0.5):
    pairs, of_pair, weights, shape, exclusive, n_matches = contest
    log_ratio = VECTORS @ weights + intercept
    ones = np.ones(len(pairs))
    between = Between(VECTORS.astype(np.float32), of_pair, pairs, ones, shape, exclusive)
    posterior = compete(between, log_ratio, n_matches)
    odds = odds_against(between, n_matches)
    fit = Fit(weights, intercept, n_matches, odds, posterior, 1, True, False)
    chosen = np.flatnonzero(posterior >= threshold)
    found = explain(TwoParts(), between, vectors=VECTORS, fit=fit, chosen=chosen)
    return found, fit, log_ratio[of_pair]


@given(contests())
def test_the_sum_is_the_posterior_and_rivals_take_their_share(contest):
    found, fit, log_ratio = explained(contest)
    pairs, of_pair, _, _, exclusive, _ = contest
    rows = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    for number, pair in enumerate(zip(found.pairs.left.tolist(), found.pairs.right.tolist(), strict=True)):
        place = rows.index(pair)
        others = sum(
            np.exp(log_ratio[k])
            for side, only_one in enumerate(exclusive)
            for k in range(len(rows))
            if only_one and k != place and rows[k][side] == pair[side]
        )
        assert found.posterior[number] == fit.posterior[place]
        assert found.log_odds[number] == pytest.approx(log_ratio[place] - np.log(fit.odds), abs=1e-9)
        assert found.competition[number] == pytest.approx(-np.log1p(others / fit.odds), rel=1e-9, abs=1e-12)
        whole = fit.odds + np.exp(log_ratio[place]) + others
        assert found.others[number] == pytest.approx(others / whole, rel=1e-9, abs=1e-15)
        logit = found.log_odds[number] + found.competition[number]
        assert 1 / (1 + np.exp(-logit)) == pytest.approx(found.posterior[number], abs=1e-9)
        for seen, weight, bit in zip(found.seen, found.weights[found.pattern[number]], (0, 1), strict=True):
            agrees = VECTORS[of_pair[place], bit]
            assert seen.texts[seen.which[found.pattern[number]]] == ("differs", "agrees")[agrees]
            assert weight == pytest.approx(agrees * fit.weights[bit])


@given(contests(), st.sampled_from([1, 2, 5]))
def test_links_and_the_best_of_what_might_have_been_one_are_kept(contest, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explain_module, "MOST_PER_RECORD", most)
        found, fit, log_ratio = explained(contest)
    pairs = contest[0]
    rows = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    kept = list(zip(found.pairs.left.tolist(), found.pairs.right.tolist(), strict=True))
    assert kept == sorted(set(kept))
    links = {pair for pair, posterior in zip(rows, fit.posterior, strict=True) if posterior >= 0.5}
    assert {pair for pair, chosen in zip(kept, found.chosen, strict=True) if chosen} == links
    might_be = [
        place
        for place, pair in enumerate(rows)
        if pair not in links
        and (fit.posterior[place] >= LEAST_POSTERIOR or log_ratio[place] >= np.log(fit.odds))
    ]
    best = sorted(might_be, key=lambda place: (-fit.posterior[place], -log_ratio[place], place))
    wanted = set()
    for side in (0, 1):
        for row in {pair[side] for pair in rows}:
            wanted |= {rows[place] for place in [p for p in best if rows[p][side] == row][:most]}
    assert set(kept) == links | wanted


def test_a_rival_beyond_number_is_not_lost_in_rounding():
    """One candidate weighs 1e17 times the others of its row, whose sum is what its posterior hangs on."""
    pairs = Pairs(np.zeros(3, np.int64), np.arange(3), 9)
    of_pair, weights = np.array([3, 0, 0], np.int32), np.array([32.0, 7.5])
    contest = pairs, of_pair, weights, (3, 3), (True, True), 1.0
    found, fit, _ = explained(contest)
    assert found.competition[0] == pytest.approx(-np.log1p(2 * np.exp(0.5) / fit.odds), rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=20))
def test_add_up_apart_against_its_twin(pairs):
    rows, of_pair = (np.array([pair[k] for pair in pairs], np.int64) for k in (0, 1))
    values, numbers = np.array([0.5, 1.0, 4.0]), np.array([1, -1, 0, -1], np.int32)
    largest, rest = np.zeros(2), np.zeros(2)
    _loops.add_up_apart(rows, values, of_pair.astype(np.int32), numbers, largest, rest)
    for row, number in ((2, 0), (0, 1)):
        mine = sorted(values[of_pair[rows == row]], reverse=True)
        assert (largest[number], rest[number]) == (sum(mine[:1]), sum(mine[1:]))


# On towns


@pytest.mark.parametrize("profile", PROFILES)
def test_parts_prior_and_base_add_up_to_the_log_odds(linked, profile):
    (comparison,) = linked(profile).comparisons
    found, fit = comparison.explained, comparison.fit
    chosen = found.pairs.some(found.chosen)
    assert np.array_equal(chosen.left, comparison.links.left)
    assert np.array_equal(chosen.right, comparison.links.right)
    assert np.array_equal(found.posterior[found.chosen], comparison.probability)
    assert (found.prior, found.intercept) == (-np.log(fit.odds), fit.intercept)
    total = found.prior + found.intercept + found.weights[found.pattern].sum(axis=1)
    assert np.allclose(found.log_odds, total, atol=1e-6, rtol=0)
    assert np.allclose(1 / (1 + np.exp(-total - found.competition)), found.posterior, atol=1e-5, rtol=0)
    assert ((found.others >= 0) & (found.others + found.posterior <= 1 + 1e-9)).all()
    assert (found.competition <= 0).all()
    assert len(found) <= 2 * len(comparison.links)
    rest = found.pairs.some(~found.chosen)
    assert len(rest) <= MOST_PER_RECORD * (len(set(rest.left.tolist())) + len(set(rest.right.tolist())))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_part_is_told_in_words(linked, profile):
    linkage = linked(profile)
    found = linkage.comparisons[0].explained
    schema = linkage.datasets[0].schema
    in_keys = {name for key in schema.match_keys for part in key.parsed for name in part.fields}
    fields = set(schema.field_names) if profile == "fields" else in_keys
    assert set(found.parts) == fields | MORE[profile]
    assert len(set(found.parts)) == len(found.parts) == found.weights.shape[1]
    for seen in found.seen:
        assert len(seen.which) == len(found.weights)
        assert all(text and "\n" not in text for text in seen.texts)
        if profile == "fields" and seen.part in fields:
            missing = np.array([text == "missing" for text in seen.texts])[seen.which]
            assert not found.weights[missing, found.parts.index(seen.part)].any()


@pytest.mark.parametrize("profile", ["standard", "fields"])
def test_the_same_seed_gives_the_same_explanation(datasets, linked, profile):
    one, two = linked(profile).comparisons[0].explained, link(datasets(profile)).comparisons[0].explained
    assert one.seen[0].texts == two.seen[0].texts
    for name in ("posterior", "chosen", "others", "competition", "pattern", "weights"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("profile", ["standard", "fields"])
def test_the_larger_dataset_may_come_second(datasets, linked, profile):
    """A comparison takes the larger one's records as rows, but tells of pairs as the datasets were given."""
    left, right = datasets(profile)
    small = left.rows(0, len(left) // 2)
    (one,), (two,) = (link(given).comparisons for given in ([small, right], [right, small]))
    for comparison in (one, two):
        pairs = comparison.explained.pairs
        order = np.lexsort((pairs.right, pairs.left))
        assert np.array_equal(order, np.arange(len(pairs)))
        chosen = pairs.some(comparison.explained.chosen)
        assert set(zip(chosen.left.tolist(), chosen.right.tolist(), strict=True)) == set(
            zip(comparison.links.left.tolist(), comparison.links.right.tolist(), strict=True)
        )
    assert one.explained.pairs.left.max() < len(small)
    turned = two.explained.turned()
    assert np.array_equal(turned.pairs.left, one.explained.pairs.left)
    assert np.array_equal(turned.posterior, one.explained.posterior)
    assert np.array_equal(turned.log_odds, one.explained.log_odds)


def test_records_of_one_person_do_not_compete():
    town = Town(4, n_people=300, holds=((0, 0.8), (0.4, 1)), n_twice=(50, 0))
    schema = a_schema("standard")
    linkage = link(
        [
            a_dataset(schema, town.records[0], "a", duplicate_free=False),
            a_dataset(schema, town.records[1], "b"),
        ]
    )
    across, within = (comparison.explained for comparison in linkage.comparisons)
    assert not within.competition.any()
    assert not within.others.any()
    assert (within.pairs.left < within.pairs.right).all()
    assert across.competition.any()
    # A record of b has the two records of a person in a: were they rivals, they would share a probability of one.
    entity = linkage.entity
    chosen = across.pairs.some(across.chosen)
    twice = np.flatnonzero(np.bincount(chosen.right) == 2)
    assert len(twice) > 5
    for record in twice:
        places = np.flatnonzero(across.chosen & (across.pairs.right == record))
        one, two = across.pairs.left[places]
        if entity[one] == entity[two]:
            assert across.posterior[places].sum() > 1.2
            assert (across.others[places] < 0.4).all()
    # Those of different persons are.
    for record in np.unique(across.pairs.left):
        assert across.posterior[across.pairs.left == record].sum() < 1 + 1e-6
