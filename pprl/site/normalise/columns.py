"""Normalisation of whole batches: every distinct value of a column is cleaned once."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pprl.schema import Kind, Schema
from pprl.site.normalise import dates, identifiers, names, places
from pprl.site.normalise.dates import DateOrder
from pprl.site.normalise.outcome import Absent, Rule
from pprl.site.normalise.sex import sex

_VALUES_KEPT = 1 << 16  # the days of 180 years
_OF_MANY_PEOPLE = {Kind.GIVEN_NAME, Kind.SURNAME, Kind.CITY, Kind.POSTCODE, Kind.BIRTH_DATE, Kind.BIRTH_YEAR}

_RULES: dict[Kind, Callable[..., str | Absent]] = {
    Kind.BIRTH_DATE: dates.birth_date,
    Kind.BIRTH_YEAR: dates.birth_year,
    Kind.GIVEN_NAME: names.given_name,
    Kind.MIDDLE_NAME: names.given_name,
    Kind.SURNAME: names.surname,
    Kind.SEX: sex,
    Kind.POSTCODE: places.postcode,
    Kind.PHONE: identifiers.phone,
    Kind.NATIONAL_ID: identifiers.national_id,
    Kind.STREET: places.street,
    Kind.CITY: names.city,
    Kind.EMAIL: identifiers.email,
    Kind.TEXT: names.free_text,
    Kind.CODE: identifiers.code,
}


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """What became of the values of one field; the four numbers add up to the records.

    Attributes
    ----------
    present : int
        Values that give tokens.
    missing, placeholder, invalid : int
        Values that give none; see `Absent`.
    """

    present: int = 0
    missing: int = 0
    placeholder: int = 0
    invalid: int = 0

    def __add__(self, other: FieldCounts) -> FieldCounts:
        return FieldCounts(
            self.present + other.present,
            self.missing + other.missing,
            self.placeholder + other.placeholder,
            self.invalid + other.invalid,
        )


@dataclass(frozen=True, slots=True)
class Normalised:
    """A cleaned batch.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
        The columns of the input in their order; fields of the schema are strings in normal form, or null.
    counts : mapping of str to FieldCounts
        By field name.
    """

    batch: pa.RecordBatch
    counts: Mapping[str, FieldCounts]


@cache
def rule_for(kind: Kind, *, date_order: DateOrder, today: datetime.date) -> Rule:
    """The cleaning rule of a kind, for one value at a time; it may remember values."""
    rule = _RULES[kind]
    if kind in (Kind.BIRTH_DATE, Kind.BIRTH_YEAR):
        rule = partial(rule, date_order=date_order, today=today)
    return lru_cache(maxsize=_VALUES_KEPT)(rule) if kind in _OF_MANY_PEOPLE else rule


def normalise(
    batch: pa.RecordBatch, schema: Schema, *, date_order: DateOrder = "ymd", today: datetime.date
) -> Normalised:
    """Bring every field of a batch into its normal form.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        A text column for every field of the schema; other columns pass unchanged.
    schema : Schema
        Its fields and their kinds.
    date_order : {"ymd", "dmy", "mdy"}
        How dates in figures with the year last are read.
    today : datetime.date
        Birth dates after it are invalid.

    Returns
    -------
    Normalised
        Rows stay in place. Normalising the result again changes nothing.
    """
    columns = {name: batch.column(name) for name in batch.schema.names}
    counts = {}
    for field in schema.fields:
        rule = rule_for(field.kind, date_order=date_order, today=today)
        columns[field.name], counts[field.name] = normalise_column(columns[field.name], rule)
    return Normalised(pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)), counts)


def normalise_column(values: pa.Array, rule: Rule) -> tuple[pa.Array, FieldCounts]:
    """Apply a rule to a column of text.

    Parameters
    ----------
    values : pyarrow.Array
        Strings, plain or dictionary-encoded; any offset.
    rule : callable
        From `rule_for`.

    Returns
    -------
    pyarrow.StringArray
        Same length.
    FieldCounts
    """
    encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    distinct = encoded.dictionary.to_pylist()
    cleaned = [Absent.MISSING if value is None else rule(value) for value in distinct]
    indices = pc.fill_null(encoded.indices, len(cleaned)).to_numpy(zero_copy_only=False)
    n_each = np.bincount(indices, minlength=len(cleaned) + 1)
    absent = dict.fromkeys(Absent, 0)
    absent[Absent.MISSING] = int(n_each[-1])
    texts: list[str | None] = []
    for found, n_rows in zip(cleaned, n_each.tolist(), strict=False):
        if isinstance(found, str):
            texts.append(found)
        else:
            texts.append(None)
            absent[found] += n_rows
    result = pa.array(texts, pa.string()).take(encoded.indices)
    counts = FieldCounts(
        len(values) - sum(absent.values()),
        absent[Absent.MISSING],
        absent[Absent.PLACEHOLDER],
        absent[Absent.INVALID],
    )
    return result, counts
