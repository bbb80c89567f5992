"""From the TOML a person writes to the resolved schema, with errors that name file, table and key."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic import Field as Setting

from pprl.errors import SchemaError
from pprl.schema.kinds import DEFAULTS, Kind, Tokens
from pprl.schema.match_keys import default_keys, key_name, parse_part
from pprl.schema.model import (
    MAX_HASHES,
    Category,
    FieldSpec,
    FilterSpec,
    Identifier,
    Label,
    MatchKey,
    Profile,
    Schema,
    StratumSpec,
    hashes_for_fill,
)
from pprl.schema.strata import CATEGORIES, MAX_CATEGORIES, SOURCES, StratumKind, check_categories

_FILTERS = {
    Profile.STANDARD: FilterSpec(layout="record", n_bits=1024, n_taps=8, fill=0.21),
    Profile.STRICT: FilterSpec(layout="record", n_bits=1024, n_taps=8, fill=0.30),
    Profile.FIELDS: FilterSpec(layout="field", n_bits=512, n_taps=8, fill=0.20),
    Profile.TOKENS: FilterSpec(layout="none", n_bits=1024, n_taps=8, fill=0.21),
}
_N_KEYS = {Profile.STANDARD: 9, Profile.STRICT: 5, Profile.FIELDS: 9, Profile.TOKENS: 12}
_NAME_HASHES = 12  # of a field filter: one number for all names, so that an exchange of two names shows
_MIN_HASHES = {"record": 2, "field": 4}
_MIN_TAPS = {"record": 1, "field": 6, "none": 1}


class _FieldTable(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Identifier | None = None
    kind: Kind
    tokens: Tokens | None = None
    weight: float | None = Setting(default=None, gt=0, le=10)


class _KeyTable(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str | None = None
    parts: list[str] = Setting(min_length=1)


class _StratumTable(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Identifier | None = None
    kind: StratumKind
    categories: list[Category] | None = Setting(default=None, min_length=2, max_length=MAX_CATEGORIES)

    @model_validator(mode="after")
    def _consistent(self) -> _StratumTable:
        check_categories(self.kind, self.resolved)
        return self

    @property
    def resolved(self) -> tuple[str, ...]:
        """The categories, or those that the kind has by itself."""
        if self.categories is not None:
            return tuple(self.categories)
        if self.kind not in CATEGORIES:
            raise ValueError(f"kind {self.kind.value!r} needs categories = [...], a closed list")
        return CATEGORIES[self.kind]


class _LinkageTable(BaseModel):
    model_config = ConfigDict(extra="forbid")
    project: Label
    epoch: Label
    profile: Profile = Profile.STANDARD
    fields: list[Kind] = []
    strata: list[StratumKind] = []


class _FilterTable(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n_bits: int | None = None
    n_taps: int | None = None
    fill: float | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    linkage: _LinkageTable
    filter: _FilterTable = _FilterTable()
    field: list[_FieldTable] = []
    match_key: list[_KeyTable] = []
    stratum: list[_StratumTable] = []


def load_schema(path: str | Path) -> Schema:
    """Read, resolve and check a schema file.

    Parameters
    ----------
    path : str or Path
        A TOML file.

    Raises
    ------
    SchemaError
        Names the file, the table and the key.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SchemaError(f"{path}: is not UTF-8 text") from None
    return parse_schema(text, source=str(path))


