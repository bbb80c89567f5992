"""The linkage schema: a frozen model, its canonical JSON and its fingerprint.

The schema is what all parties of a project agree on. Every default is resolved when it is read, so that the
fingerprint covers all that decides how a value becomes a token.
"""

from __future__ import annotations

import hashlib
import json
import math
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from pprl.schema.kinds import Kind, Tokens
from pprl.schema.match_keys import Part, parse_part
from pprl.schema.strata import (
    MAX_CATEGORIES,
    MAX_CELLS,
    MAX_STRATA,
    SOURCES,
    StratumKind,
    check_categories,
)

SCHEMA_VERSION: Final = 1
NORMALISATION_VERSION: Final = 1
ENCODING_VERSION: Final = 1

MAX_FIELDS = 32
MAX_MATCH_KEYS = 32
MAX_HASHES = 64
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Category = Annotated[str, StringConstraints(pattern=r"^[\p{L}\p{N}<>+][\p{L}\p{M}\p{N} .,&'()/_<>+-]{0,59}$")]


class Profile(StrEnum):
    """What a site lets the broker compare; see the table in the README."""

    STANDARD = "standard"
    STRICT = "strict"
    FIELDS = "fields"
    TOKENS = "tokens"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldSpec(_Frozen):
    """One field of the schema, every default resolved.

    Attributes
    ----------
    name : str
        Name used by column maps and match keys.
    kind : Kind
        Decides normalisation and the defaults below.
    tokens : Tokens
        How a value is cut.
    weight : float
        Hashes per token relative to a given name's.
    n_hashes : int
        Bits set per token in a filter; 0 where the profile has no filter for the field.
    key_group : str
        Label of the token key; fields of one group use the same key.
    """

    name: Identifier
    kind: Kind
    tokens: Tokens
    weight: float = Field(gt=0, le=10)
    n_hashes: int = Field(ge=0, le=MAX_HASHES)
    key_group: Identifier


