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
from pprl.site.encode import Encoder, _kernels
from pprl.site.encode import bloom as bloom_module
from pprl.site.encode.bloom import TokenHasher
from pprl.site.encode.diffusion import _Stream, draw_taps
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
    st.sampled_from(["19800500", "19800000", "00000513", "20001230", "19991001", "19800513", "19801305"]),
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


def a_hasher(how: Tokens, *, n_hashes: int = 9, n_bits: int = 256) -> TokenHasher:
    return TokenHasher(SECRET, label="x", tokens=how, n_hashes=n_hashes, n_bits=n_bits)


def filters_of(hasher: TokenHasher, values: list[str | None]) -> list[list[int]]:
    filters = np.zeros((len(values), 4), np.uint64)
    hasher.add(pa.array(values, pa.string()), filters)
    return filters.tolist()


@settings(max_examples=200)
@example(value="banana", how=Tokens.BIGRAMS)
@example(value="19800000", how=Tokens.POSITIONS)
@example(value="\x00", how=Tokens.POSITIONS)
@given(value=NAMES, how=st.sampled_from(Tokens))
def test_tokens_are_those_of_the_twin(value, how):
    hasher = a_hasher(how)
    expected = np.zeros(4, np.uint64)
    tokens = sorted(naive.tokens({"tokens": how.value, "kind": "surname"}, value))
    for position in hasher.positions(tokens).ravel().tolist():
        expected[position // 64] |= np.uint64(1 << (position % 64))
    found = filters_of(hasher, [value, "x", None, value])
    assert found[0] == found[3] == expected.tolist()
    assert found[2] == [0, 0, 0, 0]


@pytest.mark.parametrize("how", list(Tokens))
def test_filters_are_added_to_what_is_there(how):
    values = pa.array(["a", "anna", None, "李", "otto"]).slice(1, 3)
    filters = np.full((3, 4), 1 << 40, np.uint64)
    a_hasher(how).add(values, filters)
    assert filters.tolist() == [
        [word | 1 << 40 for word in row] for row in filters_of(a_hasher(how), ["anna", None, "李"])
    ]


@pytest.mark.parametrize("how", list(Tokens))
@pytest.mark.parametrize("values", [[""], ["ann", ""], ["", "ann"], [" "], [None, "  "]])
def test_an_empty_value_is_refused_and_not_given_its_neighbour_s_tokens(how, values):
    with pytest.raises(ValueError, match="an empty value has no tokens; a missing value is null"):
        filters_of(a_hasher(how), values)


@pytest.mark.parametrize("how", list(Tokens))
def test_no_values_have_no_tokens(how):
    assert filters_of(a_hasher(how), []) == []
    assert filters_of(a_hasher(how), [None, None]) == [[0] * 4] * 2


@settings(max_examples=200)
@given(name=st.text("aehwbcdlmnrst-李", min_size=1, max_size=9))
def test_soundex_equals_its_twin(name):
    assert soundex(pa.array([name])).to_pylist() == [naive.soundex(name)]


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


def test_the_table_of_masks_is_bounded_and_does_not_matter(monkeypatch):
    texts = [f"{letter}code{number}" for number in range(10) for letter in "abcdefg"]
    parts = [texts[i : i + 20] for i in (0, 20, 0, 50)]
    roomy: Any = a_hasher(Tokens.BIGRAMS)
    expected = [filters_of(roomy, part) for part in parts]
    monkeypatch.setattr(bloom_module, "_MASKS_KEPT", 12)
    monkeypatch.setattr(bloom_module, "_NEW_AT_ONCE", 5)
    tight: Any = a_hasher(Tokens.BIGRAMS)
    assert [filters_of(tight, part) for part in parts] == expected
    assert len(tight._known) == len(
        {a + b for text in parts[-1] for a, b in zip("_" + text, text + "_", strict=True)}
    )
    assert len(roomy._known) > 12


@given(st.lists(st.integers(0, 2**42), unique=True, max_size=60))
def test_the_table_of_tokens_finds_what_was_put_into_it(numbers):
    slots, rows = np.zeros(128, np.uint64), np.full(128, -1, np.int64)
    _kernels.put(np.array(numbers, np.uint64), slots, rows)
    found = [int(rows[_kernels.find(np.uint64(number), slots, rows)]) for number in numbers]
    assert found == list(range(len(numbers)))
    assert rows[_kernels.find(np.uint64(2**50), slots, rows)] == -1
