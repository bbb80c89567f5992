"""The linkage schema: what is resolved, what is refused and in which words, what the fingerprint covers."""

from __future__ import annotations

import hashlib
import json
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.errors import SchemaError
from pprl.schema import Kind, Profile, Schema, Tokens, load_schema, parse_schema, schema_from_json
from pprl.schema.columns import token_columns
from pprl.schema.kinds import DEFAULTS
from pprl.schema.match_keys import FUNCTIONS, default_keys, parse_part
from pprl.schema.model import hashes_for_fill

HEAD = '[linkage]\nproject = "heart-registry"\nepoch = "2026"\n'
SHORT = HEAD + 'fields = ["given_name", "surname", "birth_date", "sex", "postcode"]\n'


def test_the_short_schema_resolves_every_default():
    schema = parse_schema(SHORT)
    assert schema.profile is Profile.STANDARD
    assert schema.field_names == ("given_name", "surname", "birth_date", "sex", "postcode")
    assert schema.filter_names == ("record",)
    assert (schema.filter.n_bits, schema.filter.n_taps) == (1024, 8)
    assert 1 <= len(schema.match_keys) <= 9
    for field in schema.fields:
        assert field.tokens is DEFAULTS[field.kind].tokens
        assert field.n_hashes >= 2
        assert field.key_group == field.name


@pytest.mark.parametrize("profile", list(Profile))
@given(kinds=st.lists(st.sampled_from(list(Kind)), min_size=2, unique=True))
@settings(max_examples=30)
def test_any_set_of_kinds_round_trips_through_its_json(profile, kinds):
    listed = ", ".join(f'"{kind}"' for kind in kinds)
    text = f'{HEAD}profile = "{profile}"\nfields = [{listed}]\n'
    if profile is Profile.TOKENS and not default_keys({kind: kind.value for kind in kinds}, at_most=12):
        with pytest.raises(SchemaError, match="nothing could be linked"):
            parse_schema(text)
        return
    schema = parse_schema(text)
    text = schema.canonical_json()
    assert schema_from_json(text) == schema
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text
    assert schema.fingerprint == hashlib.sha256(text.encode()).hexdigest()
    columns = token_columns(schema)
    assert len(set(columns.names)) == len(columns)
    assert sum(name.startswith("filter:") for name in columns.names) == len(schema.filter_names)
    assert sum(name.startswith("key:") for name in columns.names) == sum(
        key.n_values for key in schema.match_keys
    )


@pytest.mark.parametrize(
    "change",
    [
        ("heart-registry", "lung-registry"),
        ("2026", "2027"),
        ('"sex", ', ""),
        ('"given_name", "surname"', '"surname", "given_name"'),
        ("fields", 'profile = "strict"\nfields'),
        ('postcode"]\n', 'postcode"]\n[filter]\nn_taps = 9\n'),
        ('postcode"]\n', 'postcode"]\n[[match_key]]\nparts = ["surname"]\n'),
    ],
)
def test_the_fingerprint_covers_all_that_decides_a_token(change):
    assert change[0] in SHORT
    assert parse_schema(SHORT.replace(*change, 1)).fingerprint != parse_schema(SHORT).fingerprint


def test_the_fingerprint_does_not_cover_spelling():
    spelled = SHORT.replace("[linkage]", "# a comment\n[linkage]").replace(", ", ",\n  ")
    assert parse_schema(spelled).fingerprint == parse_schema(SHORT).fingerprint
    explicit = SHORT.replace("fields", 'profile = "standard"\nfields')
    assert parse_schema(explicit).fingerprint == parse_schema(SHORT).fingerprint


def test_expected_fill_is_near_the_target():
    for profile in ("standard", "strict"):
        schema = parse_schema(SHORT.replace("fields", f'profile = "{profile}"\nfields'))
        load = sum(field.n_hashes * DEFAULTS[field.kind].n_tokens for field in schema.fields)
        assert 1 - math.exp(-load / schema.filter.n_bits) == pytest.approx(schema.filter.fill, abs=0.02)


