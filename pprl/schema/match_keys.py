"""Match keys: exact composite tokens, written as a list of parts.

A part is a field, ``surname``, or a function of fields::

    soundex(surname)  first3(given_name)  last3(surname)
    initial(middle_name)  year(birth_date)  area(postcode)
    sorted(given_name,surname)     both values in alphabetical order: an exchange does not matter
    either(surname,middle_name)    the key has two values, one from each field; a hit on any counts

A key is missing where one of its parts is. The defaults follow the kinds a schema has, in the order of what
they catch for the privacy they cost (docs/decisions/0003-match-keys.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pprl.schema.kinds import Kind

FUNCTIONS: dict[str, int] = {
    "soundex": 1,
    "first3": 1,
    "last3": 1,
    "initial": 1,
    "year": 1,
    "area": 1,
    "sorted": 2,
    "either": 2,
}
"""Function name to the number of fields it takes."""

_PART = re.compile(r"(?:([a-z0-9]+)\()?([a-z0-9_]+(?:,[a-z0-9_]+)*)(\))?")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a match key.

    Attributes
    ----------
    function : str or None
        None is the field's whole value.
    fields : tuple of str
        The fields it reads.
    """

    function: str | None
    fields: tuple[str, ...]

    def __str__(self) -> str:
        names = ",".join(self.fields)
        return f"{self.function}({names})" if self.function else names


def parse_part(text: str) -> Part:
    """Read one part.

    Raises
    ------
    ValueError
        Where it is malformed, or its function is not known.
    """
    match = _PART.fullmatch(text.replace(" ", ""))
    if match is None or (match[1] is None) != (match[3] is None):
        raise ValueError(
            f"{text!r} is not a part: write a field, or a function of fields such as year(birth_date)"
        )
    function, fields = match[1], tuple(match[2].split(","))
    if function is None:
        if len(fields) != 1:
            raise ValueError(f"{text!r} names two fields: list them as two parts, or write sorted(...)")
    elif function not in FUNCTIONS:
        raise ValueError(f"{function!r} is not a function; functions are {', '.join(FUNCTIONS)}")
    elif len(fields) != FUNCTIONS[function]:
        raise ValueError(f"{function} takes {FUNCTIONS[function]} field(s), here {len(fields)}")
    return Part(function, fields)


def key_name(parts: Iterable[Part]) -> str:
    """The name a key has when the schema gives none: its parts joined by ``+``."""
    return "+".join(str(part) for part in parts)


# Kinds stand for fields here; a key is a default where the schema has all of its kinds.
_DEFAULTS = (
    ("national_id",),
    ("surname", "birth_date"),
    ("given_name", "birth_date"),
    ("sorted(given_name,surname)", "year(birth_date)"),
    ("soundex(surname)", "soundex(given_name)", "birth_date"),
    ("first3(given_name)", "birth_date", "sex"),
    ("last3(surname)", "postcode", "year(birth_date)"),
    ("given_name", "surname", "area(postcode)"),
    ("postcode", "birth_date"),
    ("given_name", "either(surname,middle_name)", "year(birth_date)"),
    ("given_name", "surname", "initial(middle_name)"),
    ("street", "first3(given_name)"),
    ("given_name", "year(birth_date)", "city"),
    ("given_name", "middle_name", "year(birth_date)"),
    ("phone", "given_name"),
    ("email",),
    ("given_name", "surname", "birth_year"),
    ("given_name", "surname", "sex"),
)


def default_keys(fields: Mapping[Kind, str], *, at_most: int) -> tuple[tuple[Part, ...], ...]:
    """The default match keys of a schema.

    Parameters
    ----------
    fields : mapping of Kind to str
        The first field of each kind that the schema has.
    at_most : int
        The number of composite keys the profile's privacy budget allows; keys on one identifying
        number come on top.

    Returns
    -------
    tuple of tuple of Part
    """
    keys: list[tuple[Part, ...]] = []
    n_composite = 0
    last_resort = len(_DEFAULTS) - 2
    for number, texts in enumerate(_DEFAULTS):
        parts = tuple(parse_part(text) for text in texts)
        if not all(Kind(name) in fields for part in parts for name in part.fields):
            continue
        if number >= last_resort and keys:
            continue
        if len(parts) > 1:
            if n_composite == at_most:
                continue
            n_composite += 1
        keys.append(tuple(Part(p.function, tuple(fields[Kind(f)] for f in p.fields)) for p in parts))
    return tuple(keys)
