"""Similarity levels: where the cuts lie, and how rare a value is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.candidates import Pairs
from broker.matching.evidence import levels as lv
from pprl.schema import parse_schema

from ...tokens import a_dataset, a_schema

DICE = st.floats(0, 1)


@pytest.mark.parametrize("taps", [6, 8, 12])
@given(one=DICE, two=DICE)
def test_a_higher_dice_never_allows_a_larger_distance(taps, one, two):
    schema = a_schema("fields", more=f"[filter]\nn_taps = {taps}\n")
    for field in schema.fields:
        if field.n_hashes:
            low, high = (lv.distance_cut(schema, field, dice) for dice in sorted((one, two)))
            assert low >= high >= 0
            assert low < 0.5 * schema.filter.n_bits
            assert lv.distance_cut(schema, field, 1) == 0


def test_the_cut_worked_out():
    """Two surnames of 7.5 tokens with Dice .8 differ in 3 tokens of 12 hashes, .88 of them their own bits."""
    schema = a_schema("fields")
    share = 3 * 0.88 * 12 / 512
    assert lv.distance_cut(schema, schema.field("surname"), 0.8) == int(512 * (1 - (1 - 2 * share) ** 8) / 2)


@pytest.mark.parametrize(
    ("other", "level"),
    [
        ("smithson", 5),
        ("smitthson", 4),  # one token more
        ("smithsen", 3),  # four tokens differ
        ("brown", 1),
        (None, 0),
    ],
)
def test_levels_of_a_name(other, level):
    schema = a_schema("fields", ("surname",))
    left, right = (
        a_dataset(schema, [{"surname": "smithson"}], "a"),
        a_dataset(schema, [{"surname": other}], "b"),
    )
    pair = Pairs(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), 1)
    for one, two in ((left, right), (right, left)):
        found = lv.similarity_levels(schema, schema.field("surname"), one, two, pair, by_rarity=False)
        assert found.dtype == np.int8
        assert found.tolist() == [level]


def test_distance_is_beyond_any_cut_where_a_side_is_missing():
    schema = parse_schema("""
        [linkage]
        project = "p"
        epoch = "e"
        profile = "fields"
        [[field]]
        name = "surname"
        kind = "surname"
        [[field]]
        name = "ward"
        kind = "text"
        tokens = "whole"
    """)
    dataset = a_dataset(schema, [{"surname": "lee", "ward": "x"}, {"surname": None, "ward": "x"}])
    pairs = Pairs(np.array([0, 0]), np.array([0, 1]), 4)
    huge = np.iinfo(np.int32).max
    assert lv.bits_apart(dataset, dataset, pairs, "surname", "surname").tolist() == [0, huge]
    assert lv.bits_apart(dataset, dataset, pairs, "ward", "ward").tolist() == [huge, huge]
    assert lv.has_filter(dataset, "surname").tolist() == [True, False]
    assert lv.has_filter(dataset, "ward").tolist() == [False, False]


def test_rarity_is_the_pooled_frequency_of_the_value(town, datasets):
    rarity = lv.Rarity.count(tuple(datasets("fields")), "surname")
    values = [[record["surname"] for record in site] for site in town.records]
    count = Counter(value for site in values for value in site if value)
    n = count.total()
    bits = {value: int(np.clip(np.floor(-np.log2(times / n)), 4, 11)) for value, times in count.items()}
    u, m = np.zeros(8), np.zeros(8)
    for value, times in count.items():
        u[bits[value] - 4] += (times / n) ** 2
        m[bits[value] - 4] += times / n
    np.testing.assert_allclose(rarity.u, u)
    np.testing.assert_allclose(rarity.m_share, m)
    for name, site in zip("ab", values, strict=True):
        for row, value in enumerate(site):
            if value:
                assert rarity.bins[name][row] == bits[value] - 4
    assert len(set(bits.values())) > 3


def test_rarity_of_a_field_nobody_has():
    schema = a_schema("fields", ("surname",))
    rarity = lv.Rarity.count((a_dataset(schema, [{"surname": None}] * 3),), "surname")
    assert rarity.u.tolist() == rarity.m_share.tolist() == [0] * 8