@given(st.integers(64, 8192), st.floats(0.01, 0.49), st.floats(1, 60))
def test_hashes_for_fill_inverts_the_expected_fill(n_bits, fill, n_tokens):
    n_hashes = hashes_for_fill(n_bits, fill, n_tokens)
    assert 1 - math.exp(-n_hashes * n_tokens / n_bits) == pytest.approx(fill)


def test_names_share_their_key_only_where_an_exchange_may_show():
    groups = {
        profile: {
            f.key_group
            for f in parse_schema(SHORT.replace("fields", f'profile = "{profile}"\nfields')).fields
        }
        for profile in ("standard", "fields")
    }
    assert "names" in groups["fields"]
    assert "names" not in groups["standard"]


def test_field_tables():
    schema = parse_schema(
        HEAD
        + 'fields = ["surname"]\n'
        + '[[field]]\nname = "birth_surname"\nkind = "surname"\nweight = 0.4\ntokens = "whole"\n'
    )
    field = schema.field("birth_surname")
    assert (field.kind, field.tokens, field.weight) == (Kind.SURNAME, Tokens.WHOLE, 0.4)
    with pytest.raises(KeyError):
        schema.field("nobody")


def test_match_keys_of_ones_own_replace_the_defaults():
    schema = parse_schema(
        SHORT
        + '[[match_key]]\nparts = ["soundex( surname )", "year(birth_date)"]\n'
        + '[[match_key]]\nname = "b"\nparts = ["sex"]\n'
    )
    assert [key.name for key in schema.match_keys] == ["soundex(surname)+year(birth_date)", "b"]
    assert schema.match_keys[0].parts == ("soundex(surname)", "year(birth_date)")
    assert schema.match_keys[0].n_values == 1


def test_a_key_with_either_has_two_values():
    schema = parse_schema(HEAD + 'fields = ["given_name", "middle_name", "surname", "birth_date"]\n')
    two = [key for key in schema.match_keys if key.n_values == 2]
    assert [key.name for key in two] == ["given_name+either(surname,middle_name)+year(birth_date)"]
    assert f"key:{two[0].name}#2" in token_columns(schema).names


def test_profiles_bound_the_number_of_keys():
    counts = {
        profile: len(parse_schema(SHORT.replace("fields", f'profile = "{profile}"\nfields')).match_keys)
        for profile in Profile
    }
    assert counts[Profile.STRICT] == 5
    assert counts[Profile.STRICT] < counts[Profile.STANDARD] <= 9
    numbered = parse_schema(
        SHORT.replace('"sex"', '"sex", "national_id"').replace("fields", 'profile = "strict"\nfields')
    )
    assert numbered.match_keys[0].name == "national_id"
    assert len(numbered.match_keys) == 6  # a number is no composite key


def test_default_keys_use_the_fields_own_names():
    keys = default_keys({Kind.SURNAME: "last", Kind.BIRTH_DATE: "dob"}, at_most=9)
    assert [[str(part) for part in key] for key in keys] == [["last", "dob"]]


