"""Two files of cleaned plaintext to clusters, by Splink on DuckDB.

The model is made of what Splink's own documentation gives for people. Comparisons: its FEBRL4 example, which leaves
out street and city because they go with the postcode (with them, the families of these populations become one
person each: F1 0.6). Blocking rules, training and threshold: its example of 50,000 historical persons, whose rules
are narrow enough for millions; FEBRL4's are not.

Timed: ``predict`` and ``cluster_pairwise_predictions_at_threshold``. Apart: ``load``, reading the files, ``train``,
estimating the model, and in the first round ``best links``: ``cluster_using_single_best_links`` in place of the other
clustering, which makes use of what pprl is told too, that no person has two records at a site. Not timed: imports,
writing pairs out for the score.
"""

from __future__ import annotations

import logging
from typing import Any

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from benchmarks.peers.report import Stopwatch, arguments, report

_THRESHOLD = 0.95
_NAMES = ["people_a", "people_b"]
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
        paths = (job["left"], job["right"])
        sides = [_table(api, name, path) for name, path in zip(_NAMES, paths, strict=True)]
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
    if job["try_others"]:
        with watch.part("best links"):
            best = linker.clustering.cluster_using_single_best_links(
                predictions, duplicate_free_datasets=_NAMES, threshold_match_probability=_THRESHOLD
            )
        others[f"best links, {_THRESHOLD}"] = best
        for threshold in _OTHER_THRESHOLDS:
            others[str(threshold)] = linker.clustering.cluster_pairwise_predictions_at_threshold(
                predictions, threshold
            )
    for name, found in others.items():
        _write_pairs(found, f"{job['pairs']}.{name}.csv")
    report(
        watch,
        packages=("splink", "duckdb"),
        threshold=_THRESHOLD,
        others={name: f"{job['pairs']}.{name}.csv" for name in others},
    )


def _table(api: Any, name: str, path: str) -> Any:
    api.duckdb_con.execute(
        f"create table file_{name} as from read_csv('{path}', header = true, all_varchar = true, nullstr = '')"
    )
    return api.register(api.duckdb_con.table(f"file_{name}"), dataset_display_name=name)


def _write_pairs(clusters: Any, path: str) -> None:
    """Every record of the left file with every one of the right file in the same cluster."""
    pairs = clusters.query_sql(
        "select l.record_id as left_id, r.record_id as right_id from {this} as l join {this} as r "
        "on l.cluster_id = r.cluster_id and l.source_dataset < r.source_dataset"
    )
    pairs.as_duckdbpyrelation().write_csv(path, header=True)


if __name__ == "__main__":
    main(arguments())
