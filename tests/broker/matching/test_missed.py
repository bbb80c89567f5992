"""Matches that never became candidates: numbers drawn from the model, and what gives it little to go by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from broker.matching import agreement, agreement_model
from broker.matching.agreement import grid_of
from broker.matching.alone import JOINED, Thirds
from broker.matching.candidates import Found, Pairs, shared_keys
from broker.matching.evidence.model import Nearness
from broker.matching.missed import Matches, expected_missed, likely_matches, share_without_key

from ..tokens import a_dataset, a_schema

NAMES = ("given_name", "middle_name", "surname", "birth_date", "sex")
TOKENS = a_schema("tokens", NAMES)
STANDARD = a_schema("standard", NAMES)


def drawn(schema, n, *, seed, uneven=1.0, filters=False, probed=True, lacking=0.0, joining=0.0, agreeing=6.0):
    """Matches as the model has them, with the true number that is not among the candidates."""
    grid, random = grid_of(schema), np.random.default_rng(seed)
    lacks = random.random((n, len(schema.field_names))) < lacking
    care = random.normal(size=n) + 0.5 * (lacks.sum(axis=1) - lacks.sum(axis=1).mean())
    cells = np.zeros((n, grid.states.shape[1]), dtype=np.int64)
    for place, prior in enumerate(grid.priors):
        err = 1 / (1 + np.exp(2.2 if len(prior) > 3 else 3.0) * np.exp(-uneven * care))
        split = prior[1:] / prior[1:].sum()
        cells[:, place] = np.where(random.random(n) < err, 1 + random.choice(len(split), n, p=split), 0)
    n_events = len(grid.priors[-1]) - 1
    event = random.choice(1 + n_events, n, p=[1 - 0.01 * n_events, *[0.01] * n_events])
    cells[:, -1] = event
    number = {tuple(states): cell for cell, states in enumerate(grid.states.tolist())}
    applies = {states[-1]: np.array(states) >= 0 for states in grid.states.tolist()}
    of_match = np.array([number[tuple(np.where(applies[row[-1]], row, -1))] for row in cells.tolist()])
    shared = grid.shared()[of_match]
    missing = np.zeros(n, dtype=np.uint32)
    absent = np.zeros(n, dtype=np.uint32)
    for field, name in enumerate(schema.field_names):
        absent |= lacks[:, field].astype(np.uint32) << np.uint32(field)
        for bit, key in enumerate(schema.match_keys):
            if any(name in part.fields and part.function != "either" for part in key.parsed):
                missing |= lacks[:, field].astype(np.uint32) << np.uint32(bit)
    several = absent & np.uint32(grid.of_several)
    for some in np.unique(several).tolist():
        shared[several == some] = grid.shared(some)[of_match[several == some]]
    shared &= ~missing
    load = ((grid.lost[of_match] * ~lacks + lacks) * grid.loads).sum(axis=1)
    near = (random.random(n) < 1 / (1 + np.exp(1.5 * load - agreeing))) & filters
    was_probed = np.full(n, probed) if isinstance(probed, bool) else random.random(n) < probed
    seen = (shared != 0) | (near & was_probed)
    found = near & was_probed
    joined = (random.random(n) < joining) & (care > -0.5)
    everything = Matches(np.ones(n), shared, missing, absent, absent, found, was_probed, joined, seen)
    never = (missing == (1 << len(schema.match_keys)) - 1) & ~was_probed  # seen in no way, and not told of
    return everything.some(seen | joined), int((~seen & ~never).sum())


# Few are missed and what tells of them is faint: of 60,000 matches the number is known to some 15 %.
@pytest.mark.parametrize(
    ("schema", "changes"),
    [
        (TOKENS, {"probed": False}),
        (TOKENS, {"probed": False, "uneven": 0.6}),
        (TOKENS, {"probed": False, "lacking": 0.1}),
        (STANDARD, {"filters": True}),
        (STANDARD, {"filters": True, "probed": 0.25}),
        (STANDARD, {"filters": True, "lacking": 0.1}),
    ],
)
def test_the_number_missed_is_found(schema, changes):
    errors = []
    for seed in range(2):
        matches, n_missed = drawn(schema, 60_000, seed=seed, **changes)
        found = expected_missed(matches, schema)
        errors.append(found / n_missed - 1)
    assert abs(np.mean(errors)) < 0.15
    assert np.abs(errors).max() < 0.35


def test_care_is_what_tells_of_them():
    """Were fields taken to err by themselves, less than two in three would be found."""
    matches, n_missed = drawn(TOKENS, 20_000, seed=5, probed=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement_model, "_NODES", np.zeros(1))
        patch.setattr(agreement_model, "_NODE_WEIGHTS", np.ones(1))
        assert expected_missed(matches, TOKENS) < 0.67 * n_missed


@pytest.mark.parametrize("changes", [{"filters": True}, {"probed": False}])
def test_matches_that_a_third_record_joins_are_all_known(changes):
    """Those of them that share nothing are counted, and tell how many of the others do."""
    matches, n_missed = drawn(STANDARD, 60_000, seed=7, joining=0.6, **changes)
    n_known = int((~matches.seen).sum())
    assert 0.2 * n_missed < n_known < n_missed
    found = expected_missed(matches, STANDARD)
    assert found > n_known
    assert found == pytest.approx(n_missed, rel=0.15)
    alone = matches.some(matches.joined)
    assert expected_missed(alone, STANDARD) == pytest.approx(n_known)


@budget(max_examples=4, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_does_not_matter(random):
    matches, _ = drawn(STANDARD, 300, seed=1, filters=True, lacking=0.1)
    order = np.array(random.sample(range(len(matches)), len(matches)))
    shuffled = matches.some(order)
    assert expected_missed(shuffled, STANDARD) == pytest.approx(expected_missed(matches, STANDARD), rel=1e-6)


def test_half_a_match_is_half_a_match():
    """A pair of a posterior of one half, twice, is one match."""
    matches, _ = drawn(TOKENS, 2_000, seed=2, probed=False)
    twice = matches.some(np.repeat(np.arange(len(matches)), 2))
    halves = Matches(*(twice.posterior / 2, *(getattr(twice, name) for name in Matches.__slots__[1:])))
    assert expected_missed(halves, TOKENS) == pytest.approx(expected_missed(matches, TOKENS), rel=1e-6)


def of_keys(shared, *, near=False, n=100):
    """Matches that share the same keys, nothing missing."""
    words = np.zeros(n, dtype=np.uint32)
    yes = words == 0
    return Matches(np.ones(n), words + np.uint32(shared), words, words, words, yes == near, yes, ~yes, yes)


def test_little_to_go_by():
    nobody = of_keys(1, n=0)
    assert expected_missed(nobody, STANDARD) == 0
    everything = (1 << len(STANDARD.match_keys)) - 1
    assert 0 <= expected_missed(of_keys(everything), STANDARD) < 2
    all_near = of_keys(everything)
    all_near = replace(all_near, near=all_near.probed)
    assert 0 <= expected_missed(all_near, STANDARD) < 1
    by_filter_alone = replace(of_keys(0), near=all_near.probed)
    assert 0 < expected_missed(by_filter_alone, STANDARD) < 100_000
    one = of_keys(1, n=1)
    assert 0 < expected_missed(one, STANDARD) < 5


def test_one_key_alone():
    """All that is known then is the prior: one in three or so of the matches does not share it."""
    schema = a_schema("tokens", NAMES, more='[[match_key]]\nparts = ["surname", "birth_date"]\n')
    assert len(schema.match_keys) == 1
    assert 10 < expected_missed(of_keys(1), schema) < 100


@pytest.mark.parametrize("seed", [8, 9])
def test_what_is_known_of_nearness_tells_of_a_field_that_all_keys_read(seed):
    """Matches that differ in the date share no key; those that share one do not tell how many of them are near."""
    names = ("given_name", "surname", "birth_date")
    schema = a_schema("fields", names)
    assert all(any("birth_date" in part.fields for part in key.parsed) for key in schema.match_keys)
    matches, n_missed = drawn(schema, 20_000, seed=seed, filters=True, agreeing=10.0)
    taken = 1.5 * grid_of(schema).loads  # as they were drawn
    known = Nearness(10.0, dict(zip(names, taken.tolist(), strict=True)))
    assert expected_missed(matches, schema, nearness=known) == pytest.approx(n_missed, rel=0.35)
    assert expected_missed(matches, schema) > 5 * n_missed


def test_what_only_buckets_found_is_not_missed():
    matches, n_missed = drawn(TOKENS, 20_000, seed=3, probed=False)
    n_met = n_missed // 2
    met = of_keys(0, near=False, n=n_met)
    met = replace(met, probed=~met.probed)
    both = Matches(*(np.concatenate([getattr(matches, n), getattr(met, n)]) for n in Matches.__slots__))
    assert expected_missed(both, TOKENS) == pytest.approx(expected_missed(matches, TOKENS) - n_met)


def test_matches_without_a_key_on_both_sides_are_as_many_as_chance_has_it():
    matches, _ = drawn(TOKENS, 5_000, seed=4, probed=False)
    before = expected_missed(matches, TOKENS)
    after = expected_missed(matches, TOKENS, without_key=0.02)
    assert after - before == pytest.approx(0.02 * (len(matches) + after))


def test_a_grid_too_large_is_left_alone(monkeypatch):
    matches, _ = drawn(TOKENS, 100, seed=0, probed=False)
    monkeypatch.setattr(agreement, "MAX_CELLS", 100)
    assert grid_of(TOKENS) is None
    assert expected_missed(matches, TOKENS) is None


def test_cells_share_the_keys_they_must():
    grid = grid_of(TOKENS)
    names = [key.name for key in TOKENS.match_keys]

    def keys(bits):
        return {name for bit, name in enumerate(names) if bits >> bit & 1}

    shared, agrees = grid.shared(), grid.agrees
    assert keys(shared[agrees[:, [0, 1, 2, 3, 4]].all(axis=1)][0]) == set(names)
    exchanged = grid.states[:, -1] == 2
    assert exchanged.any()
    everything_else = exchanged & agrees[:, [1, 3, 4]].all(axis=1)
    assert any("sorted" in name for bits in shared[everything_else] for name in keys(bits))
    assert not agrees[exchanged][:, [0, 2]].any()
    assert not keys(
        shared[~agrees.any(axis=1) & (grid.lost[:, :4] == 1).all(axis=1) & (grid.states[:, -1] == 0)][0]
    )
    middle = 1 << NAMES.index("middle_name")
    fewer = grid.shared(middle)
    assert grid.of_several & middle
    assert ((fewer & ~shared) == 0).all()
    assert (fewer != shared).any()


def test_likely_matches_and_pairs_without_a_key():
    ann = {"given_name": "ann", "surname": "lee", "birth_date": "1970-01-02", "sex": "f"}
    rows = [[ann, {"given_name": "bob"}], [ann, {"sex": "m"}, {"surname": "ray"}]]
    left, right = (a_dataset(TOKENS, side, name) for side, name in zip(rows, "ab", strict=True))
    pairs = Pairs(np.array([0, 0, 1]), np.array([0, 1, 2]), 6)
    flags = np.array([True, False, False])
    some, matches = likely_matches(
        left, right, Found(pairs, flags, ~flags, flags, ()), np.array([0.9, 0.0, 0.5]), n_probed=1
    )
    assert some.tolist() == [0, 2]
    assert matches.posterior.tolist() == [0.9, 0.5]
    assert matches.shared.tolist() == shared_keys(left, right, pairs)[0][[0, 2]].tolist()
    assert (matches.near.tolist(), matches.probed.tolist()) == ([True, False], [True, False])
    assert [bin(bits) for bits in matches.absent.tolist()] == ["0b10", "0b11111"]
    assert [bin(bits) for bits in matches.one_sided.tolist()] == ["0b0", "0b101"]
    assert (matches.joined.any(), matches.seen.all()) == (False, True)
    everything = (1 << len(TOKENS.match_keys)) - 1
    all_pairs = Pairs(np.repeat([0, 1], 3), np.tile([0, 1, 2], 2), 6)
    lacking = shared_keys(left, right, all_pairs)[1] == everything
    assert share_without_key(left, right) == pytest.approx(lacking.mean())


def test_pairs_that_a_third_record_joins_are_likely_matches_candidates_or_not():
    ann, bob = {"given_name": "ann", "surname": "lee"}, {"given_name": "bob", "sex": "m"}
    data = a_dataset(TOKENS, [ann, ann, bob], "a")
    pairs = Pairs(np.array([0, 0]), np.array([1, 2]), 3)
    flags = np.array([False, False])
    thirds = Thirds(flags, flags, Pairs(np.array([1]), np.array([2]), 3), 1.0, 0.5, 0.5)
    found = Found(pairs, flags, ~flags, flags, ())
    some, matches = likely_matches(data, data, found, np.array([0.999, 0.95]), n_probed=0, thirds=thirds)
    assert some.tolist() == [0, 1]
    assert matches.posterior.tolist() == [0.999, 0.95, JOINED]
    assert matches.seen.tolist() == [True, True, False]
    assert matches.joined.tolist() == [False, False, True]
    assert matches.shared[2] == 0
