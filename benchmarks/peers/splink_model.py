"""The model of people that Splink gets, and its training; imported by the interpreter of its environment alone.

It is made of what Splink's own documentation gives for people. Comparisons: its FEBRL4 example, term frequencies
included. Blocking rules and training: its example of 50,000 historical persons, whose rules are narrow enough for
millions; FEBRL4's are not.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

_MAX_PAIRS = 1e7  # in training
_RULES: tuple[dict[str, str], ...] = (
    {"given_name": "substr({}, 1, 3)", "surname": "substr({}, 1, 4)"},
    {"surname": "{}", "birth_date": "{}"},
    {"given_name": "{}", "birth_date": "{}"},
    {"postcode": "{}", "given_name": "{}"},
    {"postcode": "{}", "surname": "{}"},
    {"birth_date": "{}", "city": "{}"},
    {"postcode": "substr({}, 1, 3)", "birth_date": "{}"},
    {"postcode": "substr({}, 1, 3)", "given_name": "{}"},
    {"postcode": "substr({}, 1, 3)", "surname": "{}"},
    {"given_name": "substr({}, 1, 2)", "surname": "substr({}, 1, 2)", "birth_date": "substr({}, 1, 4)"},
)
_NEEDED = ("given_name", "surname", "birth_date")  # of training


class LacksFieldError(Exception):
    """The records lack what the model cannot do without."""


def connect(connection: Any) -> DuckDBAPI:
    """Return Splink's side of a DuckDB connection, quiet."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    return DuckDBAPI(connection)


def table(api: Any, name: str, path: str, kinds: dict[str, str]) -> Any:
    """Read a cleaned CSV file as a dataset of a name; a date whose year is not known is missing, not of the year 0."""
    api.duckdb_con.execute(
        f"create table file_{name} as from read_csv('{path}', header = true, all_varchar = true, nullstr = '')"
    )
    for field, kind in kinds.items():
        if kind == "birth_date":
            api.duckdb_con.execute(f"update file_{name} set {field} = null where {field} like '0000%'")
    return api.register(api.duckdb_con.table(f"file_{name}"), dataset_display_name=name)


def linker(tables: list[Any], kinds: dict[str, str], *, link_type: str, without: Collection[str]) -> Linker:
    """Return a linker, not trained.

    Parameters
    ----------
    tables : list
        As of `table`.
    kinds : dict of str to str
        Field to its kind.
    link_type : {"link_only", "link_and_dedupe", "dedupe_only"}
        Splink's.
    without : collection of str
        Kinds that are not compared; they may be in blocking rules.
    """
    of_kind = _first_of_kind(kinds)
    if not set(_NEEDED) <= of_kind.keys():
        raise LacksFieldError(f"its model wants {', '.join(_NEEDED)}")
    settings = SettingsCreator(
        link_type=link_type,
        unique_id_column_name="record_id",
        blocking_rules_to_generate_predictions=[
            block_on(*(part.format(of_kind[kind]) for kind, part in rule.items()))
            for rule in _RULES
            if rule.keys() <= of_kind.keys()
        ],
        comparisons=[_comparison(name, kind) for name, kind in kinds.items() if kind not in without],
    )
    return Linker(tables if len(tables) > 1 else tables[0], settings, log_level=logging.ERROR)


def train(model: Linker, kinds: dict[str, str]) -> None:
    """Estimate a model's parameters; no labels are used."""
    of_kind = _first_of_kind(kinds)
    given, surname, birth = (of_kind[kind] for kind in _NEEDED)
    training = model.training
    training.estimate_probability_two_random_records_match([block_on(given, surname, birth)], recall=0.8)
    training.estimate_u_using_random_sampling(max_pairs=_MAX_PAIRS)
    for rule in (block_on(given, surname), block_on(birth)):
        training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=True, max_pairs=_MAX_PAIRS
        )


def _first_of_kind(kinds: dict[str, str]) -> dict[str, str]:
    return {kind: name for name, kind in reversed(kinds.items())}


def _comparison(name: str, kind: str) -> Any:
    match kind:
        case "given_name" | "surname":
            return cl.NameComparison(name).configure(term_frequency_adjustments=True)
        case "middle_name":  # of which some sites keep the initial only
            initials = cll.CustomLevel(f"substr({name}_l, 1, 1) = substr({name}_r, 1, 1)", "same initial")
            levels = [cll.NullLevel(name), cll.ExactMatchLevel(name), initials, cll.ElseLevel()]
            return cl.CustomComparison(output_column_name=name, comparison_levels=levels)
        case "birth_date":
            return cl.DateOfBirthComparison(
                name, input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True
            )
        case "postcode":
            return cl.DamerauLevenshteinAtThresholds(name, [1, 2]).configure(term_frequency_adjustments=True)
        case "phone" | "national_id":
            return cl.DamerauLevenshteinAtThresholds(name, [1, 2])
        case "street" | "text":
            return cl.JaroWinklerAtThresholds(name, [0.9, 0.75])
        case "city":
            return cl.JaroWinklerAtThresholds(name, [0.9]).configure(term_frequency_adjustments=True)
        case "email":
            return cl.EmailComparison(name)
        case _:
            return cl.ExactMatch(name)
