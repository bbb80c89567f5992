"""Which column of a file holds which field of the schema."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pprl.errors import InputError
from pprl.schema import Kind, Schema, StratumKind

LOCAL_ID = "local_id"


@dataclass(frozen=True, slots=True)
class Preset:
    """The headers of a well-known kind of file.

    Attributes
    ----------
    id_column : str
        Column of the local id.
    columns : mapping of str to tuple of tuple of str
        Field name or kind to the columns that may hold it, the first that the file has counts; several in one
        tuple are joined.
    """

    id_column: str
    columns: Mapping[str, tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Where a file keeps the fields of a schema.

    Attributes
    ----------
    fields : mapping of str to tuple of str
        Field to its columns, in schema order; several are joined with a blank, none means that the file does
        not have the field.
    id_column : str or None
        Column of the local id; None numbers the records.
    strata : mapping of str to tuple of str
        The same for the strata that have columns of their own.
    """

    fields: Mapping[str, tuple[str, ...]]
    id_column: str | None
    strata: Mapping[str, tuple[str, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        ids = () if self.id_column is None else (self.id_column,)
        mapped = [*self.fields.values(), *self.strata.values()]
        return tuple(dict.fromkeys([*ids, *(column for columns in mapped for column in columns)]))


def _preset(id_column: str, **columns: str) -> Preset:
    choices = {
        name: tuple(tuple(choice.strip().split("+")) for choice in text.split(","))
        for name, text in columns.items()
    }
    return Preset(id_column, MappingProxyType(choices))


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "n3c": _preset(
            "INTERNAL_ID",
            given_name="FIRST_NAME",
            surname="LAST_NAME",
            birth_date="DATE_BIRTH",
            birth_year="DATE_BIRTH",
            sex="SEX",
            postcode="ZIP5",
        ),
        "codi": _preset(
            "record_id",
            given_name="given_name",
            surname="family_name",
            birth_date="DOB",
            birth_year="DOB",
            sex="sex",
            phone="phone_number",
            street="household_street_address",
            postcode="household_zip",
        ),
        "febrl": _preset(
            "rec_id",
            given_name="given_name",
            surname="surname",
            birth_date="date_of_birth",
            birth_year="date_of_birth",
            street="street_number+address_1",
            city="suburb",
            postcode="postcode",
            national_id="soc_sec_id",
        ),
        "synthea": _preset(
            "Id",
            given_name="FIRST",
            middle_name="MIDDLE",
            surname="LAST",
            maiden_name="MAIDEN",
            birth_date="BIRTHDATE",
            birth_year="BIRTHDATE",
            sex="GENDER",
            national_id="SSN",
            street="ADDRESS",
            city="CITY",
            postcode="ZIP",
        ),
    }
)
"""Column maps by name: N3C and CODI linkage extracts, FEBRL data sets, Synthea ``patients.csv``."""


def column_map(
    schema: Schema,
    header: Sequence[str],
    *,
    preset: str | None = None,
    columns: Mapping[str, str] | None = None,
    id_column: str | None = None,
    path: str | None = None,
) -> ColumnMap:
    """Find the columns of every field.

    An explicit column comes first, then the preset, then a header equal to the field's name, then one equal
    to its kind (for the first field of that kind). Case and surrounding blanks of headers do not matter. The same
    goes for strata that have columns of their own, but one that is not found is no error: it is missing.

    Parameters
    ----------
    schema : Schema
        Its fields are looked for.
    header : sequence of str
        The file's columns.
    preset : str, optional
        A name of `PRESETS`.
    columns : mapping of str to str, optional
        Field or stratum to column; ``"a+b"`` joins two columns, ``""`` says that the file does not have the field.
    id_column : str, optional
        Column of the local id.
    path : str, optional
        Named in errors.

    Raises
    ------
    InputError
        Where a field has no column, a column or preset is not there, or a header that is used stands twice.
    """
    finder = _Finder(header, path)
    known = PRESETS.get(preset) if preset is not None else None
    if preset is not None and known is None:
        raise InputError(f"no preset {preset!r}; presets are {', '.join(PRESETS)}", path=path)
    explicit = dict(columns or {})
    known_names = [*schema.field_names, *(stratum.name for stratum in schema.column_strata)]
    for name in explicit:
        if name not in known_names:
            raise InputError(_no_such_name(name, known_names, schema), path=path)
    first: dict[Kind, str] = {}
    for field in schema.fields:
        first.setdefault(field.kind, field.name)
    found: dict[str, tuple[str, ...]] = {}
    for field in schema.fields:
        names = [field.name] + ([field.kind.value] if first[field.kind] == field.name else [])
        if field.name in explicit:
            found[field.name] = finder.explicit(explicit[field.name])
            continue
        choices = [choice for name in names if known for choice in known.columns.get(name, ())]
        choices += [(name,) for name in names]
        columns_of_field = next((choice for choice in choices if all(map(finder.has, choice))), None)
        if columns_of_field is not None:
            found[field.name] = tuple(finder.column(column) for column in columns_of_field)
    missing = [name for name in schema.field_names if name not in found]
    if missing:
        raise InputError(_no_columns(missing, schema, finder, used=found), path=path)
    if id_column is not None:
        identifier = finder.column(id_column)
    elif known is not None:
        identifier = finder.column(known.id_column)
    else:
        identifier = None
    return ColumnMap(MappingProxyType(found), identifier, _strata(schema, finder, explicit))


