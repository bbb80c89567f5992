"""A result document of two contestants, with figures by hand."""

from __future__ import annotations

import copy

import pytest


def _score(f1, low, high):
    share = {"precision": f1, "recall": f1, "f1": f1, "tp": 90, "fp": 10, "fn": 10}
    return share | {f"{name}_interval": [low, high] for name in ("precision", "recall", "f1")}


def _figures(f1, low, high):
    entities = {"pairs": _score(f1 - 0.1, low - 0.1, high - 0.1), "f1": f1 + 0.01}
    shares = {"Female": {"value": 0.9, "interval": [0.8, 1.0], "n": 60}, "Male": {"value": 1.0, "n": 55}}
    return {"links": _score(f1, low, high), "entities": entities, "recall_by": {"sex": shares}}


def _told(threshold, estimate, truth):
    interval = {"value": estimate, "low": estimate - 0.02, "high": min(estimate + 0.02, 1.0)}
    measures = ("precision", "recall", "f1")
    return {
        "threshold": threshold,
        "links_told": 100,
        "links": 100,
        "estimate": dict.fromkeys(measures, interval),
        "truth": dict.fromkeys(measures, truth),
    }


@pytest.fixture
def document():
    case = {
        "case": "febrl4",
        "seed": 0,
        "title": "FEBRL4: invented Australians",
        "fields": ["given_name", "surname"],
        "duplicates": False,
        "records": {"clinic": 3333, "registry": 3333},
        "true_pairs": 1666,
        "people": 5000,
    }
    comparison = {"doubts": ["few"], "thresholds": [_told(0.5, 0.98, 0.97), _told(0.9, 0.99, 0.9)]}
    ours = {
        "case": "febrl4",
        "seed": 0,
        "contestant": "pprl standard",
        "profile": "standard",
        "inputs": "1",
        "entries": [{"name": "pprl standard", "tuned": False, "figures": _figures(0.9876, 0.98, 0.99)}],
        "seconds": {"tokenise": 1.0, "link": 2.5},
        "estimates": {
            "comparisons": [comparison],
            "histogram": [
                {"log_odds": 0.5, "links": 20, "expected": 13.0, "true": 12},
                {"log_odds": 9.0, "links": 80, "expected": 79.99, "true": 80},
            ],
        },
    }
    splink = {
        "case": "febrl4",
        "seed": 0,
        "contestant": "Splink",
        "inputs": "2",
        "entries": [
            {
                "name": "Splink one-to-one",
                "tuned": False,
                "about": "all",
                "figures": _figures(0.95, 0.94, 0.96),
            },
            {
                "name": "Splink one-to-one, tuned",
                "tuned": True,
                "about": "0.2",
                "figures": _figures(0.6, 0.5, 0.7),
            },
        ],
        "seconds": {"train": 2.0},
    }
    machine = {
        "processor": "EPYC",
        "cores": 2,
        "memory_gib": 23.5,
        "python": "3.11",
        "date": "2026-11-24T00:00:00+00:00",
        "commit": "0123456789abcdef",
        "changed_files": 0,
    }
    absent = {"case": "febrl4", "seed": 0, "contestant": "OPPRL", "inputs": "3", "absent": "no Spark"}
    results = [ours, splink, absent]
    return copy.deepcopy({"command": "python -m x", "machine": machine, "cases": [case], "results": results})
