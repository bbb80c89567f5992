"""evidence.parquet: its columns, that its rows add up, and that they are those of the links."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker import evidence_table
from broker.evidence_table import (
    EVIDENCE_VERSION,
    OUTCOMES,
    evidence_batches,
    evidence_schema,
    version_of,
    write_evidence,
)
from broker.matching.evidence.model import BITS_PER_NAT
from broker.matching.pipeline import link
from broker.tables import link_batches

from .population import FIELDS, Town
from .tokens import a_dataset, a_schema

HEAD = [
    *("left_dataset", "left_record", "right_dataset", "right_record"),
    *("probability", "outcome", "others", "prior", "intercept"),
]
PARTS = {
    "standard": [
        "match keys",
        *(field for field in FIELDS if field not in ("street", "city")),  # no key reads these
        "filter distance",
    ],
    "tokens": ["match keys", *FIELDS],
    # What depends on another part comes behind it.
    "fields": [
        *(field for field in FIELDS if field not in ("street", "city")),
        "street",
        "city",
        "same household",
    ],
}


@pytest.fixture(scope="module")
def several():
    """Three datasets, one of which may hold duplicates: the larger comes second, and one is compared with itself."""
    town = Town(7, n_people=300, holds=((0, 0.4), (0.2, 0.8), (0.4, 1)), n_twice=(0, 0, 30))
    sites = [
        a_dataset(a_schema("fields"), rows, name, duplicate_free=name != "c")
        for rows, name in zip(town.records, "abc", strict=True)
    ]
    return link(sites)


def table(linkage) -> pa.Table:
    return pa.Table.from_batches(evidence_batches(linkage), evidence_schema(linkage))


def keys(found: pa.Table) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in HEAD[:4]) for row in found.to_pylist()]


@pytest.mark.parametrize("profile", PARTS)
def test_columns(linked, profile):
    found = table(linked(profile))
    parts = [name for part in PARTS[profile] for name in (f"weight:{part}", f"seen:{part}")]
    assert found.column_names == [*HEAD, *parts, "competition"]
    assert found.schema.metadata == {
        b"pprl_evidence_version": str(EVIDENCE_VERSION).encode(),
        b"unit": b"bits",
    }
    assert version_of(found.schema) == "1"
    assert version_of(pa.schema([])) == ""
    found.validate(full=True)
    assert set(found["outcome"].to_pylist()) <= set(OUTCOMES)
    assert not any(column.null_count for column in found.columns)


@pytest.mark.parametrize("profile", PARTS)
def test_a_row_adds_up_to_its_probability(linked, profile):
    found = table(linked(profile))
    weights = [name for name in found.column_names if name.startswith("weight:")]
    total = sum(
        np.asarray(found[name], np.float64) for name in ("prior", "intercept", *weights, "competition")
    )
    assert np.allclose(1 / (1 + 2**-total), np.asarray(found["probability"]), atol=1e-5)
    explained = linked(profile).comparisons[0].explained
    alone = total - np.asarray(found["competition"], np.float64)
    assert np.allclose(alone, explained.log_odds * BITS_PER_NAT, atol=1e-4)


def test_linked_rows_are_the_links(several):
    found = table(several)
    linked = [row for row in found.to_pylist() if row["outcome"] == "linked"]
    links = [row for batch in link_batches(several) for row in batch.to_pylist()]
    key = "left_dataset", "left_record", "right_dataset", "right_record", "probability"
    assert {tuple(row[name] for name in key) for row in linked} == {
        tuple(row[name] for name in key) for row in links
    }
    assert len(linked) == len(links)
    assert len(set(keys(found))) == found.num_rows
    assert {(row["left_dataset"], row["right_dataset"]) for row in linked} == {
        *(("a", "b"), ("b", "c"), ("c", "c"))  # a and c share nobody
    }


def test_outcomes(several):
    threshold = several.threshold
    for row in table(several).to_pylist():
        assert (row["outcome"] == "below threshold") == (row["probability"] < threshold)
        assert 0 <= row["others"] <= 1 - row["probability"] + 1e-5
    first = several.comparisons[0].explained
    # As if all records were of one entity each: what was chosen is dropped.
    apart = replace(several, entity=np.arange(len(several.entity)))
    assert set(table(apart)["outcome"].to_pylist()) <= {"dropped", "below threshold", "another chosen"}
    # As if others had been chosen.
    none = replace(first, chosen=np.zeros(len(first), np.bool_))
    other = replace(several, comparisons=(replace(several.comparisons[0], explained=none),))
    assert set(table(other)["outcome"].to_pylist()) <= {"another chosen", "below threshold"}


def test_rounding_takes_no_pair_across_the_threshold(linked):
    linkage = linked("standard")
    (comparison,) = linkage.comparisons
    found = comparison.explained
    posterior = np.linspace(0.4999999, 0.5000001, len(found))
    posterior[-1] = 1.0
    odd = replace(comparison, explained=replace(found, posterior=posterior))
    rows = table(replace(linkage, comparisons=(odd,))).to_pylist()
    for row, exact in zip(rows, posterior, strict=True):
        assert (row["probability"] >= 0.5) == (exact >= 0.5)
    assert rows[-1]["probability"] == 0.999999


def test_a_part_that_a_comparison_has_not_is_null():
    town = Town(5, n_people=120, holds=((0, 0.6), (0.2, 0.8), (0.4, 1)), n_twice=(0, 0, 0))
    rows = [*town.records[:2], [record | {"street": None} for record in town.records[2]]]
    sites = [a_dataset(a_schema("fields"), some, name) for some, name in zip(rows, "abc", strict=True)]
    found = table(link(sites)).to_pandas()
    with_c = found["right_dataset"] == "c"
    assert found.loc[with_c, ["weight:street", "seen:street"]].isna().all().all()
    assert found.loc[~with_c, ["weight:street", "seen:street"]].notna().all().all()


def test_the_file_holds_guids_levels_and_names_only(linked, datasets, tmp_path):
    for profile in PARTS:
        path = tmp_path / f"{profile}.parquet"
        write_evidence(path, linked(profile))
        assert path.stat().st_mode & 0o777 == 0o600
        found = pq.read_table(path)
        assert found.schema.equals(evidence_schema(linked(profile)))
        for name in found.column_names:
            if name.startswith("seen:"):
                for text in set(found[name].to_pylist()):
                    assert not re.search(r"[0-9a-f]{8}", text)
        guids = {guid.tobytes().hex() for dataset in datasets(profile) for guid in dataset.guids}
        for side in ("left", "right"):
            assert {text.replace("-", "") for text in found[f"{side}_record"].to_pylist()} <= guids


def test_any_batch_size_gives_the_same_rows(several, monkeypatch):
    whole = table(several).to_pylist()
    monkeypatch.setattr(evidence_table, "ROWS_PER_BATCH", 7)
    batches = list(evidence_batches(several))
    assert max(batch.num_rows for batch in batches) == 7
    assert [row for batch in batches for row in batch.to_pylist()] == whole


def test_the_same_run_gives_the_same_bytes(datasets, tmp_path):
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        write_evidence(path, link(datasets("fields")))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_rows_stand_in_the_order_of_the_datasets(several):
    order = {"a": 0, "b": 1, "c": 2}
    rows = keys(table(several))
    sides = [(order[row[0]], order[row[2]]) for row in rows]
    assert all(left <= right for left, right in sides)
    assert list(dict.fromkeys(sides)) == [(0, 1), (0, 2), (1, 2), (2, 2)]


def test_no_comparison_no_row(several, tmp_path):
    none = replace(several, comparisons=())
    write_evidence(tmp_path / "evidence.parquet", none)
    assert pq.read_table(tmp_path / "evidence.parquet").num_rows == 0
