"""A refreshed search finds what a full one finds, whatever changed in between."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.engines.earlier import NearPairs
from broker.engines.local import LocalEngine
from broker.engines.refresh import RefreshEngine
from broker.matching.candidates import Scope
from broker.matching.evidence import evidence_for
from broker.matching.evidence.record import RecordEvidence
from broker.matching.pipeline import link

from ..population import Town
from ..tokens import a_dataset, a_schema

N_CONTENTS = 60
WIDEST = 480
"""Bits; at this distance one pair of strangers in fifty is near."""


def silent(label, total, *, unit=""):
    return nullcontext(lambda _: None)


@pytest.fixture(scope="module")
def contents(datasets):
    """``contents(profile)``: two datasets whose rows are contents that records may have."""
    return lambda profile: [d.rows(0, N_CONTENTS) for d in datasets(profile)]


# Who is there, in which order, and with which content.
DELIVERY = st.dictionaries(st.integers(0, 30), st.integers(0, 1), max_size=25).map(lambda d: list(d.items()))
CHANGES = st.lists(
    st.tuples(st.integers(0, 24), st.sampled_from(["remove", "change", "add", "exchange"])), max_size=5
)


def changed(delivery, changes):
    delivery = list(delivery)
    for place, what in changes:
        if what == "add":
            new = next(n for n in range(60) if n not in dict(delivery))
            delivery.insert(place, (new, 0))
        elif delivery:
            place %= len(delivery)
            record, content = delivery[place]
            if what == "remove":
                del delivery[place]
            elif what == "change":
                delivery[place] = (record, 1 - content)
            else:
                delivery.insert(0, delivery.pop(place))
    return delivery


def delivered(contents, delivery):
    """A delivery as a dataset, and the marks of its records."""
    marks = np.array(delivery, np.uint64).reshape(-1, 2)
    rows = (marks[:, 0] % 30 + 30 * marks[:, 1]).astype(np.int64)
    return contents.some(rows), marks


def scope_of(dataset, shares):
    n_left = round(len(dataset) * max(shares))
    return Scope(n_left, round(len(dataset) * min(shares)))


def assert_equal(found, expected):
    assert found.pairs.left.tolist() == expected.pairs.left.tolist()
    assert found.pairs.right.tolist() == expected.pairs.right.tolist()
    assert found.from_filter.tolist() == expected.from_filter.tolist()
    assert found.from_key.tolist() == expected.from_key.tolist()
    assert found.capped == expected.capped
    assert found.pairs.n_possible == expected.pairs.n_possible


SHARES = st.sampled_from([(1, 1), (1, 0.5), (0.7, 0.4), (1, 0)])


@pytest.mark.parametrize("itself", [False, True])
@given(st.data())
def test_a_refreshed_search_is_a_full_one(contents, itself, data):
    schema = a_schema("standard")
    kept = None
    history = [data.draw(DELIVERY), data.draw(DELIVERY)]
    for _ in range(3):
        sides, marks = [], {}
        for content, delivery in zip(contents("standard"), history, strict=True):
            side, marks[content.name] = delivered(content, delivery)
            sides.append(side)
        left, right = sides if data.draw(st.booleans()) else sides[::-1]  # the larger one is left
        right = None if itself else right
        scope = scope_of(left, data.draw(SHARES))
        evidence = RecordEvidence(schema, data.draw(st.integers(WIDEST - 2, WIDEST + 2)))
        engine = RefreshEngine(LocalEngine(), marks, kept, schema="s")
        found = engine.candidates(evidence, left, right, scope, progress=silent)
        assert_equal(found, LocalEngine().candidates(evidence, left, right, scope, progress=silent))
        assert engine.n_compared <= engine.n_in_full
        kept = engine.found
        history = [changed(delivery, data.draw(CHANGES)) for delivery in history]


@pytest.mark.parametrize("profile", ["standard", "fields"])
def test_only_what_is_new_is_searched(contents, profile):
    sides = contents(profile)
    marks = {side.name: np.arange(2 * len(side), dtype=np.uint64).reshape(-1, 2) for side in sides}
    schema, whole = sides[0].schema.fingerprint, Scope(N_CONTENTS, N_CONTENTS)
    evidence = evidence_for(*sides, (), seed=0)
    left, right = map(evidence.prepare, sides)
    first = RefreshEngine(LocalEngine(), marks, schema=schema)
    found = first.candidates(evidence, left, right, whole, progress=silent)
    assert first.n_compared == first.n_in_full == N_CONTENTS**2
    again = RefreshEngine(LocalEngine(), marks, first.found, schema=schema)
    assert_equal(again.candidates(evidence, left, right, whole, progress=silent), found)
    assert (again.n_compared, again.n_in_full) == (0, N_CONTENTS**2)
    marks = {name: some.copy() for name, some in marks.items()}
    marks["a"][7] += 99
    marks["b"][[3, 5]] += 99
    changed = RefreshEngine(LocalEngine(), marks, first.found, schema=schema)
    assert_equal(changed.candidates(evidence, left, right, whole, progress=silent), found)
    assert changed.n_compared == 3 * N_CONTENTS


@pytest.mark.parametrize("why", ["schema", "nearness", "much changed", "names"])
def test_all_is_searched_where_what_is_kept_does_not_help(contents, why):
    left, right = contents("standard")
    whole, marks = (
        Scope(N_CONTENTS, N_CONTENTS),
        {"a": np.arange(120).reshape(60, 2), "b": np.arange(120).reshape(60, 2)},
    )
    marks = {name: some.astype(np.uint64) for name, some in marks.items()}
    evidence = RecordEvidence(left.schema, WIDEST)
    first = RefreshEngine(LocalEngine(), marks, schema="s")
    first.candidates(evidence, left, right, whole, progress=silent)
    schema = "s"
    if why == "schema":
        schema = "t"
    elif why == "nearness":
        evidence = RecordEvidence(left.schema, WIDEST + 1)
    elif why == "names":
        left, marks = replace(left, name="c"), {"c": marks["a"], "b": marks["b"]}
    else:
        marks["a"] = marks["a"] + np.arange(60, dtype=np.uint64)[:, None] // 25 * 1000
    engine = RefreshEngine(LocalEngine(), marks, first.found, schema=schema)
    found = engine.candidates(evidence, left, right, whole, progress=silent)
    assert engine.n_compared == engine.n_in_full == N_CONTENTS**2
    assert_equal(found, LocalEngine().candidates(evidence, left, right, whole, progress=silent))


@pytest.mark.parametrize("profile", ["standard", "fields", "tokens"])
def test_a_linkage_of_three_sites_over_time(profile, tmp_path, monkeypatch):
    monkeypatch.setattr("broker.matching.evidence.fields.model._SAMPLE", 20_000)
    town = Town(
        1, n_people=300, holds=((0, 0.6), (0.3, 0.9), (0.5, 1)), n_twice=(0, 12, 0)
    )  # one is deduplicated
    schema, kept, n_compared = a_schema(profile), None, []
    sites = [
        a_dataset(schema, records, name, duplicate_free=name != "b")
        for name, records in zip("abc", town.records, strict=True)
    ]
    for week in range(3):
        now = [site.rows(2 * week, len(site) - 6 + 2 * week) for site in sites]
        if week == 2:  # another one is the larger one now
            now[0] = now[0].rows(0, 100)
        marks = {site.name: site.guids.view(np.uint64) for site in now}
        engine = RefreshEngine(LocalEngine(), marks, kept, schema=schema.fingerprint)
        linkage, expected = link(now, engine=engine), link(now)
        assert linkage.links.left.tolist() == expected.links.left.tolist()
        assert linkage.links.right.tolist() == expected.links.right.tolist()
        assert linkage.links.probability.tolist() == expected.links.probability.tolist()
        assert linkage.entity.tolist() == expected.entity.tolist()
        assert linkage.n_dropped == expected.n_dropped
        assert len(linkage.links) > 150
        n_compared.append(engine.n_compared / max(engine.n_in_full, 1))
        with (tmp_path / "near").open("wb") as file:
            engine.found.write(file)
        kept = NearPairs.read(tmp_path / "near")
    if profile == "standard":
        assert n_compared[0] == 1
        assert max(n_compared[1:]) < 0.05
    if (
        profile == "fields"
    ):  # what is near depends on how frequent values are, and of few records that moves much
        assert n_compared[0] == 1
        assert min(n_compared[1:]) < 0.2
