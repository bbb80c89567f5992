"""Strata: coarse classes of records, by which the broker tells who is linked and who is lost.

A stratum has a closed list of categories. ``sex`` and ``birth_decade`` follow from the fields of those kinds where the
schema has them; ``race``, ``ethnicity`` and a ``class`` of one's own come from a column of the site's. They decide no
link.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from pprl.labels import label_key
from pprl.schema.kinds import Kind

MAX_STRATA = 8
MAX_CATEGORIES = 32
MAX_CELLS = 65_536
"""Combinations of the categories of all strata, missing counted as one: beyond, records would stand alone."""


class StratumKind(StrEnum):
    """The kinds of stratum a schema may name."""

    SEX = "sex"
    BIRTH_DECADE = "birth_decade"
    RACE = "race"
    ETHNICITY = "ethnicity"
    CLASS = "class"


FEMALE, MALE, OTHER = "Female", "Male", "Other"
_SEXES = (FEMALE, MALE, OTHER)
_DECADES = ("1900s and before", *(f"{year}s" for year in range(1910, 2020, 10)), "2020s and after")
CATEGORIES: dict[StratumKind, tuple[str, ...]] = {
    StratumKind.SEX: _SEXES,
    StratumKind.BIRTH_DECADE: _DECADES,
    StratumKind.RACE: (
        "White",
        "Black or African American",
        "Asian",
        "American Indian or Alaska Native",
        "Native Hawaiian or Other Pacific Islander",
        "Multiple",
        "Other",
    ),
    StratumKind.ETHNICITY: ("Hispanic or Latino", "Not Hispanic or Latino"),
}
"""The categories a kind has when the schema gives none; race and ethnicity are those of `pprl.labels`."""

SOURCES: dict[StratumKind, tuple[Kind, ...]] = {
    StratumKind.SEX: (Kind.SEX,),
    StratumKind.BIRTH_DECADE: (Kind.BIRTH_DATE, Kind.BIRTH_YEAR),
}
"""The kinds of field that a stratum follows from."""

_DECADE = re.compile(r"([0-9]{3}0)s( and before| and after)?")


def check_categories(kind: StratumKind, categories: Sequence[str]) -> None:
    """Refuse a list of categories that a stratum of that kind cannot have.

    Sexes and decades must leave nobody out: what a package says of a field and of its stratum would else tell of few
    people by subtraction.

    Raises
    ------
    ValueError
        Says what is wrong.
    """
    keys = [label_key(category) for category in categories]
    twice = next((one for one, key in zip(categories, keys, strict=True) if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"category {twice!r} stands twice")
    if kind is StratumKind.SEX and sorted(keys) != sorted(map(label_key, _SEXES)):
        raise ValueError(f"categories of kind 'sex' are {', '.join(_SEXES)}, in any order")
    if kind is StratumKind.BIRTH_DECADE:
        found = [_DECADE.fullmatch(key) for key in keys]
        years = [int(match[1]) for match in found if match]
        ends = [match[2] for match in found if match]
        whole = len(years) == len(keys) and years == list(range(years[0], years[0] + 10 * len(years), 10))
        if not whole or ends != [" and before", *[None] * (len(keys) - 2), " and after"]:
            raise ValueError(
                "categories of kind 'birth_decade' are decades without a gap, such as '1930s and before', '1940s', "
                "..., '2010s and after'"
            )


def decade_code(year: int, categories: Sequence[str]) -> int:
    """Number, from 1, of the category that a birth year belongs to; see `check_categories`."""
    first = int(categories[0][:4])
    return min(max((year - first) // 10, 0), len(categories) - 1) + 1
