"""Leaving ingredients out: each is left out indeed, and only while it is asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy.ablation import INGREDIENTS, ablate, markdown, without
from benchmarks.accuracy.cases import CASES, Settings
from broker.matching import alone, duplicates, entities, pipeline, weigh
from broker.matching.evidence import record
from broker.matching.evidence.fields import model, names

PLACES = (alone, duplicates, entities, pipeline, weigh, record, model, names)


def state():
    return [dict(vars(place)) for place in PLACES]


@pytest.mark.parametrize("ingredient", INGREDIENTS, ids=lambda one: one.name)
def test_all_is_as_before_afterwards(ingredient):
    before = state()
    with without(ingredient):
        changed = [
            name
            for now, then in zip(state(), before, strict=True)
            for name in now
            if now[name] is not then[name]
        ]
        assert bool(changed) == (ingredient.name not in ("nothing", "exchanged and moved names"))
    assert state() == before


def test_every_ingredient_that_is_there_is_left_out_once(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "_SAMPLE", 2000)
    name, profile = "three-sites", "fields"
    made, folder = tmp_path / "made", tmp_path / "packages"
    made.mkdir()
    folder.mkdir()
    case = CASES[name](Settings(folder=made, seed=0, people=120, names="small"))
    table = ablate(case, profile, folder)
    assert table["without"].tolist() == [one.name for one in INGREDIENTS if one.concerns(profile, case)]
    assert table["without"].is_unique
    assert table[["precision", "recall", "f1"]].apply(lambda column: column.between(0, 1)).all(axis=None)
    whole = table.set_index("without")["f1"]["nothing"]
    assert whole > 0.7
    assert (np.abs(table["f1"] - whole) > 1e-6).any()


def test_the_table():
    rows = [
        {"case": "a", "profile": "fields", "without": "nothing", "f1": 0.99},
        {"case": "a", "profile": "fields", "without": "households", "f1": 0.9},
        {"case": "b", "profile": "standard", "without": "nothing", "f1": 0.98},
    ]
    assert markdown(pd.DataFrame(rows)).splitlines() == [
        "| left out | a, `fields` | b, `standard` |",
        "|---|---|---|",
        "| nothing | 0.9900 | 0.9800 |",
        "| households | 0.9000 |  |",
    ]
