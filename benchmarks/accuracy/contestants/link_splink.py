"""Files of cleaned plaintext to clusters, by Splink on DuckDB, at many thresholds.

Every model is trained without labels and clusters at every threshold: the connected parts of its predictions, and
where no person has two records at a site also its single best links, which use that knowledge as pprl does.
"""

from __future__ import annotations

from typing import Any

import duckdb

from benchmarks.peers.report import Stopwatch, arguments, report
from benchmarks.peers.splink_model import connect, linker, table, train

_LEAST = 0.05


def main(job: dict[str, Any]) -> None:
    """Do the job.

    ``files`` (site to cleaned CSV), ``kinds`` (of their fields), ``link_type``, ``models`` (name to the kinds it goes
    without), ``thresholds``, ``threads``, ``out`` (folder). Seconds are of the first model, trained, and clustered at
    the first threshold.
    """
    watch = Stopwatch()
    with watch.part("load"):
        connection = duckdb.connect()
        connection.execute(f"set threads = {int(job['threads'])}")
        api = connect(connection)
        # Splink takes names of tables that are identifiers
        names = {f"people_{number}": site for number, site in enumerate(job["files"])}
        tables = [table(api, name, job["files"][site], job["kinds"]) for name, site in names.items()]
    ways: list[dict[str, Any]] = []
    for model_name, without in job["models"].items():
        model = linker(tables, job["kinds"], link_type=job["link_type"], without=without)
        watched = watch if not ways else Stopwatch()
        with watched.part("train"):
            train(model, job["kinds"])
        with watched.part("predict"):
            predictions = model.inference.predict(threshold_match_probability=_LEAST)
        for threshold in job["thresholds"]:
            watched = watch if not ways else Stopwatch()
            with watched.part("cluster"):
                clusters = model.clustering.cluster_pairwise_predictions_at_threshold(predictions, threshold)
            made = {"clusters": clusters}
            if job["link_type"] == "link_only":
                made["one-to-one"] = model.clustering.cluster_using_single_best_links(
                    predictions, duplicate_free_datasets=list(names), threshold_match_probability=threshold
                )
            for method, clusters in made.items():
                path = f"{job['out']}/{len(ways)}.csv"
                _write(clusters, names, path)
                ways.append({"model": model_name, "method": method, "threshold": threshold, "path": path})
    report(watch, packages=("splink", "duckdb"), ways=ways)


def _write(clusters: Any, names: dict[str, str], path: str) -> None:
    """Write the records that are not alone: ``dataset``, ``local_id``, ``cluster_id``."""
    if len(names) > 1:
        cases = " ".join(f"when '{name}' then '{site}'" for name, site in names.items())
        dataset = f"case source_dataset {cases} end"
    else:
        [site] = names.values()
        dataset = f"'{site}'"
    chosen = clusters.query_sql(
        f"select {dataset} as dataset, record_id as local_id, cluster_id from {{this}} "
        "qualify count(*) over (partition by cluster_id) > 1"
    )
    chosen.as_duckdbpyrelation().write_csv(path, header=True)


if __name__ == "__main__":
    main(arguments())
