"""What people who live together have in common, counted pair by pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from broker.matching.candidates import Pairs
from broker.matching.evidence import FieldEvidence
from broker.matching.evidence.fields import model
from broker.matching.evidence.fields.household import PART, HouseholdColumn, household_column
from pprl.schema import parse_schema

from ...population import people
from ...tokens import a_dataset, a_schema

TOLD = ("surname", "street", "given_name", "birth_date")


def column_of(schema, *datasets) -> HouseholdColumn:
    found = household_column(schema, schema.fields, datasets)
    assert found is not None
    return found


def counted(records, fields=TOLD) -> list[int]:
    """Pairs of records with all of the fields, and of these those that agree in this and that."""
    there = [record for record in records if all(record[name] for name in fields)]
    out = [0] * 8
    for one, two in combinations(there, 2):
        surname, address, given, born = (one[name] == two[name] if name in fields else False for name in TOLD)
        home = surname and address
        for place, holds in enumerate(
            (
                True,
                surname,
                address,
                given,
                born,
                home and not given and not born,
                home and born and not given,
                home and given and not born,
            )
        ):
            out[place] += holds
    return out


@pytest.fixture(scope="module")
def residents():
    """People as they are, with twins and namesakes, some of them twice, of whom not all is known."""
    random = np.random.default_rng(4)
    town = people(200, random)
    twins = [town[k] | {"given_name": "toby"} for k in range(0, 12)]
    namesakes = [town[k] | {"birth_date": "19550101"} for k in range(20, 27)]
    rows = [*town, *twins, *namesakes, *town[40:60]]
    return [
        row | {name: None for name in TOLD if random.random() < 0.05}
        for row in (rows[k] for k in random.permutation(len(rows)))
    ]


def test_tallies(residents):
    schema = a_schema("fields")
    dataset = a_dataset(schema, residents, "a")
    tally = column_of(schema, dataset)._tally(dataset)
    assert tally.tolist() == counted(residents)
    assert (tally > 0).all()
    lacking = [row for row in schema.fields if row.name not in ("given_name", "birth_date")]
    alone = household_column(schema, lacking, (dataset,))
    assert alone is not None
    found = alone._tally(dataset).tolist()
    assert found == counted(residents, ("surname", "street"))


def test_weights_are_those_of_the_tallies(residents):
    schema = a_schema("fields")
    sites = [residents, *(people(250, np.random.default_rng(seed)) for seed in (5, 6))]
    column = column_of(
        schema, *(a_dataset(schema, rows, name) for rows, name in zip(sites, "abc", strict=True))
    )
    possible, name, address, given, born, relatives, twins, namesakes = np.sum(
        [counted(rows) for rows in sites], axis=0
    )
    weights = column.weights(np.zeros(6, np.int64))
    by_chance, at_home = name / possible, relatives / address
    assert weights[0] == 0
    assert weights[1] == pytest.approx(np.log((1 - by_chance) / (1 - at_home)))
    assert weights[2] == weights[5] == pytest.approx(np.log(by_chance / at_home))
    # Twins and namesakes are believed up to a share that there may be of them.
    assert weights[3] - weights[2] >= np.log(born / possible / (twins / relatives)) - 1e-9
    assert weights[4] - weights[2] >= np.log(given / possible / (namesakes / relatives)) - 1e-9
    # Relatives agree for other reasons than being one: that takes from what each agreement says.
    assert weights[1] > 0 > weights[2] > max(weights[3:5])


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_records_and_records_all_alike_weigh_something_finite(n):
    schema = a_schema("fields")
    (record,) = people(1, np.random.default_rng(0))
    for rows in ([record] * n, [record | dict.fromkeys(TOLD)] * n):
        weights = column_of(schema, a_dataset(schema, rows, "a")).weights(np.zeros(6, np.int64))
        assert np.isfinite(weights).all()
        assert weights[0] == 0


def test_the_address_is_what_the_schema_has_of_it(residents):
    def address_of(*fields):
        schema = a_schema("fields", fields)
        dataset = a_dataset(schema, residents[:5], "a")
        found = household_column(schema, schema.fields, (dataset,))
        return found and found.labels[1]

    assert address_of("surname", "street", "postcode", "city") == "street alike, surname not"
    assert address_of("surname", "postcode", "given_name") == "postcode alike, surname not"
    assert address_of("surname", "city", "given_name") is None
    assert address_of("street", "given_name", "birth_date") is None


def test_a_surname_compared_whole_is_no_part_of_it(residents, monkeypatch):
    monkeypatch.setattr(model, "_SAMPLE", 100)
    schema = parse_schema(
        '[linkage]\nproject = "p"\nepoch = "e"\nprofile = "fields"\nfields = ["given_name", "street"]\n'
        '[[field]]\nname = "surname"\nkind = "surname"\ntokens = "whole"\n'
    )
    pair = a_dataset(schema, residents, "a"), a_dataset(schema, residents, "b")
    parts = {feature.part for feature in FieldEvidence(schema, pair).features}
    assert parts == {"given_name", "street", "surname"}


def test_levels_of_all_pairs(residents):
    """Of values that are equal or very unlike, by their equality."""
    schema = a_schema("fields")
    some = [
        row | {"street": row["street"] and f"{row['street']} {k % 3}"} for k, row in enumerate(residents[:80])
    ]
    dataset = a_dataset(schema, some, "a")
    column = column_of(schema, dataset)
    left, right = (side.ravel() for side in np.indices((80, 80)))
    levels = column.levels(dataset, dataset, Pairs(left, right, 80 * 80))
    assert levels.dtype == np.int8
    for i, j, level in zip(left.tolist(), right.tolist(), levels.tolist(), strict=True):
        one, two = some[i], some[j]
        equal = {name: one[name] is not None and one[name] == two[name] for name in TOLD}
        if not one["street"] or not two["street"] or not one["surname"] or not two["surname"]:
            assert level == 0
        elif equal["street"] and equal["surname"]:
            assert level >= 2
            assert ((level - 2) & 1) == equal["birth_date"]
            assert (level - 2) >> 1 >= equal["given_name"]
        elif equal["street"]:
            assert level >= 1
    assert set(levels.tolist()) >= {0, 1, 2, 5}


def test_it_is_told_as_a_part_of_its_own(datasets):
    pair = tuple(datasets("fields"))
    evidence = FieldEvidence(pair[0].schema, pair)
    mine = [feature for feature in evidence.features if feature.part == PART]
    assert [feature.label for feature in mine] == [
        "street alike, surname not",
        "street and surname alike",
        "street and surname alike, and birth date",
        "street and surname alike, and given name",
        "street and surname alike, and both",
    ]
    assert evidence.features[-len(mine) :] == tuple(mine)
