"""From a site's values to the numbers of categories."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from pprl.schema import parse_schema
from pprl.site.normalise import FieldCounts
from pprl.site.strata import classify

TODAY = date(2026, 7, 25)
SCHEMA = parse_schema("""
[linkage]
project = "heart"
epoch = "2026"
fields = ["surname", "birth_date", "sex"]
strata = ["sex", "birth_decade", "race", "ethnicity"]
[[stratum]]
name = "region"
kind = "class"
categories = ["North", "South <65", "Unknown"]
""")


def a_batch(**columns):
    n = len(next(iter(columns.values())))
    names = {"surname": "surname", "birth_date": "birth_date", "sex": "sex"} | {
        name: f"stratum:{name}" for name in ("race", "ethnicity", "region")
    }
    return pa.record_batch(
        [pa.array(columns.get(name, [None] * n), pa.string()) for name in names], names=list(names.values())
    )


def names_of(found, name):
    categories = next(stratum.categories for stratum in SCHEMA.strata if stratum.name == name)
    return [categories[code - 1] if code else None for code in found.codes[name].tolist()]


@pytest.mark.parametrize(
    ("stratum", "value", "category"),
    [
        ("race", "White", "White"),
        ("race", "  black   OR african american ", "Black or African American"),
        ("race", "AI/AN", "American Indian or Alaska Native"),
        ("race", "2028-9", "Asian"),
        ("race", "8527", "White"),
        ("race", "More than one race", "Multiple"),
        ("race", "Purple", None),
        ("ethnicity", "non-hispanic", "Not Hispanic or Latino"),
        ("ethnicity", "White", None),
        ("region", "south <65", "South <65"),
        ("region", "South", None),
        ("region", "unknown", "Unknown"),  # a category of that name comes before the word for nothing
        ("sex", "m", "Male"),
        ("sex", "x", "Other"),
        ("birth_decade", "19840229", "1980s"),
        ("birth_decade", "19000101", "1900s and before"),
        ("birth_decade", "20250000", "2020s and after"),
        ("birth_decade", "00000912", None),
    ],
)
def test_a_value_and_its_category(stratum, value, category):
    column = "birth_date" if stratum == "birth_decade" else stratum
    found = classify(a_batch(**{column: [value, None]}), SCHEMA, today=TODAY)
    assert names_of(found, stratum) == [category, None]
    assert all(codes.dtype == np.uint8 for codes in found.codes.values())


def test_what_became_of_the_values_is_counted():
    values = ["White", None, " ", "Declined", "UNK", "0", "Purple", "Green", "Asian", "Asian"]
    counts = classify(a_batch(race=values), SCHEMA, today=TODAY).counts
    assert counts["race"] == FieldCounts(present=3, missing=2, placeholder=3, invalid=2)
    assert counts["ethnicity"] == FieldCounts(missing=10)
    assert set(counts) == {"race", "ethnicity", "region"}  # the others are counted as fields


def test_cells_are_combinations():
    batch = a_batch(race=["White", "White", "Asian", None], sex=["m", "m", "m", None])
    cells = classify(batch, SCHEMA, today=TODAY).cells
    assert sorted(cells.values()) == [1, 1, 2]
    assert cells[0] == 1  # nothing is known


def test_a_stratum_without_a_column_is_missing():
    batch = a_batch(sex=["f"]).select(["surname", "birth_date", "sex"])
    found = classify(batch, SCHEMA, today=TODAY)
    assert found.codes["race"].tolist() == [0]
    assert found.codes["sex"].tolist() == [1]


def test_sexes_and_decades_without_a_field_come_from_a_column():
    schema = parse_schema(
        '[linkage]\nproject = "p"\nepoch = "1"\nfields = ["surname", "given_name", "email"]\n'
        'strata = ["sex", "birth_decade"]\n'
    )
    values = {
        "stratum:sex": ["Female", "?", "8507"],
        "stratum:birth_decade": ["1984", "03/05/1991", "1900-01-01"],
    }
    found = classify(pa.record_batch(values), schema, date_order="mdy", today=TODAY)
    assert found.codes["sex"].tolist() == [1, 0, 2]
    assert found.codes["birth_decade"].tolist() == [9, 10, 0]
    assert found.counts["birth_decade"] == FieldCounts(present=2, placeholder=1)


def test_a_category_may_be_written_in_a_usual_way():
    schema = parse_schema(
        '[linkage]\nproject = "p"\nepoch = "1"\nfields = ["surname", "birth_date"]\n'
        '[[stratum]]\nkind = "race"\ncategories = ["Black", "White", "Other"]\n'
    )
    values = {"stratum:race": ["Black or African American", "black", "2106-3", "Asian"]}
    batch = pa.record_batch({"surname": [None] * 4, "birth_date": [None] * 4} | values)
    assert classify(batch, schema, today=TODAY).codes["race"].tolist() == [1, 1, 2, 0]


def test_no_strata_cost_nothing():
    schema = parse_schema('[linkage]\nproject = "p"\nepoch = "1"\nfields = ["surname", "birth_date"]\n')
    found = classify(a_batch(surname=["x"]), schema, today=TODAY)
    assert not found.codes
    assert not found.counts
    assert not found.cells
