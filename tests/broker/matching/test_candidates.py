"""Candidate pairs against brute force."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.candidates import (
    Pairs,
    Scope,
    join,
    merge,
    n_possible_pairs,
    pairs_sharing_a_key,
    shared_keys,
)

from ..tokens import a_dataset, a_schema

NOBODY = dict.fromkeys(("given_name", "surname", "birth_date", "sex"))
ANN = {"given_name": "ann", "surname": "lee", "birth_date": "19800513", "sex": "f"}


def row_pairs(n_left, n_right):
    """All pairs of rows; within one dataset where there is no right one."""
    return list(combinations(range(n_left), 2) if n_right is None else product(range(n_left), range(n_right)))


def naive_join(left, right, cap, n_left):
    """Codes with their number, values over the cap, records that hold one of those."""
    other = left if right is None else right
    held = [[{column[row] for column in side} - {0} for row in range(len(side[0]))] for side in (left, other)]
    found, capped, records = Counter(), set(), set()
    for value in set().union(*held[0]):
        rows = [[row for row, values in enumerate(side) if value in values] for side in held]
        if right is None and min(rows[0], default=n_left) >= n_left:
            continue
        if not rows[1] or (right is None and len(rows[0]) < 2):
            continue
        if len(rows[0]) * len(rows[1]) > cap:
            capped.add(value)
            sides = rows if right is not None else rows[:1]
            records |= {(side, row) for side, members in enumerate(sides) for row in members}
            continue
        for a, b in product(*rows):
            if right is not None or a < min(b, n_left):
                found[a * len(held[1]) + b] += 1
    return found, len(capped), len(records)


def keys(n_columns):
    """Columns of one match key, few values so that they repeat, 0 where missing."""
    rows = st.lists(st.tuples(*[st.integers(0, 6)] * n_columns), max_size=14)
    return rows.map(
        lambda rows: tuple(np.array([row[c] for row in rows], dtype=np.uint64) for c in range(n_columns))
    )


@given(
    st.integers(1, 2).flatmap(lambda n: st.tuples(keys(n), keys(n) | st.none())),
    st.sampled_from([1, 6, 20, 999]),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_join_is_brute_force(columns, cap, share):
    left, right = columns
    n_left = len(left[0]) if right is not None else round(share * len(left[0]))
    codes, n_values, n_records = join(
        left,
        left if right is None else right,
        n_left=n_left,
        itself=right is None,
        max_block_pairs=cap,
    )
    as_lists = [None if side is None else [column.tolist() for column in side] for side in columns]
    assert (Counter(codes.tolist()), n_values, n_records) == naive_join(*as_lists, cap, n_left)


@pytest.mark.parametrize("itself", [False, True])
def test_pairs_sharing_a_key_are_those_with_a_token_in_common(town, itself):
    more = '[[match_key]]\nparts = ["surname"]\n[[match_key]]\nparts = ["given_name", "either(surname,middle_name)"]\n'
    schema = a_schema("tokens", more=more)
    left, right = (a_dataset(schema, rows[:120], name) for rows, name in zip(town.records, "ab", strict=True))
    other = left if itself else right
    codes, capped = pairs_sharing_a_key(left, None if itself else right, max_block_pairs=10**9)
    assert capped == ()
    held = [
        [[{int(c[row]) for c in key} - {0} for row in range(120)] for key in side.keys]
        for side in (left, other)
    ]
    expected = {
        a * 120 + b
        for a, b in row_pairs(120, None if itself else 120)
        if any(one[a] & two[b] for one, two in zip(*held, strict=True))
    }
    assert set(codes.tolist()) == expected
    assert len(expected) > 50


def every_pair(n_left, n_right):
    return Pairs(*np.divmod(np.arange(n_left * n_right), max(n_right, 1)), n_left * n_right)


def test_values_of_too_many_records_are_reported_by_key():
    schema = a_schema(
        "tokens", tuple(ANN), '[[match_key]]\nparts = ["surname"]\n[[match_key]]\nparts = ["birth_date"]\n'
    )
    left = a_dataset(schema, [ANN] * 4 + [ANN | {"surname": None}], "a")
    right = a_dataset(schema, [ANN] * 3 + [ANN | {"birth_date": "19990101"}], "b")
    codes, capped = pairs_sharing_a_key(left, right, max_block_pairs=15)
    assert [(c.key, c.n_values, c.n_records) for c in capped] == [("surname", 1, 8)]
    assert sorted(codes.tolist()) == [a * 4 + b for a in range(5) for b in range(3)]
    within, capped = pairs_sharing_a_key(left, None, max_block_pairs=16)
    assert [(c.key, c.n_values, c.n_records) for c in capped] == [("birth_date", 1, 5)]
    assert sorted(within.tolist()) == [a * 5 + b for a, b in combinations(range(4), 2)]


def test_a_key_of_two_values_meets_across_them():
    schema = a_schema(
        "tokens",
        ("given_name", "middle_name", "surname"),
        """
