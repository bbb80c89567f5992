"""Scores against naive twins, by hand, and at size."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scoring import (
    read_entities,
    read_links,
    score_clusters,
    score_links,
    score_run,
)
from pprl.errors import PprlError

PAIRS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), max_size=20)
PARTITION = st.lists(st.integers(0, 4), min_size=1, max_size=12)


def frame(pairs):
    return pd.DataFrame([tuple(pair) for pair in pairs], columns=["left_id", "right_id"], dtype="str")


def clusters(labels):
    return pd.DataFrame(
        {"record_id": [f"r{i}" for i in range(len(labels))], "cluster_id": [str(n) for n in labels]}
    )


def test_counts_by_hand():
    score = score_links(frame(["au", "bv", "cx"]), frame(["au", "bv", "dy", "ez"]))
    assert (score.tp, score.fp, score.fn) == (2, 1, 2)
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(1 / 2)
    assert score.f1 == pytest.approx(4 / 7)


@given(PAIRS, PAIRS)
def test_links_agree_with_sets(found, truth):
    score = score_links(frame(found), frame(truth))
    assert score.tp == len(set(found) & set(truth))
    assert score.fp == len(set(found) - set(truth))
    assert score.fn == len(set(truth) - set(found))


@given(PAIRS)
def test_symmetric_pairs_may_be_turned(pairs):
    turned = frame((right, left) for left, right in pairs)
    assert score_links(turned, frame(pairs), symmetric=True).fp == 0
    assert score_links(turned, frame(pairs)).tp == 0


@given(PAIRS, PAIRS, st.integers(0, 5))
def test_intervals_hold_their_share_and_repeat(found, truth, seed):
    score = score_links(frame(found), frame(truth), seed=seed)
    again = score_links(frame(found), frame(truth), seed=seed)
    assert repr(score) == repr(again)
    for share, (low, high) in (
        (score.precision, score.precision_interval),
        (score.recall, score.recall_interval),
        (score.f1, score.f1_interval),
    ):
        if not math.isnan(share):
            assert 0 <= low <= high <= 1


def test_nothing_found_has_no_precision():
    score = score_links(frame([]), frame(["au"]))
    assert math.isnan(score.precision)
    assert score.recall == 0.0
    assert score.recall_interval == (0.0, 0.0)
    assert math.isnan(score_links(frame([]), frame([])).f1)


def test_interval_is_the_binomial_one_for_independent_pairs():
    n, wrong = 4000, 200
    truth = pd.DataFrame({"left_id": np.arange(n), "right_id": np.arange(n)})
    found = truth.assign(right_id=np.where(np.arange(n) < wrong, -1, np.arange(n)))
    score = score_links(found, truth)
    half = 1.96 * math.sqrt(0.05 * 0.95 / n)
    assert score.precision_interval == pytest.approx((0.95 - half, 0.95 + half), abs=0.0015)


def test_many_pairs_take_seconds():
    n = 200_000
    random = np.random.default_rng(0)
    left = pd.Series(np.arange(n)).astype("str")
    truth = pd.DataFrame({"left_id": left, "right_id": left})
    found = truth.assign(right_id=left.where(random.random(n) < 0.99, "0"))
    begin = time.perf_counter()
    score = score_links(found, truth)
    assert time.perf_counter() - begin < 10
    assert score.recall == pytest.approx(0.99, abs=0.002)
    assert score.precision_interval[0] < score.precision < score.precision_interval[1]


@given(PARTITION, st.data())
def test_clusters_agree_with_naive_twin(people, data):
    entities = data.draw(st.lists(st.integers(0, 4), min_size=len(people), max_size=len(people)))
    score = score_clusters(clusters(entities), clusters(people))
    records = range(len(people))
    together = [
        (entities[i] == entities[j], people[i] == people[j]) for i, j in itertools.combinations(records, 2)
    ]
    assert score.pairs.tp == together.count((True, True))
    assert score.pairs.fp == together.count((True, False))
    assert score.pairs.fn == together.count((False, True))
    shared = [sum(entities[j] == entities[i] and people[j] == people[i] for j in records) for i in records]
    precision = np.mean([shared[i] / entities.count(entities[i]) for i in records])
    recall = np.mean([shared[i] / people.count(people[i]) for i in records])
    assert score.precision == pytest.approx(precision)
    assert score.recall == pytest.approx(recall)
    assert score.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert (score.n_records, score.n_people) == (len(people), len(set(people)))


def test_records_without_entity_are_alone():
    score = score_clusters(clusters([0, 0]), clusters([0, 0, 1, 1]))
    assert (score.pairs.tp, score.pairs.fp, score.pairs.fn) == (1, 0, 1)
    assert score.n_entities == 3
    assert score.recall == pytest.approx(0.75)


def test_clusters_refuse_strange_and_repeated_records():
    with pytest.raises(PprlError, match="1 of the found clusters' records are not among the true ones"):
        score_clusters(clusters([0, 1]), clusters([0]))
    twice = pd.concat([clusters([0]), clusters([1])])
    with pytest.raises(PprlError, match="the true clusters name a record twice"):
        score_clusters(clusters([0]), twice)


@pytest.fixture
def run(tmp_path):
    """A run over two sites whose local ids look alike, with one link turned round and one wrong."""
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "a.ids.csv").write_text("record_guid,local_id\nA1,1\nA2,2\nA3,3\n")
    (tmp_path / "b.ids.csv").write_text("record_guid,local_id\nB1,1\nB2,2\nB3,03\n")
    (folder / "links.csv").write_text(
        "left_dataset,left_record,right_dataset,right_record,probability\na,A1,b,B2,0.9\nb,B1,a,A2,0.8\na,A3,b,B3,0.6\n"
    )
    (folder / "entities.csv").write_text(
        "entity_guid,dataset,record_guid\nE1,a,A1\nE1,b,B2\nE2,b,B1\nE2,a,A2\nE3,a,A3\nE3,b,B3\n"
    )
    (tmp_path / "truth.csv").write_text("left_id,right_id\n1,2\n2,1\n")
    return folder


def test_run_is_read_in_local_ids(run, tmp_path):
    ids = {"a": tmp_path / "a.ids.csv", "b": tmp_path / "b.ids.csv"}
    links = read_links(run, ids)
    assert list(zip(links["left_id"], links["right_id"], strict=True)) == [
        ("a/1", "b/2"),
        ("a/2", "b/1"),
        ("a/3", "b/03"),
    ]
    assert links["probability"].tolist() == [0.9, 0.8, 0.6]
    assert read_entities(run, ids)["cluster_id"].nunique() == 3


def test_run_is_scored(run, tmp_path):
    ids = {"a": tmp_path / "a.ids.csv", "b": tmp_path / "b.ids.csv"}
    score = score_run(run, ids, tmp_path / "truth.csv")
    assert (score.links.tp, score.links.fp, score.links.fn) == (2, 1, 0)
    assert (score.entities.pairs.tp, score.entities.pairs.fp, score.entities.pairs.fn) == (2, 1, 0)
    assert score.entities.precision == pytest.approx(5 / 6)
    assert score.as_dict()["links"]["tp"] == 2


def test_run_over_one_site_is_scored_by_clusters(tmp_path):
    (tmp_path / "a.ids.csv").write_text("record_guid,local_id\nA1,1\nA2,2\nA3,3\n")
    (tmp_path / "links.csv").write_text(
        "left_dataset,left_record,right_dataset,right_record,probability\na,A2,a,A1,0.9\n"
    )
    (tmp_path / "entities.csv").write_text("entity_guid,dataset,record_guid\nE1,a,A1\nE1,a,A2\nE2,a,A3\n")
    (tmp_path / "truth.csv").write_text("record_id,cluster_id\n1,7\n2,7\n3,7\n")
    score = score_run(tmp_path, {"a": tmp_path / "a.ids.csv"}, tmp_path / "truth.csv")
    assert (score.links.tp, score.links.fp, score.links.fn) == (1, 0, 2)
    assert score.entities.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)


def test_ids_of_another_run_are_refused(run, tmp_path):
    (tmp_path / "a.ids.csv").write_text("record_guid,local_id\nX1,1\n")
    ids = {"a": tmp_path / "a.ids.csv", "b": tmp_path / "b.ids.csv"}
    with pytest.raises(PprlError, match="records are in no ids file given"):
        read_links(run, ids)
    with pytest.raises(PprlError, match="there is no such file"):
        read_links(run, {"a": tmp_path / "gone.csv"})
    (run / "links.csv").write_text("left,right\n")
    with pytest.raises(PprlError, match="not a table with the columns left_dataset"):
        read_links(run, ids)
