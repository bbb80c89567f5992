from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.package.age import bech32

# BIP 173's own lists, without the strings that are valid or invalid only for its length limit.
VALID = [
    "A12UEL5L",
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    "?1ezyfcl",
]
INVALID = {
    "\x201nwldj5": "no proper prefix",
    "\x7f1axkwrx": "no proper prefix",
    "\x801eym55h": "no proper prefix",
    "pzry9x0s0muk": "too short",
    "1pzry9x0s0muk": "no proper prefix",
    "x1b4n0q5v": "character that keys do not have",
    "li1dgmt3": "too short",
    "de1lg7wt\xff": "character that keys do not have",
    "A1G7SGD8": "wrong character",
    "10a06t8": "no proper prefix",
    "1qzzfhee": "no proper prefix",
    "A12uEL5L": "mixes",
    "": "too short",
}


@pytest.mark.parametrize("text", VALID)
def test_checksums_of_bip_173(text):
    assert bech32.encode(*bech32.decode(text)) == text


@pytest.mark.parametrize(("text", "message"), INVALID.items())
def test_refusals_of_bip_173(text, message):
    with pytest.raises(ValueError, match=message):
        bech32.decode(text)


def test_the_specification_of_age():
    secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
    assert bech32.decode(secret) == ("AGE-SECRET-KEY-", b"\x42" * 32)
    assert bech32.encode("AGE-SECRET-KEY-", b"\x42" * 32) == secret


PREFIXES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map(str.lower)


@given(PREFIXES, st.binary(max_size=80), st.booleans())
def test_round_trip(prefix, data, upper):
    prefix = prefix.upper() if upper else prefix
    written = bech32.encode(prefix, data)
    read, found = bech32.decode(written)
    assert found == data
    assert read.lower() == prefix.lower()


@given(st.binary(min_size=32, max_size=32), st.data())
def test_up_to_four_wrong_characters_are_found(data, draw):
    text = list(bech32.encode("age", data))
    places = draw.draw(st.lists(st.integers(4, len(text) - 1), min_size=1, max_size=4, unique=True))
    for place in places:
        others = [letter for letter in "qpzry9x8gf2tvdw0s3jn54khce6mua7l" if letter != text[place]]
        text[place] = draw.draw(st.sampled_from(others))
    with pytest.raises(ValueError, match="wrong character"):
        bech32.decode("".join(text))


@pytest.mark.parametrize("prefix", ["", "aB", "a b", "ä"])
def test_prefixes_that_cannot_be_written(prefix):
    with pytest.raises(ValueError, match=r"prefix|mixes"):
        bech32.encode(prefix, b"")
