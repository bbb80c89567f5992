"""The encoder against the naive one that was written from docs/encoding.md."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pprl.schema import Kind, Schema, Tokens, parse_schema
from pprl.site.encode import Encoder
from pprl.site.encode import bloom as bloom_module
from pprl.site.encode.bloom import TokenHasher
from pprl.site.encode.diffusion import _Stream, draw_taps
from pprl.site.encode.qgrams import token_sets
from pprl.site.encode.soundex import soundex
from pprl.site.keys import LinkageKey

from . import naive

SECRET = bytes(range(32))
COMMON = ["given_name", "middle_name", "surname", "birth_date", "sex", "postcode"]
OTHERS = ["birth_year", "phone", "national_id", "street", "city", "email", "text", "code"]
SCHEMAS = {
    f"{profile}, {name}": parse_schema(
        f'[linkage]\nproject = "heart-registry"\nepoch = "2026"\nprofile = "{profile}"\n'
        f"fields = {json.dumps(kinds)}\n"
    )
    for profile in ("standard", "strict", "fields", "tokens")
    for name, kinds in (("common", COMMON), ("all", COMMON + OTHERS))
}
UNUSUAL = parse_schema("""
[linkage]
project = "heart-registry"
epoch = "2026"
profile = "fields"
[filter]
n_bits = 192
n_taps = 7
[[field]]
name = "family"
kind = "surname"
tokens = "positions"
[[field]]
name = "maiden"
kind = "surname"
[[field]]
name = "born"
kind = "birth_date"
[[field]]
name = "moved"
kind = "birth_date"
tokens = "whole"
[[field]]
name = "second"
kind = "middle_name"
tokens = "whole"
[[match_key]]
name = "everything"
parts = ["sorted(born,moved)", "first3(born)", "last3(moved)", "soundex(moved)", "year(born)"]
[[match_key]]
parts = ["either(born,family)", "either(maiden,second)"]
""")
SCHEMAS["unusual"] = UNUSUAL


def encoded(schema: Schema, records: list[dict[str, str | None]], secret: bytes = SECRET) -> pa.RecordBatch:
    encoder = Encoder(schema, LinkageKey(schema.project, schema.epoch, secret).tree(schema))
    return encoder.encode(as_batch(schema, records), np.zeros((len(records), 16), dtype=np.uint8))


def as_batch(schema: Schema, records: list[dict[str, str | None]]) -> pa.RecordBatch:
    columns = [pa.array([record[name] for record in records], pa.string()) for name in schema.field_names]
    return pa.record_batch(columns, names=list(schema.field_names))


def twin(schema: Schema, records: list[dict[str, str | None]]) -> list[dict[str, bytes | int | None]]:
    encoder = naive.NaiveEncoder(json.loads(schema.canonical_json()), SECRET)
    return [encoder.encode(record) for record in records]


NAMES = st.one_of(
    st.sampled_from(["a", "j", "anna", "banana", "lee", "van der berg", "oconnor", "mississippi", "aaaa"]),
    st.text("abhwz ", min_size=1, max_size=6),
    st.text(min_size=1, max_size=5),
    st.sampled_from(["李", "иван", "김민준", "विकास", "𝔘nicode", "李 wei", "_a_", "0:1", "é"]),
).filter(lambda text: bool(text.strip()) and "\x1f" not in text)
DATES = st.one_of(
    st.sampled_from(["19800500", "19800000", "20001230", "19991001", "19800513", "19801305"]),
    st.dates().map(lambda day: f"{max(day.year, 1):04}{day:%m%d}"),
)


def values_of(kind: Kind) -> st.SearchStrategy[str | None]:
    return st.none() | (DATES if kind is Kind.BIRTH_DATE else NAMES)


@pytest.mark.parametrize("name", list(SCHEMAS))
@settings(max_examples=8)
@given(data=st.data())
def test_the_encoder_equals_its_twin(name, data):
    schema = SCHEMAS[name]
    record = st.fixed_dictionaries({field.name: values_of(field.kind) for field in schema.fields})
    records = data.draw(st.lists(record, min_size=1, max_size=5))
    found = encoded(schema, records).drop_columns(["record_guid"])
    assert found.to_pylist() == twin(schema, records)


@settings(max_examples=200)
@example(value="banana", how=Tokens.BIGRAMS)
@example(value="19800000", how=Tokens.POSITIONS)
@given(value=NAMES, how=st.sampled_from(Tokens))
def test_tokens_equal_those_of_the_twin(value, how):
    sets = token_sets([value, "x", value], how)
    for number in (0, 2):
        index = sets.index[sets.starts[number] : sets.starts[number + 1]]
        listed = [sets.texts[i] for i in index]
        assert len(set(listed)) == len(listed)
        assert set(listed) == naive.tokens({"tokens": how.value, "kind": "surname"}, value)


@pytest.mark.parametrize("how", list(Tokens))
@pytest.mark.parametrize("values", [[""], ["ann", ""], ["", "ann"], [" "]])
def test_an_empty_value_is_refused_and_not_given_its_neighbour_s_tokens(how, values):
    with pytest.raises(ValueError, match="an empty value has no tokens; a missing value is null"):
        token_sets(values, how)


@pytest.mark.parametrize("how", list(Tokens))
def test_no_values_have_no_tokens(how):
    sets = token_sets([], how)
    assert sets.texts == []
    assert sets.index.tolist() == []
    assert sets.starts.tolist() == [0]
    assert TokenHasher(SECRET, label="x", n_hashes=2, n_bits=128).filters(sets).shape == (0, 2)


@settings(max_examples=200)
@given(name=st.text("aehwbcdlmnrst-李", min_size=1, max_size=9))
def test_soundex_equals_its_twin(name):
    assert soundex(name) == naive.soundex(name)


@pytest.mark.parametrize(
    ("n_bits", "n_taps"), [(128, 1), (128, 8), (192, 7), (512, 10), (1024, 8), (128, 32)]
)
def test_taps_equal_those_of_the_twin(n_bits, n_taps):
    assert draw_taps(SECRET, n_bits=n_bits, n_taps=n_taps).tolist() == naive.taps(SECRET, n_bits, n_taps)


def test_the_twin_s_key_stream_is_chacha20():
    """RFC 8439, appendix A.1, test vectors 1 and 2: key and nonce zero, block counters 0 and 1."""
    first = b"".join(word.to_bytes(4, "little") for word in naive.chacha20_block(bytes(32), 0))
    second = b"".join(word.to_bytes(4, "little") for word in naive.chacha20_block(bytes(32), 1))
    assert first.hex().startswith("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")
    assert second.hex().startswith("9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed")


def test_words_out_of_range_are_passed_over():
    """Below 2**31 + 1 every second word is refused; so the naive and the fast generator must skip alike."""
    n = 2**31 + 1
    fast, words = _Stream(SECRET), naive.key_stream(SECRET)
    drawn = [fast.below(n) for _ in range(2000)]
    assert drawn == [naive.below(n, words) for _ in range(2000)]
    assert fast.below(2**32) == next(words)
    assert max(drawn) < n


@pytest.mark.parametrize(
    ("words", "number"), [([2**32 - 1, 4], 1), ([2**32 - 2], (2**32 - 2) % 3), ([0], 0), ([2], 2)]
)
def test_the_first_word_out_of_range_is_the_largest_multiple(words, number):
    """2**32 - 1 is a multiple of 3: it and all above it, which is itself alone, would favour nought."""
    fast = _Stream(SECRET)
    fast._words = words[::-1]
    assert fast.below(3) == naive.below(3, iter(words)) == number


def test_the_cache_of_masks_is_bounded_and_does_not_matter(monkeypatch):
    texts = [f"code{number}" for number in range(50)]
    sets = [token_sets(texts[i : i + 20], Tokens.WHOLE) for i in (0, 10, 0, 30)]
    roomy: Any = TokenHasher(SECRET, label="code", n_hashes=9, n_bits=256)
    expected = [roomy.filters(one).tolist() for one in sets]
    monkeypatch.setattr(bloom_module, "_MASKS_KEPT", 25)
    tight: Any = TokenHasher(SECRET, label="code", n_hashes=9, n_bits=256)
    assert [tight.filters(one).tolist() for one in sets] == expected
    assert len(tight._masks) <= 25 + 20
    assert len(roomy._masks) == 50