def _strata(schema: Schema, finder: _Finder, explicit: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    kinds: set[StratumKind] = {StratumKind.CLASS}  # no header of that name is meant
    for stratum in schema.column_strata:
        choices = [stratum.name] + ([stratum.kind.value] if stratum.kind not in kinds else [])
        kinds.add(stratum.kind)
        if stratum.name in explicit:
            found[stratum.name] = finder.explicit(explicit[stratum.name])
            continue
        header = next((name for name in choices if finder.has(name)), None)
        found[stratum.name] = () if header is None else (finder.column(header),)
    return MappingProxyType(found)


def _no_such_name(name: str, names: Sequence[str], schema: Schema) -> str:
    derived = next((s for s in schema.strata if s.name == name and s.field is not None), None)
    if derived is not None:
        return f"the stratum {name!r} follows from the field {derived.field!r}; map that"
    near = _close(name, names)
    hint = f"did you mean {near[0]!r}?" if near else f"fields are {', '.join(schema.field_names)}"
    strata = [stratum.name for stratum in schema.column_strata]
    if strata and not near:
        hint += f", strata {', '.join(strata)}"
    return f"the schema has no field {'or stratum ' if schema.strata else ''}{name!r}; {hint}"


class _Finder:
    """Looks headers up: exactly, or else by letters alone."""

    def __init__(self, header: Sequence[str], path: str | None) -> None:
        self.header, self._path = tuple(header), path
        self._exact = set(header)
        self._loose: dict[str, list[str]] = {}
        for name in header:
            self._loose.setdefault(name.strip().casefold(), []).append(name)

    def has(self, name: str) -> bool:
        return name in self._exact or name.strip().casefold() in self._loose

    def column(self, name: str) -> str:
        """The header meant by ``name``."""
        alike = [name] if name in self._exact else self._loose.get(name.strip().casefold(), [])
        if not alike:
            raise InputError(f"no column {name!r}; {self._which(name)}", path=self._path)
        if len(alike) > 1 or self.header.count(alike[0]) > 1:
            raise InputError(
                "the header stands twice; rename one of the two columns",
                path=self._path,
                column=alike[0].strip(),
            )
        return alike[0]

    def explicit(self, text: str) -> tuple[str, ...]:
        if not text.strip():
            return ()
        if self.has(text):
            return (self.column(text),)
        return tuple(self.column(part) for part in text.split("+"))

    def _which(self, name: str) -> str:
        if looks_like_data(self.header):
            return _NO_HEADER
        headers = [header.strip() for header in self.header]
        near = _close(name, headers)
        return f"did you mean {near[0]!r}?" if near else f"columns here: {', '.join(headers)}"


def _no_columns(
    missing: list[str], schema: Schema, finder: _Finder, *, used: Mapping[str, tuple[str, ...]]
) -> str:
    taken = {column for columns in used.values() for column in columns}
    free = [name.strip() for name in finder.header if name not in taken]
    what = ("field " if len(missing) == 1 else "fields ") + ", ".join(missing)
    for name, preset in PRESETS.items():
        kinds = [schema.field(field).kind.value for field in missing]
        needed = [preset.columns.get(kind, ()) for kind in kinds]
        if finder.has(preset.id_column) and all(
            any(all(map(finder.has, c)) for c in choices) for choices in needed
        ):
            return f"no column for {what}; the headers are those of --preset {name}"
    if looks_like_data(finder.header):
        return f"no column for {what}; {_NO_HEADER}"
    near = _close(missing[0], free)
    fix = f"--columns {missing[0]}={near[0] if near else 'COLUMN'}"
    hint = f"did you mean {fix}?" if near else f"map it with {fix}, or {missing[0]}= where the file has none;"
    return f"no column for {what}; {hint} columns here: {', '.join(free) or 'none left'}"


def looks_like_data(header: Iterable[str]) -> bool:
    """Whether a first row holds a number, a date or an e-mail address, as headers hardly do.

    Such a row may be somebody's record in a file without a header, and is not repeated in errors.
    """
    return any(_DATUM.search(name) for name in header)


_DATUM = re.compile(r"^\W*\d+\W*$|\d{4}|\d[-/.]\d|@")
_NO_HEADER = "the first row looks like data and must be a header"


def _close(name: str, known: Iterable[str]) -> list[str]:
    folded = {header.casefold(): header for header in known}
    return [folded[near] for near in difflib.get_close_matches(name.casefold(), folded, n=1)]
