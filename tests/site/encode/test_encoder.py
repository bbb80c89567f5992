"""Properties of whole rows: missing values, order and batches, separation by key, fill, no secret shown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.schema import Schema, Tokens, parse_schema
from pprl.schema.columns import token_columns
from pprl.site.encode import Encoder
from pprl.site.encode.bloom import TokenHasher
from pprl.site.encode.diffusion import Diffusion, _Stream
from pprl.site.keys import LinkageKey

SECRET = bytes(range(32))
KINDS = ["given_name", "middle_name", "surname", "birth_date", "sex", "postcode"]
PROFILES = ["standard", "strict", "fields", "tokens"]

# Frequent names of the US census, which are nobody's in particular.
GIVEN = re.findall(
    "[a-z]+",
    """james john robert michael william david richard charles joseph thomas christopher daniel paul mark donald
george kenneth steven edward brian mary patricia linda barbara elizabeth jennifer maria susan margaret dorothy lisa
nancy karen betty helen sandra donna carol ruth sharon""",
)
SURNAMES = re.findall(
    "[a-z]+",
    """smith johnson williams jones brown davis miller wilson moore taylor anderson thomas jackson white harris
martin thompson garcia martinez robinson clark rodriguez lewis lee walker hall allen young hernandez king wright lopez
hill scott green adams baker gonzalez nelson carter""",
)


def a_schema(profile="standard", *, kinds=KINDS, project="heart-registry", epoch="2026", more="") -> Schema:
    return parse_schema(
        f'[linkage]\nproject = "{project}"\nepoch = "{epoch}"\nprofile = "{profile}"\n'
        f"fields = {json.dumps(list(kinds))}\n{more}"
    )


def an_encoder(schema: Schema, secret: bytes = SECRET) -> Encoder:
    return Encoder(schema, LinkageKey(schema.project, schema.epoch, secret).tree(schema))


def a_batch(records: Sequence[Sequence[str | None]], kinds: Sequence[str] = KINDS) -> pa.RecordBatch:
    columns = [pa.array(list(column), pa.string()) for column in zip(*records, strict=True)]
    return pa.record_batch(columns or [pa.array([], pa.string())] * len(kinds), names=list(kinds))


def guids(n: int) -> np.ndarray:
    return np.zeros((n, 16), dtype=np.uint8)


def rows(encoder: Encoder, records: Sequence[Sequence[str | None]]) -> list[dict[str, object]]:
    found = encoder.encode(a_batch(records), guids(len(records)))
    assert found.schema == encoder.columns
    return found.drop_columns(["record_guid"]).to_pylist()


def people(n: int, seed: int = 0) -> list[tuple[str, ...]]:
    random = np.random.default_rng(seed)
    born = np.datetime64("1930-01-01") + random.integers(0, 30000, n)
    return [
        (
            str(random.choice(GIVEN)),
            str(random.choice(GIVEN)),
            str(random.choice(SURNAMES)),
            str(day).replace("-", ""),
            str(random.choice(["f", "m"])),
            f"{random.integers(501, 99950):05}",
        )
        for day in born
    ]


def filters_of(encoder: Encoder, records: Sequence[Sequence[str | None]], name: str = "filter:record"):
    column = encoder.encode(a_batch(records), guids(len(records))).column(name)
    return np.array([list(value) for value in column.to_pylist()], dtype=np.uint8)


def bits_set(filters: np.ndarray) -> np.ndarray:
    return np.bitwise_count(filters).sum(axis=1)


VALUES = {
    "given_name": st.sampled_from(["anna", "banana", "李", "j"]),
    "middle_name": st.sampled_from(["anna", "m", "o"]),
    "surname": st.sampled_from(["lee", "van der berg", "banana"]),
    "birth_date": st.sampled_from(["19800513", "19801305", "19800500", "19800000", "00000513"]),
    "sex": st.sampled_from(["f", "m", "x"]),
    "postcode": st.sampled_from(["02139", "k1a0b1", "1"]),
}
RECORDS = st.lists(st.tuples(*(st.none() | VALUES[kind] for kind in KINDS)), min_size=1, max_size=12)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_record_of_nothing_has_no_token_no_presence_and_no_bit(profile):
    (row,) = rows(an_encoder(a_schema(profile)), [(None,) * 6])
    for name, value in row.items():
        if name == "presence":
            assert value == 0
        elif name.startswith("filter:"):
            assert value == bytes(len(value))
        else:
            assert value is None


@pytest.mark.parametrize("missing", range(6))
def test_a_missing_field_has_no_token_no_presence_and_no_bit(missing):
    record = ["anna", "maria", "lee", "19800513", "f", "02139"]
    encoder = an_encoder(a_schema("fields"))
    (full,) = rows(encoder, [record])
    (row,) = rows(encoder, [[value if i != missing else None for i, value in enumerate(record)]])
    assert row["presence"] == 0b111111 & ~(1 << missing)
    for name, value in row.items():
        kind, _, rest = name.partition(":")
        if kind in ("filter", "exact"):
            if rest.partition(":")[0] == KINDS[missing]:
                assert value in (None, bytes(64))
            else:
                assert value == full[name]
        elif kind == "key":
            parts = rest.removesuffix("#2")
            if "either(" not in parts:
                assert (value is None) == (KINDS[missing] in parts)


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=8)
@given(records=RECORDS, random=st.randoms(use_true_random=False))
def test_a_row_does_not_depend_on_its_place_its_neighbours_or_the_batch(profile, records, random):
    schema = a_schema(profile)
    together = rows(an_encoder(schema), records)
    order = list(range(len(records)))
    random.shuffle(order)
    another = an_encoder(schema)
    assert rows(another, [records[i] for i in order]) == [together[i] for i in order]
    assert [rows(another, [record])[0] for record in records] == together


def test_a_slice_and_no_rows():
    encoder = an_encoder(a_schema("fields"))
    records = [*people(5), (None,) * 6, *people(3, seed=1)]
    whole = encoder.encode(a_batch(records), guids(9))
    assert encoder.encode(a_batch(records).slice(4, 3), guids(3)).to_pylist() == whole.slice(4, 3).to_pylist()
    assert encoder.encode(a_batch(records).slice(0, 0), guids(0)).num_rows == 0
    assert whole.schema == token_columns(a_schema("fields"))


def test_guids_stay_with_their_rows():
    chosen = np.arange(32, dtype=np.uint8).reshape(2, 16)
    found = an_encoder(a_schema()).encode(a_batch(people(2)), chosen)
    assert found.column("record_guid").to_pylist() == [bytes(range(16)), bytes(range(16, 32))]
    with pytest.raises(ValueError, match="same length"):
        an_encoder(a_schema()).encode(a_batch(people(2)), guids(3))


DIFFERENT = {
    "project": (a_schema(project="lung-registry"), SECRET),
    "epoch": (a_schema(epoch="2027"), SECRET),
    "schema": (a_schema(kinds=[*KINDS, "city"]), SECRET),
    "key": (a_schema(), bytes(32)),
}


@pytest.mark.parametrize("what", list(DIFFERENT))
def test_another_project_epoch_schema_or_key_gives_tokens_that_tell_nothing(what):
    records = people(400)
    schema, secret = DIFFERENT[what]
    batch = a_batch(records)
    if "city" in schema.field_names:
        batch = batch.append_column("city", pa.nulls(len(records), pa.string()))
    first = an_encoder(a_schema()).encode(batch, guids(400))
    second = an_encoder(schema, secret).encode(batch, guids(400))
    one, two = (
        np.frombuffer(b"".join(found.column("filter:record").to_pylist()), dtype=np.uint8).reshape(400, -1)
        for found in (first, second)
    )
    # Bits are independent over rows and places, all but a little: 3 standard deviations of their mean.
    assert abs(np.bitwise_count(one ^ two).mean() / 8 - 0.5) < 3 * 0.5 / np.sqrt(400 * 1024)
    for name in first.schema.names:
        if name.startswith("key:"):
            assert not set(first.column(name).to_pylist()) & set(second.column(name).to_pylist())


def test_two_fields_of_one_value_have_unlike_tokens_except_names_of_field_filters():
    record = [("anna", "anna", "anna", None, None, None)]
    (row,) = rows(an_encoder(a_schema("fields")), record)
    assert row["filter:given_name"] == row["filter:middle_name"] == row["filter:surname"]
    alone = [(*("anna" if i == place else None for i in range(3)), None, None, None) for place in range(3)]
    filters = filters_of(an_encoder(a_schema()), alone)
    assert (bits_set(filters[:1] ^ filters[1:]) > 200).all()


@pytest.mark.parametrize(("profile", "fill"), [("standard", 0.21), ("strict", 0.30)])
def test_the_fill_before_diffusion_is_the_target(profile, fill):
    """One tap is a permutation: it shows the fill as it is before."""
    schema = a_schema(profile, more="[filter]\nn_taps = 1\n")
    assert schema.filter.fill == fill
    found = bits_set(filters_of(an_encoder(schema), people(300))).mean() / schema.filter.n_bits
    assert abs(found - fill) < 0.02
    diffused = bits_set(filters_of(an_encoder(a_schema(profile)), people(300))).mean() / 1024
    assert abs(diffused - (1 - (1 - 2 * fill) ** 8) / 2) < 0.01


def test_the_fill_of_field_filters_is_what_the_audit_measured():
    schema = a_schema("fields")
    keys = LinkageKey(schema.project, schema.epoch, SECRET).tree(schema)
    hasher = TokenHasher(
        keys.derive("tok/names"), label="names", tokens=Tokens.BIGRAMS, n_hashes=12, n_bits=512
    )
    filters = np.zeros((len(SURNAMES), 8), np.uint64)
    hasher.add(pa.array(SURNAMES), filters)
    share = bits_set(filters).mean() / 512
    assert 0.12 < share < 0.25


def test_near_names_are_near_and_strangers_are_not():
    encoder = an_encoder(a_schema())
    base = ("margaret", "ruth", "thompson", "19600103", "f", "02139")
    typo = ("margret", "ruth", "thompson", "19600103", "f", "02139")
    stranger = ("donald", "mark", "lee", "19871225", "m", "94110")
    filters = filters_of(encoder, [base, typo, stranger])
    assert bits_set(filters[:1] ^ filters[1:2])[0] < 350
    assert bits_set(filters[:1] ^ filters[2:])[0] > 440


def test_exchanges_show():
    encoder = an_encoder(a_schema("fields"))
    one, two = rows(
        encoder,
        [
            ("jordan", None, "lee", "19800513", None, None),
            ("lee", "jordan", "kim", "19801305", None, None),
        ],
    )
    assert one["filter:given_name"] == two["filter:middle_name"]
    assert one["filter:surname"] == two["filter:given_name"]
    assert one["exact:birth_date:month"] == two["exact:birth_date:day"]
    assert one["exact:birth_date:day"] == two["exact:birth_date:month"]
    assert one["exact:birth_date:year"] == two["exact:birth_date:year"]


def test_a_name_taken_in_marriage_shows_in_a_key_of_two_values():
    key = "key:given_name+either(surname,middle_name)+year(birth_date)"
    before, after = rows(
        an_encoder(a_schema()),
        [
            ("anna", "ruth", "lee", "19800513", None, None),
            ("anna", "lee", "kim", "19800513", None, None),
        ],
    )
    assert before[key] == after[f"{key}#2"]
    assert len({before[key], before[f"{key}#2"], after[key]}) == 3


def test_a_bare_initial_has_no_filter_but_its_token():
    encoder = an_encoder(a_schema("fields"))
    initial, full, missing = rows(
        encoder, [("a", middle, "lee", None, None, None) for middle in ("r", "ruth", None)]
    )
    assert initial["filter:middle_name"] == missing["filter:middle_name"] == bytes(64)
    assert initial["exact:middle_name:initial"] == full["exact:middle_name:initial"] is not None
    assert missing["exact:middle_name:initial"] is None
    assert initial["presence"] == full["presence"] != missing["presence"]


def test_unknown_parts_of_a_date_leave_no_trace():
    """Two dates without a day agree on year and month, and neither agree nor disagree on the day."""
    kinds = ["birth_date", "surname"]
    encoder = an_encoder(a_schema(kinds=kinds, more="[filter]\nn_taps = 1\n"))

    def bits(date):
        batch = a_batch([(date, None)], kinds)
        value = encoder.encode(batch, guids(1)).column("filter:record")[0].as_py()
        return int.from_bytes(value, "little")

    full, month, year = bits("19800513"), bits("19800500"), bits("19800000")
    assert year != 0
    assert year & month == year != month
    assert month & full == month != full
    assert bits("19800501") != month
    of_no_year = bits("00000513")
    assert of_no_year & full == of_no_year
    assert of_no_year | year == full


def test_names_are_cut_by_characters_not_bytes():
    encoder = an_encoder(a_schema("fields"))
    one, two = rows(encoder, [("김민", None, "a", None, None, None), ("김민준", None, "a", None, None, None)])
    bits = [int.from_bytes(row["filter:given_name"], "little").bit_count() for row in (one, two)]
    assert all(150 < n < 350 for n in bits)
    assert one["key:surname+birth_date"] is None


def test_nothing_shows_a_secret():
    schema = a_schema("fields")
    keys = LinkageKey(schema.project, schema.epoch, SECRET).tree(schema)
    encoder = Encoder(schema, keys)
    encoder.encode(a_batch(people(3)), guids(3))
    secrets = [
        SECRET,
        keys.derive("tok/names"),
        keys.derive("eld/names"),
        keys.derive("mk/surname+birth_date"),
    ]
    shown = [
        encoder,
        TokenHasher(secrets[1], label="names", tokens=Tokens.BIGRAMS, n_hashes=12, n_bits=512),
        Diffusion(secrets[2], n_bits=512, n_taps=8),
        _Stream(secrets[2]),
        keys,
    ]
    for thing in shown:
        for text in (repr(thing), str(thing), f"{thing}"):
            assert len(text) < 400
            for secret in secrets:
                for form in (secret.hex(), repr(secret)[2:-1], repr(list(secret))[1:-1]):
                    assert form not in text
    assert repr(encoder) == "Encoder(heart-registry, fields, keys redacted)"
