"""Normalisation of whole batches: values of the usual shape by the column, every other distinct value once."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pprl.schema import Kind, Schema
from pprl.site.normalise import dates, identifiers, names, places
from pprl.site.normalise.dates import DateOrder
from pprl.site.normalise.outcome import Absent, Rule
from pprl.site.normalise.sex import sex
from pprl.site.normalise.usual import usual_forms

_RULES: dict[Kind, Rule] = {
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


def rule_for(kind: Kind, *, date_order: DateOrder, today: datetime.date) -> Rule:
    """The cleaning rule of a kind, for one value at a time."""
    if kind is Kind.BIRTH_DATE:
        return partial(dates.birth_date, date_order=date_order, today=today)
    if kind is Kind.BIRTH_YEAR:
        return partial(dates.birth_year, date_order=date_order, today=today)
    return _RULES[kind]


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
        columns[field.name], counts[field.name] = _normalise_column(
            columns[field.name].cast(pa.string()), field.kind, date_order=date_order, today=today
        )
    return Normalised(pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)), counts)


def _normalise_column(
    values: pa.StringArray, kind: Kind, *, date_order: DateOrder, today: datetime.date
) -> tuple[pa.StringArray, FieldCounts]:
    rule = rule_for(kind, date_order=date_order, today=today)
    usual = usual_forms(values, kind, today=today)
    n_usual = len(usual) - usual.null_count
    others = pc.if_else(usual.is_valid(), None, values).dictionary_encode()
    cleaned = [rule(value) for value in others.dictionary.to_pylist()]
    *n_each, n_null = np.bincount(
        np.asarray(others.indices.fill_null(len(cleaned))), minlength=len(cleaned) + 1
    ).tolist()
    absent = dict.fromkeys(Absent, 0) | {Absent.MISSING: n_null - n_usual}
    for found, n_rows in zip(cleaned, n_each, strict=True):
        if isinstance(found, Absent):
            absent[found] += n_rows
    forms = pa.array([None if isinstance(found, Absent) else found for found in cleaned], pa.string())
    counts = FieldCounts(
        len(values) - sum(absent.values()),
        absent[Absent.MISSING],
        absent[Absent.PLACEHOLDER],
        absent[Absent.INVALID],
    )
    return pc.coalesce(usual, forms.take(others.indices)), counts
