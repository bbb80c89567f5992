"""Two files of cleaned plaintext to clusters, by Splink on DuckDB, with the model of `benchmarks.peers.splink_model`.

Street and city are not compared, because they go with the postcode (with them, the families of these populations
become one person each: F1 0.6).

Timed: ``predict`` and ``cluster_pairwise_predictions_at_threshold``. Apart: ``load``, reading the files, ``train``,
estimating the model, and in the first round ``best links``: ``cluster_using_single_best_links`` in place of the other
clustering, which makes use of what pprl is told too, that no person has two records at a site. Not timed: imports,
writing pairs out for the score.
"""

from __future__ import annotations

from typing import Any

import duckdb

from benchmarks.peers.clk_schema import SIX_FIELDS
from benchmarks.peers.report import Stopwatch, arguments, report
from benchmarks.peers.splink_model import connect, linker, table, train

_THRESHOLD = 0.95
_NAMES = ["people_a", "people_b"]
_OTHER_THRESHOLDS = (0.5, 0.8, 0.9, 0.99, 0.999)


def main(job: dict[str, Any]) -> None:
    """Do the job: ``left``, ``right`` (cleaned CSV), ``threads``, ``pairs`` (file to write)."""
    watch = Stopwatch()
    with watch.part("load"):
        connection = duckdb.connect()
        connection.execute(f"set threads = {int(job['threads'])}")
        api = connect(connection)
        paths = (job["left"], job["right"])
        sides = [table(api, name, path, SIX_FIELDS) for name, path in zip(_NAMES, paths, strict=True)]
        model = linker(sides, SIX_FIELDS, link_type="link_only", without=("street", "city"))
    with watch.part("train"):
        train(model, SIX_FIELDS)
    with watch.part("predict"):
        predictions = model.inference.predict(threshold_match_probability=0.5)
    with watch.part("cluster"):
        clusters = model.clustering.cluster_pairwise_predictions_at_threshold(predictions, _THRESHOLD)
    watch.add_up("predict", "cluster")
    _write_pairs(clusters, job["pairs"])
    others = {}
    if job["try_others"]:
        with watch.part("best links"):
            best = model.clustering.cluster_using_single_best_links(
                predictions, duplicate_free_datasets=_NAMES, threshold_match_probability=_THRESHOLD
            )
        others[f"best links, {_THRESHOLD}"] = best
        for threshold in _OTHER_THRESHOLDS:
            others[str(threshold)] = model.clustering.cluster_pairwise_predictions_at_threshold(
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


def _write_pairs(clusters: Any, path: str) -> None:
    """Every record of the left file with every one of the right file in the same cluster."""
    pairs = clusters.query_sql(
        "select l.record_id as left_id, r.record_id as right_id from {this} as l join {this} as r "
        "on l.cluster_id = r.cluster_id and l.source_dataset < r.source_dataset"
    )
    pairs.as_duckdbpyrelation().write_csv(path, header=True)


if __name__ == "__main__":
    main(arguments())