def test_keys_of_last_resort_come_only_where_there_are_no_others():
    schema = parse_schema(HEAD + 'fields = ["given_name", "surname", "sex"]\n')
    assert [key.name for key in schema.match_keys] == ["given_name+surname+sex"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parts_are_written_as_they_were_read(name):
    fields = ",".join("ab"[: FUNCTIONS[name]])
    part = parse_part(f" {name} ( {fields} ) ")
    assert str(part) == f"{name}({fields})"
    assert parse_part(str(part)) == part


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("", "is not a part"),
        ("Surname", "is not a part"),
        ("year(birth_date", "is not a part"),
        ("year birth_date)", "is not a part"),
        ("a,b", "names two fields"),
        ("metaphone(surname)", "is not a function; functions are soundex"),
        ("sorted(a)", "takes 2 field"),
        ("year(a,b)", "takes 1 field"),
    ],
)
def test_malformed_parts(part, message):
    with pytest.raises(ValueError, match=message):
        parse_part(part)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\[linkage\]: is missing"),
        ("[linkage", "is not TOML"),
        ('[linkage]\nepoch = "1"\nfields = ["surname"]', r"\[linkage\], key 'project': is missing"),
        (
            SHORT.replace("heart-registry", "heart registry"),
            r"\[linkage\], key 'project': 'heart registry' may hold",
        ),
        (SHORT + '[[feild]]\nkind = "text"', r"did you mean 'field'\?"),
        (SHORT.replace("epoch", "epoc"), r"did you mean 'epoch'\?|is missing"),
        (SHORT.replace('"sex"', '"gender"'), "is not one of them"),
        (SHORT.replace('"surname"', '"surnam"'), r"did you mean 'surname'\?"),
        (SHORT.replace("fields", 'profile = "standart"\nfields'), r"did you mean 'standard'\?"),
        (HEAD, "no fields"),
        (SHORT + '[[field]]\nkind = "surname"', "field 'surname' stands twice"),
        (SHORT + '[[field]]\nname = "x"', r"\[\[field\]\] number 1, key 'kind': is missing"),
        (SHORT + '[[field]]\nkind = "text"\nweight = 0', r"\[\[field\]\] number 1, key 'weight'"),
        (SHORT + "[[match_key]]\nparts = []", r"\[\[match_key\]\] number 1, key 'parts'"),
        (
            SHORT + '[[match_key]]\nparts = ["sex", "yeer(birth_date)"]',
            "number 1, key 'parts': 'yeer' is not a function",
        ),
        (SHORT + '[[match_key]]\nparts = ["city"]', "reads 'city', which is not a field"),
        (
            SHORT + '[[match_key]]\nparts = ["sex"]\n[[match_key]]\nparts = ["sex"]',
            "match key 'sex' stands twice",
        ),
        (SHORT + "[filter]\nn_bits = 1000", "n_bits"),
        (SHORT + "[filter]\nfill = 0.6", "fill"),
        (SHORT.replace("fields", 'profile = "fields"\nfields') + "[filter]\nn_taps = 5", "fewer than 6 taps"),
        (HEAD + 'profile = "tokens"\nfields = ["sex"]', "nothing could be linked"),
    ],
)
def test_errors_name_the_place_and_the_fix(tmp_path, text, message):
    path = tmp_path / "linkage.toml"
    path.write_text(text)
    with pytest.raises(SchemaError, match=message) as caught:
        load_schema(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SchemaError, match="cannot be read"):
        load_schema(tmp_path / "absent.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(SchemaError, match="is not UTF-8 text"):
        load_schema(tmp_path / "x.toml")


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries | {"normalisation": 2},
        lambda entries: entries | {"more": 1},
        lambda entries: {key: value for key, value in entries.items() if key != "filter"},
        lambda entries: entries | {"fields": []},
        lambda entries: entries | {"fields": entries["fields"] * 9},
    ],
)
def test_embedded_schemas_that_are_refused(change):
    entries = json.loads(parse_schema(SHORT).canonical_json())
    with pytest.raises(SchemaError, match="embedded schema"):
        schema_from_json(json.dumps(change(entries)))


def test_frozen():
    schema = parse_schema(SHORT)
    with pytest.raises(ValueError, match="frozen"):
        schema.project = "other"
    assert isinstance(schema, Schema)


def test_columns_of_a_field_layout():
    columns = token_columns(parse_schema(SHORT.replace("fields", 'profile = "fields"\nfields')))
    assert columns.field("filter:surname").type == pa.binary(64)
    assert not columns.field("filter:surname").nullable
    assert {name for name in columns.names if name.startswith("exact:")} == {
        "exact:birth_date:year",
        "exact:birth_date:month",
        "exact:birth_date:day",
        "exact:sex:value",
    }


@pytest.mark.parametrize(("n_keys", "right"), [(32, True), (33, False)])
def test_match_keys_fit_the_bits_of_a_word(n_keys, right):
    keys = "".join(f'[[match_key]]\nname = "key_{n}"\nparts = ["surname"]\n' for n in range(n_keys))
    if right:
        assert len(parse_schema(SHORT + keys).match_keys) == n_keys
    else:
        with pytest.raises(
            SchemaError, match=r"^schema: 33 match keys are too many; at most 32 are allowed$"
        ):
            parse_schema(SHORT + keys)
