"""Strata in the schema: what is resolved and refused, and that a schema without them is what it was."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.errors import SchemaError
from pprl.labels import omb_categories
from pprl.schema import Schema, StratumKind, parse_schema, schema_from_json
from pprl.schema.columns import token_columns
from pprl.schema.strata import CATEGORIES, MAX_CATEGORIES, decade_code

HEAD = (
    '[linkage]\nproject = "heart"\nepoch = "2026"\nfields = ["given_name", "surname", "birth_date", "sex"]\n'
)
ALL = 'strata = ["sex", "birth_decade", "race", "ethnicity"]\n'
REGION = '[[stratum]]\nname = "region"\nkind = "class"\ncategories = ["North", "South"]\n'


def schema(more: str = "", head: str = HEAD) -> Schema:
    return parse_schema(head + more)


def test_the_short_way_resolves_everything():
    strata = schema(ALL + REGION).strata
    assert [(s.name, s.kind.value, s.field) for s in strata] == [
        ("sex", "sex", "sex"),
        ("birth_decade", "birth_decade", "birth_date"),
        ("race", "race", None),
        ("ethnicity", "ethnicity", None),
        ("region", "class", None),
    ]
    assert strata[0].categories == ("Female", "Male", "Other")
    assert strata[1].categories[:2] == ("1900s and before", "1910s")
    assert strata[1].categories[-1] == "2020s and after"
    assert strata[4].categories == ("North", "South")
    assert [s.name for s in schema(ALL + REGION).column_strata] == ["race", "ethnicity", "region"]


def test_default_categories_are_those_of_the_cohort():
    for kind in (StratumKind.RACE, StratumKind.ETHNICITY):
        assert set(CATEGORIES[kind]) <= set(omb_categories(kind.value).values())


def test_a_schema_without_strata_has_no_word_of_them():
    assert "strata" not in json.loads(schema().canonical_json())
    assert schema().canonical_json() == schema("strata = []\n").canonical_json()
    assert not any(name.startswith("stratum:") for name in token_columns(schema()).names)


def test_the_fingerprint_covers_them():
    fingerprints = {
        schema(more).fingerprint for more in ("", ALL, ALL + REGION, ALL + REGION.replace("South", "West"))
    }
    assert len(fingerprints) == 4


def test_their_json_comes_back():
    one = schema(ALL + REGION)
    assert schema_from_json(one.canonical_json()) == one
    columns = token_columns(one)
    assert columns.names[-5:] == [f"stratum:{s.name}" for s in one.strata]
    assert all(columns.field(name).type == pa.uint8() for name in columns.names[-5:])
    assert not any(columns.field(name).nullable for name in columns.names[-5:])


def test_the_first_field_of_the_kind_is_followed_and_a_year_will_do():
    head = HEAD.replace('"birth_date", "sex"', '"birth_year"')
    strata = schema('strata = ["birth_decade", "sex"]\n[[field]]\nname = "x"\nkind = "sex"\n', head).strata
    assert [s.field for s in strata] == ["birth_year", "x"]
    assert schema('strata = ["sex"]\n', head).strata[0].field is None  # the site has it, but it links nothing


@given(st.integers(1850, 2100))
def test_every_year_has_a_decade(year):
    categories = CATEGORIES[StratumKind.BIRTH_DECADE]
    name = categories[decade_code(year, categories) - 1]
    if 1910 <= year < 2020:
        assert name == f"{year // 10}0s"
    else:
        assert name == ("1900s and before" if year < 1910 else "2020s and after")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('strata = ["gender"]\n', "'strata': 'gender' is not one of them"),
        ('strata = ["class"]\n', "'class' needs categories; write it as a table"),
        ('strata = ["race", "race"]\n', "stratum 'race' stands twice"),
        ('[[stratum]]\nkind = "class"\n', r"\[\[stratum\]\] number 1: kind 'class' needs categories"),
        (
            '[[stratum]]\nkind = "race"\nnam = "x"\n',
            r"\[\[stratum\]\] number 1, key 'nam'.*did you mean 'name'",
        ),
        ('[[stratum]]\nkind = "race"\ncategories = ["White"]\n', "key 'categories'"),
        ('[[stratum]]\nkind = "race"\ncategories = ["White", "white"]\n', "category 'White' stands twice"),
        ('[[stratum]]\nkind = "race"\ncategories = ["White", "-"]\n', "'-' may hold letters"),
        (
            '[[stratum]]\nkind = "sex"\ncategories = ["Male", "Female"]\n',
            "are Female, Male, Other, in any order",
        ),
        ('[[stratum]]\nkind = "birth_decade"\ncategories = ["1930s", "1940s"]\n', "decades without a gap"),
        (
            '[[stratum]]\nkind = "birth_decade"\ncategories = ["1930s and before", "1950s and after"]\n',
            "decades without a gap",
        ),
        (
            '[[stratum]]\nname = "sex"\nkind = "race"\n',
            "stratum 'sex' has a column of its own and is named like",
        ),
        (
            "".join(f'[[stratum]]\nname = "r{n}"\nkind = "race"\n' for n in range(6)),
            "the strata have 262144 combinations of categories, at most 65536",
        ),
    ],
)
def test_errors_name_the_place_and_the_fix(more, message):
    with pytest.raises(SchemaError, match=message) as caught:
        schema(more)
    assert "\n" not in str(caught.value)


def test_the_number_of_categories_is_bounded():
    listed = [f"c{number}" for number in range(MAX_CATEGORIES + 1)]
    table = '[[stratum]]\nname = "x"\nkind = "class"\ncategories = '
    assert len(schema(table + json.dumps(listed[1:])).strata[0].categories) == MAX_CATEGORIES
    with pytest.raises(SchemaError, match="at most 32"):
        schema(table + json.dumps(listed))


@pytest.mark.parametrize(
    "change",
    [
        {"field": "surname"},
        {"field": "nobody"},
        {"kind": "class"},
        {"categories": ["Female", "Male"]},
        {"more": 1},
    ],
)
def test_embedded_strata_that_are_refused(change):
    entries = json.loads(schema('strata = ["sex"]\n').canonical_json())
    entries["strata"][0] |= change
    with pytest.raises(SchemaError, match="embedded schema"):
        schema_from_json(json.dumps(entries))
