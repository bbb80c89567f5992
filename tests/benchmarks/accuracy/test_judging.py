"""Figures against counts by hand: links, strata, estimates beside the truth, the histogram of probabilities."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy.judging import BIN_WIDTH, estimates, figures, histogram, plain
from benchmarks.scoring import among, recall_by
from benchmarks.truth import Truth, pairs_of_clusters


def _pairs(*pairs):
    return pd.DataFrame(pairs, columns=["left_id", "right_id"], dtype="str")


@pytest.fixture
def truth():
    ids = ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3", "b/4"]
    people = pd.DataFrame({"record_id": ids, "cluster_id": list("xyzxyzz")})
    return Truth(people, pairs_of_clusters(people))


def test_pairs_are_among_others_whichever_way_round():
    assert among(_pairs(("p", "q"), ("r", "s")), _pairs(("q", "p"))).tolist() == [True, False]
    assert among(_pairs(), _pairs(("q", "p"))).tolist() == []


def test_recall_is_told_of_each_class(truth):
    categories = pd.Series({"a/1": "F", "a/2": None, "b/2": "M", "a/3": "M"})
    shares = recall_by(_pairs(("a/1", "b/1"), ("a/2", "b/2"), ("a/1", "b/2")), truth.pairs, categories)
    assert {name: (share.value, share.n) for name, share in shares.items()} == {
        "F": (1.0, 1),
        "M": (pytest.approx(1 / 3), 3),  # (a/2, b/2) by its right end, (a/3, b/3), (a/3, b/4)
    }
    assert shares["M"].interval[0] <= 1 / 3 <= shares["M"].interval[1]


def test_figures_are_plain_numbers(truth):
    links = _pairs(("a/1", "b/1"))
    clusters = pd.DataFrame({"record_id": ["a/1", "b/1"], "cluster_id": ["E", "E"]})
    strata = pd.DataFrame({"sex": pd.Series({"a/1": "Female"})})
    found = json.loads(json.dumps(figures(links, clusters, truth, strata), allow_nan=False))
    assert (found["links"]["tp"], found["links"]["fn"], found["links"]["precision"]) == (1, 4, 1.0)
    assert found["entities"]["pairs"]["recall"] == 0.2
    assert found["recall_by"]["sex"]["Female"]["n"] == 1
    assert plain({"x": float("nan"), "y": (1, 0.12345678)}) == {"x": None, "y": [1, 0.123457]}


def test_estimates_stand_beside_what_is_true(truth, tmp_path):
    interval = {"value": 0.9, "low": 0.8, "high": 1.0}

    def told(threshold, n_links):
        measures = dict.fromkeys(("precision", "recall", "f1"), interval)
        return {"threshold": threshold, "links": n_links} | measures

    def comparison(left, right, n_links, *more):
        head = {"left": left, "right": right, "expected_matches": 4.2, "doubts": [], "converged": True}
        return head | {"estimate": told(0.5, n_links), "by_threshold": list(more)}

    quality = {"comparisons": [comparison("a", "b", 3, told(0.9, 1)), comparison("b", "b", 0)]}
    (tmp_path / "quality.json").write_text(json.dumps(quality))
    links = _pairs(("a/1", "b/1"), ("a/2", "b/2"), ("a/2", "b/3")).assign(probability=[0.95, 0.8, 0.6])
    found = estimates(tmp_path, links, truth)
    between, within = found["comparisons"]
    assert (between["true_matches"], within["true_matches"]) == (4, 1)
    assert between["thresholds"][0]["truth"] == {"precision": 0.666667, "recall": 0.5, "f1": 0.571429}
    assert between["thresholds"][1]["truth"] == {"precision": 1.0, "recall": 0.25, "f1": 0.4}
    assert within["thresholds"][0]["truth"] == {"precision": None, "recall": 0.0, "f1": 0.0}
    assert sum(row["links"] for row in found["histogram"]) == 3


def test_histogram_keeps_every_link():
    random = np.random.default_rng(0)
    probability = np.append(1 / (1 + np.exp(-random.normal(3, 3, 500))), [0.0, 1.0])
    is_true = random.random(502) < probability
    rows = histogram(probability, is_true)
    assert sum(row["links"] for row in rows) == 502
    assert sum(row["true"] for row in rows) == is_true.sum()
    assert sum(row["expected"] for row in rows) == pytest.approx(probability.sum(), abs=1e-3)
    for row in rows[1:-1]:
        odds = row["expected"] / (row["links"] - row["expected"])
        assert row["log_odds"] - 1e-3 <= np.log(odds) <= row["log_odds"] + BIN_WIDTH + 1e-3