class MatchKey(_Frozen):
    """An exact composite token.

    Attributes
    ----------
    name : str
        Unique in the schema; part of the key's derivation.
    parts : tuple of str
        See `pprl.schema.match_keys`.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_+(),]{1,120}$")]
    parts: tuple[str, ...] = Field(min_length=1, max_length=8)

    @cached_property
    def parsed(self) -> tuple[Part, ...]:
        """The parts, parsed."""
        return tuple(parse_part(text) for text in self.parts)

    @property
    def n_values(self) -> int:
        """Values a record holds for this key: 2 where a part is ``either``, else 1."""
        return 2 if any(part.function == "either" for part in self.parsed) else 1


class FilterSpec(_Frozen):
    """The Bloom filters of a profile.

    Attributes
    ----------
    layout : {"record", "field", "none"}
        One filter a record, one a field, or none.
    n_bits : int
        Length before and after diffusion; a multiple of 64.
    n_taps : int
        Input bits XOR-ed into each output bit (the ``t`` of ELD diffusion).
    fill : float
        Expected share of set bits before diffusion, from which the numbers of hashes follow.
    """

    layout: Literal["record", "field", "none"]
    n_bits: int = Field(ge=128, le=8192, multiple_of=64)
    n_taps: int = Field(ge=1, le=32)
    fill: float = Field(gt=0, lt=0.5)


class StratumSpec(_Frozen):
    """A stratum, every default resolved.

    Attributes
    ----------
    name : str
        Name used by column maps and reports.
    kind : StratumKind
        Decides how a value becomes a category.
    field : str or None
        The field it follows from; None: it has a column of its own.
    categories : tuple of str
        Category k is kept as k + 1, and 0 where there is none.
    """

    name: Identifier
    kind: StratumKind
    field: Identifier | None
    categories: tuple[Category, ...] = Field(min_length=2, max_length=MAX_CATEGORIES)

    @model_validator(mode="after")
    def _consistent(self) -> StratumSpec:
        check_categories(self.kind, self.categories)
        return self


class Schema(_Frozen):
    """A project's linkage schema, every default resolved.

    Attributes
    ----------
    project, epoch : str
        All keys are bound to them.
    profile : Profile
    fields : tuple of FieldSpec
        In order; the order is the order of the presence bits.
    filter : FilterSpec
    match_keys : tuple of MatchKey
    strata : tuple of StratumSpec
        Not written where there are none.
    schema_version, normalisation, encoding : int
        Versions of this model, of the cleaning rules and of the encoding.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    normalisation: Literal[1] = NORMALISATION_VERSION
    encoding: Literal[1] = ENCODING_VERSION
    project: Label
    epoch: Label
    profile: Profile
    fields: tuple[FieldSpec, ...] = Field(min_length=1, max_length=MAX_FIELDS)
    filter: FilterSpec
    match_keys: tuple[MatchKey, ...]
    strata: tuple[StratumSpec, ...] = Field(default=(), max_length=MAX_STRATA)

    @model_serializer(mode="wrap")
    def _without_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        entries: dict[str, Any] = write(self)
        if not self.strata:
            del entries["strata"]
        return entries

    @model_validator(mode="after")
    def _consistent(self) -> Schema:
        names = [field.name for field in self.fields]
        for what, listed in (
            ("field", names),
            ("match key", [key.name for key in self.match_keys]),
            ("stratum", [stratum.name for stratum in self.strata]),
        ):
            twice = next((name for name in listed if listed.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{what} {twice!r} stands twice")
        if len(self.match_keys) > MAX_MATCH_KEYS:
            raise ValueError(
                f"{len(self.match_keys)} match keys are too many; at most {MAX_MATCH_KEYS} are allowed"
            )
        for key in self.match_keys:
            for part in key.parsed:
                for name in part.fields:
                    if name not in names:
                        raise ValueError(f"match key {key.name!r} reads {name!r}, which is not a field")
        if self.filter.layout == "none" and not self.match_keys:
            raise ValueError(
                "the profile has no filters and the schema no match keys: nothing could be linked"
            )
        self._check_strata()
        return self

    def _check_strata(self) -> None:
        kinds = {field.name: field.kind for field in self.fields}
        for stratum in self.strata:
            sources = SOURCES.get(stratum.kind, ())
            if stratum.field is not None and kinds.get(stratum.field) not in sources:
                raise ValueError(f"stratum {stratum.name!r} cannot follow from field {stratum.field!r}")
            if stratum.field is None and stratum.name in kinds:
                raise ValueError(
                    f"stratum {stratum.name!r} has a column of its own and is named like a field; "
                    "give it another name"
                )
        n_cells = math.prod(len(stratum.categories) + 1 for stratum in self.strata)
        if n_cells > MAX_CELLS:
            raise ValueError(
                f"the strata have {n_cells} combinations of categories, at most {MAX_CELLS} are allowed: records "
                "would stand alone in theirs; leave a stratum out, or make its categories coarser"
            )

    def field(self, name: str) -> FieldSpec:
        """The field of that name (KeyError where there is none)."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def column_strata(self) -> tuple[StratumSpec, ...]:
        """The strata that come from a column of the site's."""
        return tuple(stratum for stratum in self.strata if stratum.field is None)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names in presence-bit order."""
        return tuple(field.name for field in self.fields)

    @property
    def filter_names(self) -> tuple[str, ...]:
        """The filters a record carries: ``("record",)``, or the fields that have one."""
        if self.filter.layout == "record":
            return ("record",)
        if self.filter.layout == "field":
            return tuple(field.name for field in self.fields if field.n_hashes)
        return ()

    def canonical_json(self) -> str:
        """One line, sorted keys, no blanks, UTF-8: equal schemas give equal bytes."""
        return json.dumps(
            self.model_dump(mode="json"),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()


def hashes_for_fill(n_bits: int, fill: float, n_tokens: float) -> float:
    """Hashes per token that set the expected share ``fill`` of the bits.

    A filter of l bits with T tokens of k hashes each has an expected fill of ``1 - exp(-k*T/l)``, hence
    ``k = -l*ln(1-fill)/T``.
    """
    return -n_bits * math.log1p(-fill) / n_tokens
