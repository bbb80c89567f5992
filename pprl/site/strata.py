"""Strata of a batch: which category each record is in, by the numbers that a package carries."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pprl.labels import label_key, omb_categories
from pprl.schema import Kind, Schema, StratumKind, StratumSpec
from pprl.schema.columns import stratum_column
from pprl.schema.strata import FEMALE, MALE, OTHER, decade_code
from pprl.site.encode.exact import date_part
from pprl.site.normalise import Absent, DateOrder, FieldCounts, placeholders, rule_for
from pprl.site.normalise.fold import plain, words

_SEXES = {"f": FEMALE, "m": MALE, "x": OTHER}
# Besides the placeholders of all fields: HL7's null flavours, OMOP's "no matching concept".
_UNKNOWN = frozenset({"u", "un", "ni", "na", "nan", "asku", "asked but unknown", "patient declined", "0"})

_Rule = Callable[[str], "int | Absent"]


@dataclass(frozen=True, slots=True)
class Classified:
    """The strata of a batch.

    Attributes
    ----------
    codes : mapping of str to ndarray of uint8, shape (n,)
        For each stratum the number of the category, from 1; 0 where there is none.
    counts : mapping of str to FieldCounts
        What became of the values of each stratum with a column of its own; *invalid* are those of no category.
    cells : Counter of int
        How many records are in each combination of categories that occurs; 0 is none of any.
    """

    codes: Mapping[str, npt.NDArray[np.uint8]]
    counts: Mapping[str, FieldCounts]
    cells: Counter[int]


def classify(
    batch: pa.RecordBatch, schema: Schema, *, date_order: DateOrder = "ymd", today: datetime.date
) -> Classified:
    """Tell every record's category in each stratum of the schema.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        The fields in normal form, and the raw text of each stratum with a column of its own in a column of the name
        `pprl.schema.columns.stratum_column`; one that is not there is missing.
    schema : Schema
        Its strata.
    date_order : {"ymd", "dmy", "mdy"}
        How dates in figures with the year last are read.
    today : datetime.date
        Birth years after it are invalid.
    """
    codes: dict[str, npt.NDArray[np.uint8]] = {}
    counts: dict[str, FieldCounts] = {}
    if not schema.strata:
        return Classified(codes, counts, Counter())
    cell = np.zeros(batch.num_rows, dtype=np.int64)
    for stratum in schema.strata:
        values = _values(batch, stratum)
        codes[stratum.name], found = _number(values, _rule(stratum, date_order=date_order, today=today))
        if stratum.field is None:
            counts[stratum.name] = found
        cell = cell * (len(stratum.categories) + 1) + codes[stratum.name]
    each, n_each = np.unique(cell, return_counts=True)
    return Classified(codes, counts, Counter(dict(zip(each.tolist(), n_each.tolist(), strict=True))))


def _values(batch: pa.RecordBatch, stratum: StratumSpec) -> pa.StringArray:
    name = stratum_column(stratum.name) if stratum.field is None else stratum.field
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.string())
    values = batch.column(name).cast(pa.string())
    if stratum.field is not None and stratum.kind is StratumKind.BIRTH_DECADE:
        return date_part(values, "year")
    return values


def _number(values: pa.StringArray, rule: _Rule) -> tuple[npt.NDArray[np.uint8], FieldCounts]:
    """Codes of values, each distinct one looked at once."""
    coded = values.dictionary_encode()
    found = [*map(rule, coded.dictionary.to_pylist()), Absent.MISSING]
    of_row = np.asarray(coded.indices.fill_null(len(found) - 1))
    n_each = np.bincount(of_row, minlength=len(found)).tolist()
    absent = dict.fromkeys(Absent, 0)
    for code, n_rows in zip(found, n_each, strict=True):
        if isinstance(code, Absent):
            absent[code] += n_rows
    table = np.array([0 if isinstance(code, Absent) else code for code in found], dtype=np.uint8)
    counts = FieldCounts(
        len(values) - sum(absent.values()),
        absent[Absent.MISSING],
        absent[Absent.PLACEHOLDER],
        absent[Absent.INVALID],
    )
    return table[of_row], counts


def _rule(stratum: StratumSpec, *, date_order: DateOrder, today: datetime.date) -> _Rule:
    """The way from a text to the number of a category."""
    exact = {label_key(category): number for number, category in enumerate(stratum.categories, 1)}
    match stratum.kind:
        case StratumKind.SEX:
            clean = rule_for(Kind.SEX, date_order=date_order, today=today)
            return _after(clean, lambda form: exact[label_key(_SEXES[form])])
        case StratumKind.BIRTH_DECADE if (
            stratum.field is not None
        ):  # clean already; 1900 is a year of 1900-05-03
            return lambda year: decade_code(int(year), stratum.categories)
        case StratumKind.BIRTH_DECADE:
            clean = rule_for(Kind.BIRTH_YEAR, date_order=date_order, today=today)
            return _after(clean, lambda form: decade_code(int(form), stratum.categories))
    meant = omb_categories(stratum.kind.value)
    # A category may itself be written in one of the usual ways, Black for Black or African American.
    by_meaning: dict[str, int] = {}
    for key, number in exact.items():
        by_meaning.setdefault(label_key(meant.get(key, key)), number)

    def number_of(text: str) -> int | Absent:
        key = label_key(text)
        found = exact.get(key) or by_meaning.get(label_key(meant.get(key, key)))
        return found or _why_absent(text)

    return number_of


def _after(clean: Callable[[str], str | Absent], number_of: Callable[[str], int]) -> _Rule:
    def rule(text: str) -> int | Absent:
        form = clean(text)
        return form if isinstance(form, Absent) else number_of(form)

    return rule


def _why_absent(text: str) -> Absent:
    folded = plain(text)
    if not folded:
        return Absent.MISSING
    spelt = words(folded)
    known_as_unknown = not spelt or spelt in placeholders.WORDS or spelt in _UNKNOWN
    return Absent.PLACEHOLDER if known_as_unknown else Absent.INVALID
