"""The columns of a token table: names, types, order, and nothing but the schema behind them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pprl.schema import MatchKey, Schema, parse_schema
from pprl.schema.columns import (
    PRESENCE,
    RECORD_GUID,
    exact_column,
    exact_parts,
    filter_column,
    key_columns,
    token_columns,
)

KEYS = """
[[match_key]]
parts = ["surname", "birth_date"]
[[match_key]]
name = "married"
parts = ["given_name", "either(surname,middle_name)"]
"""


def a_schema(profile: str, more: str = "") -> Schema:
    return parse_schema(
        f'[linkage]\nproject = "p"\nepoch = "1"\nprofile = "{profile}"\n'
        f'fields = ["given_name", "middle_name", "surname", "birth_date", "sex"]\n{more}{KEYS}'
    )


def shown(schema: Schema) -> list[tuple[str, pa.DataType, bool]]:
    return [(field.name, field.type, field.nullable) for field in token_columns(schema)]


HEAD = [(RECORD_GUID, pa.binary(16), False), (PRESENCE, pa.uint32(), False)]
TAIL = [(name, pa.uint64(), True) for name in ("key:surname+birth_date", "key:married", "key:married#2")]


@pytest.mark.parametrize("profile", ["standard", "strict"])
def test_a_record_filter(profile):
    assert shown(a_schema(profile)) == [*HEAD, ("filter:record", pa.binary(128), False), *TAIL]


def test_field_filters_and_exact_tokens():
    filters = [
        (f"filter:{name}", pa.binary(64), False)
        for name in ("given_name", "middle_name", "surname", "birth_date")
    ]
    exact = [
        (f"exact:{part}", pa.uint64(), True)
        for part in (
            "middle_name:initial",
            "birth_date:year",
            "birth_date:month",
            "birth_date:day",
            "sex:value",
        )
    ]
    assert shown(a_schema("fields")) == [*HEAD, *filters, *exact, *TAIL]


def test_match_keys_alone():
    assert shown(a_schema("tokens")) == [*HEAD, *TAIL]


def test_the_width_follows_the_filters_length():
    columns = token_columns(a_schema("standard", "[filter]\nn_bits = 2048\n"))
    assert columns.field("filter:record").type == pa.binary(256)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("birth_date", ("year", "month", "day")),
        ("middle_name", ("initial",)),
        ("sex", ("value",)),
        ("code", ("value",)),
        ("birth_year", ()),
        ("surname", ()),
        ("postcode", ()),
    ],
)
def test_exact_parts_follow_the_kind(kind, parts):
    schema = parse_schema(
        f'[linkage]\nproject = "p"\nepoch = "1"\nprofile = "fields"\n[[field]]\nname = "it"\nkind = "{kind}"\n'
    )
    assert exact_parts(schema.field("it")) == parts


def test_whole_values_have_an_exact_token_whatever_their_kind():
    schema = parse_schema(
        '[linkage]\nproject = "p"\nepoch = "1"\nprofile = "fields"\n'
        '[[field]]\nname = "town"\nkind = "city"\ntokens = "whole"\n'
    )
    assert token_columns(schema).names == [RECORD_GUID, PRESENCE, "exact:town:value"]


def test_names():
    assert filter_column("record") == "filter:record"
    assert exact_column("birth_date", "year") == "exact:birth_date:year"
    assert key_columns(MatchKey(name="k", parts=("surname",))) == ("key:k",)
    assert key_columns(MatchKey(name="k", parts=("either(a,b)", "either(c,d)"))) == ("key:k", "key:k#2")
