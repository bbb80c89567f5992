"""The quick look, and what one of them found that serves another."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.candidates import Pairs
from broker.matching.evidence import FieldEvidence
from broker.matching.evidence.fields.quick import QuickLook

FIELDS = ("given_name", "surname", "birth_date", "street", "city", "postcode")
WEIGHTS = st.lists(st.floats(-1, 8), min_size=len(FIELDS), max_size=len(FIELDS))


@pytest.fixture(scope="module")
def sides(datasets):
    found = tuple(side.rows(0, 60) for side in datasets("fields"))
    evidence = FieldEvidence(found[0].schema, found)
    return tuple(evidence.prepare(side) for side in found)


def a_look(schema, typical, least) -> QuickLook:
    return QuickLook(schema, [schema.field(name) for name in FIELDS], typical, least)


def pairs_of(look: QuickLook, sides) -> set[tuple[int, int]]:
    return set(zip(*(rows.tolist() for rows in look.near(*sides, n_threads=1)), strict=True))


def everything(sides) -> Pairs:
    left, right = np.divmod(np.arange(len(sides[0]) * len(sides[1])), len(sides[1]))
    return Pairs(left, right, len(left))


@given(typical=WEIGHTS, least=st.floats(-8, 20))
def test_near_is_what_weighs_enough(sides, typical, least):
    look, pairs = a_look(sides[0].schema, typical, least), everything(sides)
    near = look.near_among(*sides, pairs)
    assert set(zip(pairs.left[near].tolist(), pairs.right[near].tolist(), strict=True)) == pairs_of(
        look, sides
    )


@given(
    typical=WEIGHTS,
    moves=st.lists(st.floats(-0.4, 0.4), min_size=len(FIELDS), max_size=len(FIELDS)),
    least=st.floats(-4, 12),
    room=st.floats(-1, 4),
)
def test_another_look_that_serves_finds_all_that_this_one_does(sides, typical, moves, least, room):
    schema = sides[0].schema
    mine = a_look(schema, typical, least)
    theirs = a_look(schema, [a + b for a, b in zip(typical, moves, strict=True)], least - room)
    other = mine.reaching(theirs.reach)
    less = sum(max(-move, 0) for move in moves)
    if room > 3 or (room < less and any(moves)):
        assert other is None
    elif less + 0.01 < room < 2.99:
        assert other is not None
    if other is not None:
        assert other.reach == theirs.reach
        assert pairs_of(mine, sides) <= pairs_of(other, sides)


def test_one_with_room_serves_until_it_is_used_up(sides):
    schema = sides[0].schema
    look = a_look(schema, [5.0] * 6, 6.0)
    room = json.loads(look.reach)["least"] - json.loads(look.farther().reach)["least"]
    assert 0 < room < 2
    for move, serves in ((0, True), (0.9 * room, True), (1.1 * room, False), (-1.0, True), (-3.5, False)):
        moved = a_look(schema, [5.0 + move, *[5.0] * 5], 6.0)
        if move < 0:  # what it takes to be as near is less by so much
            moved = a_look(schema, [5.0] * 6, 6.0 - move)
        assert (moved.reaching(look.farther().reach) is not None) is serves
    assert look.reaching(look.reach) is not None
    assert look.reaching(QuickLook(schema, [schema.field("surname")], [5.0], 0.0).reach) is None


def test_what_is_known_of_nearness(sides):
    """Where all agree the quick look's weight is the sum; a field that differs takes what it weighs and -2 more."""
    typical = [4.0, 5.0, 6.0, 4.0, 2.0, 3.0]
    near, nearer = (a_look(sides[0].schema, typical, least).nearness for least in (10.0, 3.0))
    assert list(near.taken) == list(FIELDS)
    assert near.agreeing == pytest.approx((sum(typical) - 10) / 1.7)
    assert near.taken["birth_date"] == pytest.approx((6 + 2) / 1.7)
    assert nearer.agreeing - near.agreeing == pytest.approx(7 / 1.7)
    assert nearer.taken == near.taken
