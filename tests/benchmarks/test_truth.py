"""Who is who: pairs and clusters over any number of datasets."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.truth import clusters_of_pairs, pairs_of_clusters, read_truth
from pprl.errors import PprlError


def _ids(**datasets):
    return {name: pd.Series(list(ids)) for name, ids in datasets.items()}


def _frame(pairs):
    return pd.DataFrame([tuple(pair) for pair in pairs], columns=["left_id", "right_id"], dtype="str")


def _pairs(truth):
    return sorted(zip(truth.pairs["left_id"], truth.pairs["right_id"], strict=True))


def test_pairs_are_of_the_first_dataset_and_the_second(tmp_path):
    (tmp_path / "truth.csv").write_text("left_id,right_id\n1,2\n1,2\n2,1\n")
    truth = read_truth(tmp_path / "truth.csv", _ids(a="123", b="12"))
    assert _pairs(truth) == [("a/1", "b/2"), ("a/2", "b/1")]
    cluster = truth.people.set_index("record_id")["cluster_id"]
    assert cluster["a/1"] == cluster["b/2"] != cluster["a/2"]
    assert cluster.nunique() == 3
    with pytest.raises(PprlError, match="pairs are of two datasets, here are 1"):
        read_truth(tmp_path / "truth.csv", _ids(a="123"))


def test_clusters_go_over_all_datasets(tmp_path):
    (tmp_path / "truth.csv").write_text("record_id,cluster_id\nz,7\nx,7\ny,7\nv,8\n")
    truth = read_truth(tmp_path / "truth.csv", _ids(a="x", b="vy", c="z"))
    assert _pairs(truth) == [("a/x", "b/y"), ("a/x", "c/z"), ("b/y", "c/z")]
    assert truth.people["record_id"].tolist() == ["a/x", "b/v", "b/y", "c/z"]


def test_equal_ids_are_told_apart_by_dataset(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("record_id,cluster_id\n1,7\n1,7\n")
    with pytest.raises(PprlError, match="a record id stands twice"):
        read_truth(path, _ids(a="1", b="1"))
    path.write_text("dataset,record_id,cluster_id\nb,1,7\na,1,7\n")
    assert _pairs(read_truth(path, _ids(a="1", b="1"))) == [("a/1", "b/1")]


def test_truth_and_records_have_to_be_of_one_another(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("record_id,cluster_id\n1,7\n3,8\n4,8\n")
    with pytest.raises(PprlError, match="lacks 1 of the records and has 2 others"):
        read_truth(path, _ids(a="12"))
    path.write_text("id,person\n1,7\n")
    with pytest.raises(PprlError, match="has neither the columns"):
        read_truth(path, _ids(a="12"))
    with pytest.raises(PprlError, match="cannot be read"):
        read_truth(tmp_path / "gone.csv", _ids(a="12"))
    path.write_text("left_id,right_id\n1,9\n")
    with pytest.raises(PprlError, match=r"truth\.csv: a pair names a record"):
        read_truth(path, _ids(a="1", b="2"))


def test_pairs_make_connected_parts():
    records = pd.Series(list("abcuvw"))
    parts = clusters_of_pairs(_frame(["au", "bu"]), records).set_index("record_id")["cluster_id"]
    assert parts["a"] == parts["b"] == parts["u"]
    assert parts.nunique() == 4
    with pytest.raises(PprlError, match="a pair names a record"):
        clusters_of_pairs(_frame(["az"]), records)


def test_clusters_make_all_their_pairs():
    clusters = pd.DataFrame({"record_id": list("cabd"), "cluster_id": [1, 1, 1, 2]})
    assert pairs_of_clusters(clusters).to_numpy().tolist() == [["c", "a"], ["c", "b"], ["a", "b"]]
