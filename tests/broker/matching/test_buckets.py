"""Near pairs by bit sampling, against what the theory says."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from broker.engines.local import LocalEngine
from broker.matching import plan
from broker.matching.buckets import n_sampled_bits, pairs_sharing_a_bucket
from broker.matching.pipeline import link

from ..population import FIELDS
from ..tokens import a_dataset, a_schema

ANN = {"given_name": "ann", "surname": "lee", "birth_date": "19800513", "sex": "f"}
BOB = {"given_name": "bob", "surname": "king", "birth_date": "19611128", "sex": "m"}


@pytest.mark.parametrize("itself", [False, True])
def test_what_meets_is_near_and_what_is_equal_meets(datasets, itself):
    left, right = (d.rows(0, 200) for d in datasets("standard"))
    other = left if itself else right
    words = left.filters["record"].copy()
    words[7] = other.filters["record"][11]
    words[9] = words[13] = 0  # no value at all
    left = type(left)(
        **{name: getattr(left, name) for name in left.__slots__} | {"filters": {"record": words}}
    )
    codes = pairs_sharing_a_bucket(left, None if itself else right, n_tables=8, max_distance=400)
    assert codes.tolist() == sorted(set(codes.tolist()))
    there = words if itself else right.filters["record"]
    bits = np.bitwise_count(words[:, None] ^ there[None]).sum(axis=2)
    allowed = combinations(range(200), 2) if itself else product(range(200), range(200))
    near = {a * 200 + b for a, b in allowed if bits[a, b] <= 400}
    assert set(codes.tolist()) <= near
    assert 7 * 200 + 11 in codes.tolist()
    assert 9 * 200 + 13 not in codes.tolist()


def test_the_chance_to_meet_is_that_of_the_theory(datasets):
    (dataset, _) = datasets("standard")
    random, n, d = np.random.default_rng(1), 500, 0.1
    here = random.integers(0, 1 << 63, (n, 16), dtype=np.uint64)
    noise = np.packbits(random.random((n, 1024)) < d, axis=1, bitorder="little").view(np.uint64)
    sides = [
        type(dataset)(
            **{name: getattr(dataset.rows(0, n), name) for name in dataset.__slots__}
            | {"filters": {"record": words}}
        )
        for words in (here, here ^ noise)
    ]
    b = n_sampled_bits(n)
    for n_tables in (1, 8):
        codes = pairs_sharing_a_bucket(*sides, n_tables=n_tables, max_distance=1024)
        met = np.isin(np.arange(n) * n + np.arange(n), codes).mean()
        expected = 1 - (1 - (1 - d) ** b) ** n_tables
        assert met == pytest.approx(expected, abs=0.07)


def test_a_linkage_by_buckets_tells_their_recall(datasets, linked, monkeypatch):
    whole = linked("standard").comparisons[0]
    monkeypatch.setattr(plan, "PROBE_WORD_STEPS", 16 * 250 * 540)
    linkage = link(datasets("standard"), candidates="lsh", engine=LocalEngine())
    (comparison,) = linkage.comparisons
    assert comparison.route == "match keys and buckets"
    assert 0.2 < comparison.bucket_recall < 1
    assert whole.bucket_recall is None
    assert len(comparison.links) == pytest.approx(len(whole.links), rel=0.05)
    expected = comparison.n_matches
    assert expected == pytest.approx(whole.n_matches, rel=0.05)


def test_no_buckets_for_a_filter_a_field(datasets):
    comparison = link(datasets("fields"), candidates="lsh").comparisons[0]
    assert (comparison.route, comparison.bucket_recall) == ("match keys", None)


def test_without_a_near_pair_the_buckets_hold_none():
    schema = a_schema("standard")
    linkage = link([a_dataset(schema, [dict.fromkeys(FIELDS)] * 9, name) for name in "ab"], candidates="lsh")
    (comparison,) = linkage.comparisons
    assert comparison.bucket_recall == 0
    near = [a_dataset(schema, [ANN], "a"), a_dataset(schema, [BOB], "b")]
    assert link(near, candidates="lsh").comparisons[0].bucket_recall == 0
