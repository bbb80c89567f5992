"""What each kind of field brings with it: its tokens, its weight, how many tokens a value usually has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of field a schema may name."""

    GIVEN_NAME = "given_name"
    MIDDLE_NAME = "middle_name"
    SURNAME = "surname"
    BIRTH_DATE = "birth_date"
    BIRTH_YEAR = "birth_year"
    SEX = "sex"
    POSTCODE = "postcode"
    PHONE = "phone"
    NATIONAL_ID = "national_id"
    STREET = "street"
    CITY = "city"
    EMAIL = "email"
    TEXT = "text"
    CODE = "code"


class Tokens(StrEnum):
    """How a value is cut into tokens."""

    BIGRAMS = "bigrams"
    """Padded bigrams: ``_a an nn na a_``; for words."""
    POSITIONS = "positions"
    """Characters with their place: ``0:1 1:9 2:8``; for dates, numbers and codes of fixed shape."""
    WHOLE = "whole"
    """The value itself; for categories, where near is not a meaning."""


@dataclass(frozen=True, slots=True)
class KindDefaults:
    """Defaults of one kind.

    Attributes
    ----------
    tokens : Tokens
        How its values are cut.
    weight : float
        Hashes per token relative to a given name's; follows the evidence, log2(m/u), one token carries.
    n_tokens : float
        Tokens an average present value has; sets the number of hashes for the target fill.
    key_group : str or None
        Fields of one group share a token key where the profile lets exchanged values show; None: its own.
    """

    tokens: Tokens
    weight: float
    n_tokens: float
    key_group: str | None = None


# Weights: measured on labelled data, see docs/decisions/0004-hash-weights.md.
# Token counts: US census names, ISO dates.
DEFAULTS: dict[Kind, KindDefaults] = {
    Kind.GIVEN_NAME: KindDefaults(Tokens.BIGRAMS, 1.0, 7.0, "names"),
    Kind.MIDDLE_NAME: KindDefaults(Tokens.BIGRAMS, 0.5, 6.0, "names"),
    Kind.SURNAME: KindDefaults(Tokens.BIGRAMS, 1.2, 7.5, "names"),
    Kind.BIRTH_DATE: KindDefaults(Tokens.POSITIONS, 1.5, 8.0),
    Kind.BIRTH_YEAR: KindDefaults(Tokens.POSITIONS, 1.2, 4.0),
    Kind.SEX: KindDefaults(Tokens.WHOLE, 0.12, 1.0),
    Kind.POSTCODE: KindDefaults(Tokens.POSITIONS, 0.6, 5.0),
    Kind.PHONE: KindDefaults(Tokens.POSITIONS, 0.6, 10.0),
    Kind.NATIONAL_ID: KindDefaults(Tokens.POSITIONS, 1.0, 9.0),
    Kind.STREET: KindDefaults(Tokens.BIGRAMS, 0.7, 16.0),
    Kind.CITY: KindDefaults(Tokens.BIGRAMS, 0.4, 10.0),
    Kind.EMAIL: KindDefaults(Tokens.BIGRAMS, 0.5, 20.0),
    Kind.TEXT: KindDefaults(Tokens.BIGRAMS, 0.5, 10.0),
    Kind.CODE: KindDefaults(Tokens.WHOLE, 1.0, 1.0),
}
