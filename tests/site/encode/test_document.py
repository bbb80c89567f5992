"""docs/encoding.md says what the code does: its tables are compared with the defaults they tell of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pprl.schema import Kind, Profile, Tokens, parse_schema
from pprl.schema.kinds import DEFAULTS, KindDefaults
from pprl.schema.match_keys import _DEFAULTS, FUNCTIONS
from pprl.schema.toml import _FILTERS, _MIN_TAPS, _N_KEYS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "encoding.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table that begins with a heading, back-ticks dropped."""
    lines = DOCUMENT.split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith(heading)) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def test_kinds():
    told = {
        Kind(kind): KindDefaults(
            Tokens(tokens), float(weight), float(usual), "names" if names == "yes" else None
        )
        for kind, tokens, weight, usual, names in table("| kind |")
    }
    assert told == DEFAULTS


def test_profiles():
    told = {
        Profile(profile): (layout, int(n_bits), int(n_taps), float(fill), int(n_keys), int(least))
        for profile, layout, n_bits, n_taps, fill, n_keys, least in table("| profile |")
    }
    assert told == {
        profile: (f.layout, f.n_bits, f.n_taps, f.fill, _N_KEYS[profile], _MIN_TAPS[f.layout])
        for profile, f in _FILTERS.items()
    }


def test_match_keys():
    listed = re.findall(r"^(\d+)\. (`[a-z0-9_`(), ]+)$", DOCUMENT.partition("**Match keys.**")[2], flags=re.M)
    assert [int(number) for number, _ in listed] == list(range(1, len(_DEFAULTS) + 1))
    assert [tuple(re.findall("`([^`]+)`", parts)) for _, parts in listed] == list(_DEFAULTS)


def test_functions():
    told = {name for cell, _ in table("| part |") for name in re.findall(r"(\w+)\(", cell)}
    assert told == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("profile", "hashes"), [("standard", (8, 9, 12, 2, 5)), ("strict", (12, 14, 18, 2, 7))]
)
def test_the_numbers_of_hashes(profile, hashes):
    schema = parse_schema(
        f'[linkage]\nproject = "p"\nepoch = "1"\nprofile = "{profile}"\n'
        'fields = ["given_name", "surname", "birth_date", "sex", "postcode"]\n'
    )
    assert tuple(field.n_hashes for field in schema.fields) == hashes
    assert f"{', '.join(map(str, hashes))} in `{profile}`" in DOCUMENT


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", DOCUMENT):
        assert (Path(__file__).parents[3] / "docs" / target).exists(), target
