"""Who is who, over any number of datasets, in terms that found links and entities are in too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pprl.errors import PprlError

_PAIRS, _CLUSTERS = ["left_id", "right_id"], ["record_id", "cluster_id"]


@dataclass(frozen=True, slots=True)
class Truth:
    """Who is who among the records of some datasets.

    Attributes
    ----------
    people : DataFrame
        ``record_id``, ``cluster_id``, one row a record, in the order of datasets and their records. A record id is
        qualified: dataset, slash, local id.
    pairs : DataFrame
        ``left_id``, ``right_id``: the true pairs, each once, the record first that comes first in ``people``.
    """

    people: pd.DataFrame
    pairs: pd.DataFrame


def qualified(dataset: str | pd.Series, local_ids: pd.Series) -> pd.Series:
    """Return local ids with their dataset in front, which no two records share."""
    return dataset + "/" + local_ids


def dataset_of(records: pd.Series) -> pd.Series:
    """Return the datasets of qualified record ids."""
    return records.astype("str").str.split("/", n=1).str[0]


def read_truth(path: str | Path, records: Mapping[str, pd.Series]) -> Truth:
    """Read a file that says who is who.

    Parameters
    ----------
    path : path
        CSV. Either ``left_id,right_id``, the true pairs of the first dataset's records with the second's; or
        ``record_id,cluster_id`` over all records, with a further column ``dataset`` where two datasets have the same
        ids.
    records : mapping of str to Series of str
        Dataset to its local ids.

    Raises
    ------
    PprlError
        Where the file cannot be read, names a record that is not there, or lacks one.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise PprlError(f"{path}: cannot be read as CSV: {error}") from None
    names = list(records)
    everybody = pd.concat([qualified(name, records[name]) for name in names], ignore_index=True)
    if set(_PAIRS) <= set(table):
        if len(names) != 2:
            raise PprlError(
                f"{path}: pairs are of two datasets, here are {len(names)}; give record_id,cluster_id"
            )
        left, right = (qualified(name, table[end]) for name, end in zip(names, _PAIRS, strict=True))
        pairs = pd.DataFrame({"left_id": left, "right_id": right}).drop_duplicates(ignore_index=True)
        return Truth(clusters_of_pairs(pairs, everybody, source=str(path)), pairs)
    if not set(_CLUSTERS) <= set(table):
        raise PprlError(f"{path}: has neither the columns left_id,right_id nor record_id,cluster_id")
    if "dataset" in table:
        table, wanted = table.assign(record_id=qualified(table["dataset"], table["record_id"])), everybody
    else:
        wanted = pd.concat([records[name] for name in names], ignore_index=True)
    found = table.set_index("record_id")["cluster_id"]
    if not (found.index.is_unique and wanted.is_unique):
        raise PprlError(f"{path}: a record id stands twice; tell them apart in a column named dataset")
    people = found.reindex(wanted)
    n_lacking = int(people.isna().sum())
    if n_lacking or len(found) > len(wanted):
        n_strange = len(found) - (len(wanted) - n_lacking)
        raise PprlError(f"{path}: lacks {n_lacking} of the records and has {n_strange} others")
    clusters = pd.DataFrame({"record_id": everybody, "cluster_id": people.to_numpy()})
    return Truth(clusters, pairs_of_clusters(clusters))


def clusters_of_pairs(pairs: pd.DataFrame, records: pd.Series, *, source: str = "pairs") -> pd.DataFrame:
    """Return the connected parts that pairs make of records.

    Parameters
    ----------
    pairs : DataFrame
        Columns ``left_id``, ``right_id``, values of ``records``.
    records : Series
        All record ids, those without a pair included.
    source : str
        What the pairs are called in an error.

    Returns
    -------
    DataFrame
        Columns ``record_id``, ``cluster_id``.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index = pd.Index(records)
    left, right = index.get_indexer(pairs["left_id"]), index.get_indexer(pairs["right_id"])
    if min(left.min(initial=0), right.min(initial=0)) < 0:
        raise PprlError(f"{source}: a pair names a record that is not among the records")
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(index), len(index)))
    return pd.DataFrame({"record_id": index, "cluster_id": connected_components(graph, directed=False)[1]})


def pairs_of_clusters(clusters: pd.DataFrame) -> pd.DataFrame:
    """Return all pairs of records of one cluster, each once, the record first that comes first.

    Parameters
    ----------
    clusters : DataFrame
        Columns ``record_id``, ``cluster_id``; clusters are small.
    """
    placed = clusters[clusters["cluster_id"].duplicated(keep=False)].reset_index(drop=True)
    placed = placed.assign(place=np.arange(len(placed)))
    pairs = placed.merge(placed, on="cluster_id", suffixes=("_left", "_right"))
    pairs = pairs[pairs["place_left"] < pairs["place_right"]]
    return pd.DataFrame(
        {"left_id": pairs["record_id_left"].to_numpy(), "right_id": pairs["record_id_right"].to_numpy()}
    )
