"""Two files of cleaned plaintext to clusters, by Splink on DuckDB.

The model is made of what Splink's own documentation gives for people. Comparisons: its FEBRL4 example, which leaves
out street and city because they go with the postcode (with them, the families of these populations become one
person each: F1 0.6). Blocking rules, training and threshold: its example of 50,000 historical persons, whose rules
are narrow enough for millions; FEBRL4's are not.

Timed: ``predict`` and ``cluster_pairwise_predictions_at_threshold``. Apart: ``load``, reading the files, and
``train``, estimating the model. Not timed: imports, writing pairs out for the score.
"""

from __future__ import annotations

import logging
from typing import Any

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from benchmarks.speed.contestants.report import Stopwatch, arguments, report

_THRESHOLD = 0.95
_MAX_PAIRS = 1e7  # in training
_OTHER_THRESHOLDS = (0.5, 0.8, 0.9, 0.99, 0.999)


def _settings() -> SettingsCreator:
    return SettingsCreator(
        link_type="link_only",
        unique_id_column_name="record_id",
        blocking_rules_to_generate_predictions=[
            block_on("substr(given_name, 1, 3)", "substr(surname, 1, 4)"),
            block_on("surname", "birth_date"),
            block_on("given_name", "birth_date"),
            block_on("postcode", "given_name"),
            block_on("postcode", "surname"),
            block_on("birth_date", "city"),
            block_on("substr(postcode, 1, 3)", "birth_date"),
            block_on("substr(postcode, 1, 3)", "given_name"),
            block_on("substr(postcode, 1, 3)", "surname"),
            block_on("substr(given_name, 1, 2)", "substr(surname, 1, 2)", "substr(birth_date, 1, 4)"),
        ],
        comparisons=[
            cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
            cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison(
                "birth_date", input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True
            ),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
        ],
    )


def main(job: dict[str, Any]) -> None:
    """Do the job: ``left``, ``right`` (cleaned CSV), ``threads``, ``pairs`` (file to write)."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    watch = Stopwatch()
    with watch.part("load"):
        connection = duckdb.connect()
        connection.execute(f"set threads = {int(job['threads'])}")
        api = DuckDBAPI(connection)
        sides = [
            api.register(_table(connection, side, job[side]), dataset_display_name=f"{side}_people")
            for side in ("left", "right")
        ]
        linker = Linker(sides, _settings(), log_level=logging.ERROR)
    with watch.part("train"):
        training = linker.training
        training.estimate_probability_two_random_records_match(
            [block_on("given_name", "surname", "birth_date")], recall=0.8
        )
        training.estimate_u_using_random_sampling(max_pairs=_MAX_PAIRS)
        for rule in (block_on("given_name", "surname"), block_on("birth_date")):
            training.estimate_parameters_using_expectation_maximisation(
                rule, estimate_without_term_frequencies=True, max_pairs=_MAX_PAIRS
            )
    with watch.part("predict"):
        predictions = linker.inference.predict(threshold_match_probability=0.5)
    with watch.part("cluster"):
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, _THRESHOLD)
    watch.add_up("predict", "cluster")
    _write_pairs(clusters, job["pairs"])
    others = {}
    for threshold in _OTHER_THRESHOLDS if job["try_thresholds"] else ():
        others[str(threshold)] = f"{job['pairs']}.{threshold}.csv"
        again = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, threshold)
        _write_pairs(again, others[str(threshold)])
    report(
        watch,
        packages=("splink", "duckdb"),
        threshold=_THRESHOLD,
        pairs_at_other_thresholds=others,
    )


def _table(connection: Any, name: str, path: str) -> Any:
    connection.execute(
        f"create table people_{name} as from read_csv('{path}', header = true, all_varchar = true, nullstr = '')"
    )
    return connection.table(f"people_{name}")


def _write_pairs(clusters: Any, path: str) -> None:
    """Every record of the left file with every one of the right file in the same cluster."""
    pairs = clusters.query_sql(
        "select l.record_id as left_id, r.record_id as right_id from {this} as l join {this} as r "
        "on l.cluster_id = r.cluster_id and l.source_dataset < r.source_dataset"
    )
    pairs.as_duckdbpyrelation().write_csv(path, header=True)


if __name__ == "__main__":
    main(arguments())