[[match_key]]
name = "names"
parts = ["given_name", "either(surname,middle_name)"]
""",
    )
    before = {"given_name": "ann", "middle_name": "mae", "surname": "lee"}
    after = {"given_name": "ann", "middle_name": "lee", "surname": "wong"}
    twice = {"given_name": "ann", "middle_name": "lee", "surname": "lee"}
    other = {"given_name": "eve", "middle_name": "lee", "surname": "mae"}
    left, right = a_dataset(schema, [before, other], "a"), a_dataset(schema, [after, twice], "b")
    codes, _ = pairs_sharing_a_key(left, right, max_block_pairs=99)
    assert sorted(codes.tolist()) == [0, 1]
    shared, missing = shared_keys(left, right, every_pair(2, 2))
    assert shared.tolist() == [1, 1, 0, 0]
    assert missing.tolist() == [0] * 4


def test_shared_and_missing_keys_are_those_of_the_columns(datasets):
    left, right = (d.rows(0, 40) for d in datasets("tokens"))
    pairs = every_pair(40, 40)
    shared, missing = shared_keys(left, right, pairs)
    assert len(left.keys) == 12
    for number, (one, two) in enumerate(zip(left.keys, right.keys, strict=True)):
        for pair, (a, b) in enumerate(row_pairs(40, 40)):
            here, there = ({int(c[row]) for c in key} - {0} for key, row in ((one, a), (two, b)))
            assert bool(shared[pair] >> number & 1) == bool(here & there)
            assert bool(missing[pair] >> number & 1) == (not here or not there)
    assert shared.any()
    assert missing.any()


def test_numbers_of_possible_pairs():
    schema = a_schema("tokens", tuple(ANN))
    a, b, none = (a_dataset(schema, [ANN] * n, str(n)) for n in (3, 4, 0))
    assert [n_possible_pairs(a, b), n_possible_pairs(a, None), n_possible_pairs(none, b)] == [12, 3, 0]
    for n_left in range(6):
        within = [(i, j) for i, j in combinations(range(5), 2) if i < n_left]
        assert Scope(n_left, 0).n_possible(5, itself=True) == len(within)
        assert Scope(n_left, 0).n_possible(7, itself=False) == 7 * n_left


def test_merged_pairs_know_how_they_were_found():
    found = merge(np.array([4, 1]), np.array([8, 4, 0, 4, 8]), (), n_right=3, n_possible=9)
    assert (found.pairs.left * 3 + found.pairs.right).tolist() == [0, 1, 4, 8]
    assert found.from_filter.tolist() == [False, True, True, False]
    assert found.from_key.tolist() == [True, False, True, True]
    assert found.pairs.n_possible == 9
    nothing = merge(np.empty(0, np.int64), np.empty(0, np.int64), (), n_right=0, n_possible=0)
    assert len(nothing.pairs) == 0


def test_rows_of_a_dataset(datasets):
    (dataset, _) = datasets("fields")
    some = dataset.rows(3, 10)
    assert len(some) == 7
    assert np.array_equal(some.guids, dataset.guids[3:10])
    assert np.array_equal(some.filters["surname"], dataset.filters["surname"][3:10])
    assert np.array_equal(some.keys[0][0], dataset.keys[0][0][3:10])
    assert np.array_equal(some.has("sex"), dataset.has("sex")[3:10])


def test_what_a_record_has_is_what_its_presence_says():
    schema = a_schema("fields", tuple(ANN))
    dataset = a_dataset(schema, [ANN, NOBODY, ANN | {"surname": None}])
    assert dataset.has("surname").tolist() == [True, False, False]
    assert dataset.has("sex").tolist() == [True, False, True]
    assert not dataset.filters["surname"][1:].any()
