"""Of which sex, birth decade, race a record's person is, by the sites' own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.accuracy.cases import Case
from benchmarks.cleaning import ID
from benchmarks.truth import qualified
from pprl.schema import Kind

_SEXES = {"f": "Female", "m": "Male", "x": "Other"}


def strata_of(case: Case, cleaned: Mapping[str, Path]) -> pd.DataFrame:
    """Return the category of every record.

    Parameters
    ----------
    case : Case
        Its schema says which fields are a sex and a birth date, its labels which columns are more.
    cleaned : mapping of str to Path
        Site to its file in normal forms.

    Returns
    -------
    DataFrame
        A column for each stratum that some site knows, by qualified record id; null where it is not known.
    """
    return pd.concat([_of_site(case, number, cleaned) for number in range(len(case.sites))])


def _of_site(case: Case, number: int, cleaned: Mapping[str, Path]) -> pd.DataFrame:
    site = case.sites[number]
    records = pd.read_csv(cleaned[site.name], dtype=str)
    columns: dict[str, pd.Series] = {}
    for field in case.schema.fields:
        if field.kind is Kind.SEX:
            columns["sex"] = records[field.name].map(_SEXES)
        elif field.kind in (Kind.BIRTH_DATE, Kind.BIRTH_YEAR):
            year = records[field.name].str[:4]
            columns["birth_decade"] = (year.str[:3] + "0s").mask(year == "0000", "year not known")
    header = pd.read_csv(site.path, nrows=0).columns
    known = {name: column for name, column in case.labels.items() if column in header}
    if known:
        raw = pd.read_csv(site.path, dtype=str, usecols=[site.id_column, *known.values()])
        by_id = raw.set_index(site.id_column)
        columns |= {name: records[ID].map(by_id[column]) for name, column in known.items()}
    return pd.DataFrame(columns, index=records.index).set_index(pd.Index(qualified(site.name, records[ID])))
