"""Features of a few pairs of records worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from broker.matching.candidates import Pairs
from broker.matching.evidence import FieldEvidence, RecordEvidence, evidence_for, record
from broker.matching.evidence.record import near_distance, stranger_budget

from ...tokens import a_dataset, a_schema

FIELDS = ("given_name", "surname", "birth_date", "sex")
KEYS = "".join(
    f"[[match_key]]\nparts = [{parts}]\n"
    for parts in (
        '"given_name"',
        '"surname"',
        '"birth_date"',
        '"sex"',
        '"given_name", "surname"',
        '"surname", "birth_date"',
    )
)
ANN = {"given_name": "ann", "surname": "lee", "birth_date": "19800513", "sex": "f"}
BOB = {"given_name": "bob", "surname": "king", "birth_date": "19611128", "sex": "m"}
COUNTS = ("1 shared", "2 shared", "3 to 4 shared", "5 or more shared", "none shared")


def measured(left, right, profile="standard"):
    """Features of two records, those that are not 0."""
    schema = a_schema(profile, FIELDS, KEYS)
    a, b = a_dataset(schema, [left], "a"), a_dataset(schema, [right], "b")
    evidence = RecordEvidence(schema, 0)
    pairs = Pairs(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), 1)
    rows = evidence.measure(evidence.compare(a, b, pairs))
    assert rows.dtype == np.float32
    assert rows.shape == (1, len(evidence.features))
    return {
        f"{f.part}: {f.label}" if f.part in FIELDS else f.label: float(value)
        for f, value in zip(evidence.features, rows[0], strict=True)
        if value
    }


def bits_apart(left, right, profile="standard"):
    schema = a_schema(profile, FIELDS, KEYS)
    rows = [a_dataset(schema, [record]).filters["record"][0].tobytes() for record in (left, right)]
    return sum((x ^ y).bit_count() for x, y in zip(*rows, strict=True))


def test_a_record_and_itself():
    found = measured(ANN, ANN)
    assert {f"{name}: agrees" for name in FIELDS} <= set(found)
    assert [found.get(label, 0) for label in COUNTS] == [0, 0, 0, 1, 0]
    assert found["nearness"] == pytest.approx(math.log(10))
    assert found["any key x nearness"] == pytest.approx(math.log(10))
    assert found["keys shared x nearness"] == pytest.approx(6 * math.log(10) / 4)
    absent = ("tokens differing", "beyond 0.38", "one-sided fields", "share missing", "none shared")
    absent += ("none shared, strangers as near",)
    assert not set(absent) & set(found)


def test_strangers():
    found = measured(ANN, BOB)
    distance = bits_apart(ANN, BOB) / 1024
    assert 0.42 < distance < 0.58
    assert found["none shared"] == 1
    assert {label for label in found if ": " in label} == {f"{name}: differs" for name in FIELDS}
    closeness = max(1 - 2 * distance, 0.1)
    assert found.get("nearness", 0) == pytest.approx(math.log(closeness / 0.1))
    assert found["tokens differing"] == pytest.approx(5 * (1 - closeness ** (1 / 8)))
    assert found["beyond 0.38"] == pytest.approx(10 * (distance - 0.38), rel=1e-5)
    assert found["beyond 0.42"] == pytest.approx(10 * (distance - 0.42), rel=1e-5)
    assert "any key x nearness" not in found
    # As near a stranger has the density exp(-z**2 / 2), measured from seven standard deviations on.
    z = max((0.5 - distance) * 2 * 1024**0.5, 0)
    assert found["none shared, strangers as near"] == pytest.approx((z**2 - 49) / 20, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"sex": "m", "surname": "king", "birth_date": "19611128"}, "1 shared"),
        ({"surname": "king", "birth_date": "19611128"}, "2 shared"),
        ({"surname": "king"}, "3 to 4 shared"),
        ({"given_name": "bob"}, "3 to 4 shared"),
        ({"sex": "m"}, "5 or more shared"),
    ],
)
def test_keys_shared_and_what_they_imply(changes, count):
    found = measured(ANN, ANN | changes)
    assert [label for label in COUNTS if found.get(label)] == [count]
    states = {f"{name}: {'differs' if name in changes else 'agrees'}" for name in FIELDS}
    assert {label for label in found if ": " in label} == states


def test_a_field_that_one_record_lacks():
    """It takes its tokens out of one filter, which the features say, and its keys are missing, not unequal."""
    found = measured(ANN, ANN | {"surname": None})
    schema = a_schema("standard", FIELDS, KEYS)
    surname = schema.field("surname")
    assert found["share missing"] == pytest.approx(3 / 6)
    load = surname.n_hashes * 7.5 * (1 - 0.21) / 1024
    assert found["one-sided fields"] == pytest.approx(10 * load, rel=1e-5)
    assert found["one-sided fields x nearness"] == pytest.approx(10 * load * found["nearness"], rel=1e-5)
    assert "none shared, share missing" not in found
    both = measured(ANN | {"surname": None}, ANN | {"surname": None})
    assert "one-sided fields" not in both
    assert both["share missing"] == pytest.approx(3 / 6)
    nothing = measured(dict.fromkeys(FIELDS), dict.fromkeys(FIELDS))
    assert nothing["none shared, share missing"] == 1


def test_without_filters_only_keys_are_compared(datasets):
    found = measured(ANN, ANN, "tokens")
    assert not {"nearness", "tokens differing"} & set(found)
    left, right = datasets("tokens")
    evidence = evidence_for(left, right, (left, right), seed=0)
    fields = set(left.schema.field_names)
    assert {record.KEYS} < {feature.part for feature in evidence.features} <= {record.KEYS} | fields
    assert not evidence.compares_filters


@pytest.mark.parametrize("profile", ["standard", "strict"])
def test_near_pairs_are_those_within_the_cut(datasets, town, profile):
    left, right = datasets(profile)
    cut = near_distance(left, right)
    # 3.3 standard deviations below the distance of strangers.
    assert cut == int(1024 * 0.5 - 3.3 * 1024**0.5 / 2) == near_distance(left, None)
    rows = evidence_for(left, right, (left, right), seed=0).near(left, right)
    pairs = set(zip(*(side.tolist() for side in rows), strict=True))
    bits = np.bitwise_count(left.filters["record"][:, None] ^ right.filters["record"][None]).sum(axis=2)
    assert pairs == set(zip(*(side.tolist() for side in np.nonzero(bits <= cut)), strict=True))
    matches = town.matches()
    assert len(pairs & matches) > 0.8 * len(matches)


def test_of_many_pairs_those_are_near_that_strangers_leave_room_for(datasets, monkeypatch):
    left, right = datasets("standard")
    widest = near_distance(left, right)
    monkeypatch.setattr(record, "_SAMPLED_PAIRS", 0)
    for budget in (0, 50, 1000, 10**6):
        monkeypatch.setattr(record, "stranger_budget", lambda *_, budget=budget: budget)
        cut = near_distance(left, right)
        found = len(RecordEvidence(left.schema, cut).near(left, right)[0])
        more = len(RecordEvidence(left.schema, cut + 1).near(left, right)[0])
        assert found <= budget or cut == 0
        assert more > budget or cut == widest
    assert near_distance(left, None) <= widest


def test_the_budget_of_strangers():
    assert stranger_budget(1000, 50_000) == 20_000
    assert stranger_budget(22_100_000, 60_000) == 1_200_000
    assert stranger_budget(10**6, 10**6) == 4_000_000
    sizes = [stranger_budget(n, n) for n in range(100_000, 200_000, 1000)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("profile", ["standard", "strict", "fields", "tokens"])
def test_every_profile_has_its_model_and_finite_priors(datasets, profile):
    evidence = evidence_for(*datasets(profile), tuple(datasets(profile)), seed=0)
    assert type(evidence) is (FieldEvidence if profile == "fields" else RecordEvidence)
    priors = np.array([feature.prior for feature in evidence.features])
    assert np.isfinite(priors).all()
    assert np.abs(priors).max() < 15
    assert len({(feature.part, feature.label) for feature in evidence.features}) == len(evidence.features)


@pytest.mark.parametrize(
    ("fields", "common", "near"),
    [
        (FIELDS, FIELDS, True),
        (FIELDS, ("given_name", "surname"), True),
        (FIELDS, ("birth_date", "sex"), False),
        (FIELDS, ("surname",), False),
        (FIELDS, (), False),
        (("surname", "sex"), ("surname", "sex"), True),
        (("surname", "sex"), ("surname",), False),
        (("surname",), ("surname",), True),
    ],
)
def test_filters_are_compared_where_two_records_have_enough_in_common(fields, common, near):
    schema = a_schema("standard", fields, '[[match_key]]\nparts = ["surname"]\n')
    row = {name: ANN[name] for name in common}
    one, two = (a_dataset(schema, [row], name) for name in "ab")
    evidence = RecordEvidence(schema, 100)
    nobody = Pairs(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), 1)
    assert len(evidence.near(one, two)[0]) == near
    assert evidence.near_among(one, two, nobody).tolist() == [near]
    assert len(evidence.bucketed(one, two, n_tables=4)) == near