def parse_schema(text: str, *, source: str = "schema") -> Schema:
    """As `load_schema`, from text; ``source`` names it in errors."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"{source}: is not TOML: {error}") from None
    try:
        return _resolve(_File.model_validate(raw))
    except ValidationError as error:
        raise SchemaError(f"{source}: {_first(error, raw)}") from None
    except ValueError as error:
        raise SchemaError(f"{source}: {error}") from None


def schema_from_json(text: str | bytes) -> Schema:
    """Read a resolved schema from its canonical JSON, as a package carries it.

    Raises
    ------
    SchemaError
    """
    try:
        return Schema.model_validate_json(text)
    except ValidationError as error:
        raise SchemaError(f"embedded schema: {_first(error, {})}") from None


def _resolve(file: _File) -> Schema:
    linkage = file.linkage
    tables = [_FieldTable(kind=kind) for kind in linkage.fields] + file.field
    if not tables:
        raise ValueError(
            '[linkage]: no fields; add fields = ["given_name", "surname", "birth_date"] or [[field]] tables'
        )
    overrides = file.filter.model_dump(exclude_none=True)
    filters = FilterSpec.model_validate(_FILTERS[linkage.profile].model_dump() | overrides)
    if filters.n_taps < _MIN_TAPS[filters.layout]:
        raise ValueError(
            f"[filter] n_taps = {filters.n_taps}: field filters of fewer than {_MIN_TAPS[filters.layout]} "
            "taps are decoded from name frequencies alone; raise it"
        )
    fields = _with_hashes(tables, filters)
    first: dict[Kind, str] = {}
    for field in fields:
        first.setdefault(field.kind, field.name)
    if file.match_key:
        keys = []
        for number, table in enumerate(file.match_key, 1):
            try:
                parts = tuple(parse_part(text) for text in table.parts)
            except ValueError as error:
                raise ValueError(f"[[match_key]] number {number}, key 'parts': {error}") from None
            keys.append((table.name or key_name(parts), parts))
    else:
        keys = [(key_name(parts), parts) for parts in default_keys(first, at_most=_N_KEYS[linkage.profile])]
    return Schema(
        project=linkage.project,
        epoch=linkage.epoch,
        profile=linkage.profile,
        fields=fields,
        filter=filters,
        match_keys=tuple(
            MatchKey(name=name, parts=tuple(str(part) for part in parts)) for name, parts in keys
        ),
        strata=_strata(file, first),
    )


def _strata(file: _File, first: dict[Kind, str]) -> tuple[StratumSpec, ...]:
    """Choose for every stratum the field it follows from; ``first`` is the first field of each kind."""
    if StratumKind.CLASS in file.linkage.strata:
        raise ValueError(
            "[linkage], key 'strata': 'class' needs categories; write it as a table [[stratum]] with name, "
            "kind and categories"
        )
    tables = [_StratumTable(kind=kind) for kind in file.linkage.strata] + file.stratum
    return tuple(
        StratumSpec(
            name=table.name or table.kind.value,
            kind=table.kind,
            field=next((first[kind] for kind in SOURCES.get(table.kind, ()) if kind in first), None),
            categories=table.resolved,
        )
        for table in tables
    )


def _with_hashes(tables: list[_FieldTable], filters: FilterSpec) -> tuple[FieldSpec, ...]:
    """Choose every field's number of hashes so that an average record meets the target fill."""
    weights = [table.weight or DEFAULTS[table.kind].weight for table in tables]
    load = sum(w * DEFAULTS[table.kind].n_tokens for w, table in zip(weights, tables, strict=True))
    per_weight = hashes_for_fill(filters.n_bits, filters.fill, load)
    fields = []
    for table, weight in zip(tables, weights, strict=True):
        defaults = DEFAULTS[table.kind]
        tokens = table.tokens or defaults.tokens
        name = table.name or table.kind.value
        if filters.layout == "record":
            wanted = max(_MIN_HASHES["record"], round(per_weight * weight))
            n_hashes, group = min(MAX_HASHES, wanted), name  # few short fields miss the target fill
        elif filters.layout == "field" and tokens is not Tokens.WHOLE:
            wanted = round(hashes_for_fill(filters.n_bits, filters.fill, defaults.n_tokens))
            n_hashes = (
                _NAME_HASHES if defaults.key_group else min(_NAME_HASHES, max(_MIN_HASHES["field"], wanted))
            )
            group = defaults.key_group or name
        else:
            n_hashes, group = 0, name
        fields.append(
            FieldSpec(
                name=name, kind=table.kind, tokens=tokens, weight=weight, n_hashes=n_hashes, key_group=group
            )
        )
    return tuple(fields)


def _first(error: ValidationError, raw: dict[str, Any]) -> str:
    """The first complaint as one line: table, key, what is wrong, what would be right."""
    detail = error.errors(include_url=False)[0]
    location = list(detail["loc"])
    place: list[str] = []
    if location:
        table = str(location.pop(0))
        if table not in _File.model_fields:
            place.append(f"table [{table}]")
        elif location and isinstance(location[0], int):
            index = int(location.pop(0))
            place.append(f"[[{table}]] number {index + 1}")
        else:
            place.append(f"[{table}]")
    if location:
        place.append(f"key {str(location[0])!r}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    given = detail.get("input")
    match detail["type"]:
        case "missing":
            message = "is missing"
        case "extra_forbidden":
            known = _known_keys(detail["loc"])
            message = f"is not known; {_did_you_mean(str(detail['loc'][-1]), known)}"
        case "enum":
            known = [
                value.strip().strip("'")
                for value in detail["ctx"]["expected"].replace(" or ", ", ").split(",")
            ]
            message = f"{given!r} is not one of them; {_did_you_mean(str(given), known)}"
        case "string_pattern_mismatch":
            marks = (
                "blanks and . , & ' ( ) / _ < > + -" if "categories" in detail["loc"] else "'_', '.' and '-'"
            )
            message = f"{given!r} may hold letters, digits, {marks}, and begins with a letter or digit"
    return f"{', '.join(place)}: {message}" if place else message


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "linkage": _LinkageTable,
        "filter": _FilterTable,
        "field": _FieldTable,
        "match_key": _KeyTable,
        "stratum": _StratumTable,
    }
    model = models.get(str(location[0]), _File) if len(location) > 1 else _File
    return list(model.model_fields)


def _did_you_mean(given: str, known: list[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
