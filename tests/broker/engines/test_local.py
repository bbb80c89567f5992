"""The engine of one machine: against brute force, in tiles of any size, and going on after a kill."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from itertools import combinations, product

import numpy as np
import pytest

from broker.engines.local import LocalEngine
from broker.engines.speed import comparisons_per_s
from broker.engines.tiles import TileStore
from broker.matching.candidates import Scope
from broker.matching.evidence import evidence_for
from broker.matching.pipeline import link

from ..tokens import a_schema


def silent(label, total, *, unit=""):
    return nullcontext(lambda _: None)


def a_search(datasets, itself, profile="standard"):
    left, right = (d.rows(0, 150) for d in datasets(profile))
    evidence = evidence_for(left, None if itself else right, (left, right), seed=0)
    return evidence, evidence.prepare(left), None if itself else evidence.prepare(right)


@pytest.mark.parametrize("itself", [False, True])
@pytest.mark.parametrize(
    "scope", [Scope(150, 150), Scope(150, 40), Scope(60, 20), Scope(150, 0), Scope(0, 0)]
)
def test_candidates_are_brute_force(datasets, itself, scope):
    evidence, left, right = a_search(datasets, itself)
    other = left if itself else right
    found = LocalEngine().candidates(evidence, left, right, scope, progress=silent)
    pairs = [
        (a, b)
        for a, b in (combinations(range(150), 2) if itself else product(range(150), range(150)))
        if a < scope.n_left
    ]
    bits = np.bitwise_count(left.filters["record"][:, None] ^ other.filters["record"][None]).sum(axis=2)
    near = {(a, b) for a, b in pairs if a < scope.n_probed and bits[a, b] <= evidence._max_distance}
    sharing = {
        (a, b)
        for a, b in pairs
        if any(
            {int(c[a]) for c in one} & {int(c[b]) for c in two} - {0}
            for one, two in zip(left.keys, other.keys, strict=True)
        )
    }
    assert list(zip(found.pairs.left.tolist(), found.pairs.right.tolist(), strict=True)) == sorted(
        near | sharing
    )
    for flags, expected in ((found.from_filter, near), (found.from_key, sharing)):
        flagged = found.pairs.some(flags)
        assert set(zip(flagged.left.tolist(), flagged.right.tolist(), strict=True)) == expected
    assert found.pairs.n_possible == len(pairs)


@pytest.mark.parametrize("profile", ["standard", "fields"])
@pytest.mark.parametrize("itself", [False, True])
def test_tiles_and_threads_change_nothing(datasets, profile, itself):
    evidence, left, right = a_search(datasets, itself, profile)
    whole = LocalEngine().candidates(evidence, left, right, Scope(150, 150), progress=silent)
    for pairs_per_tile, n_threads in ((1, 1), (1000, 2), (5000, 1)):
        engine = LocalEngine(pairs_per_tile=pairs_per_tile, n_threads=n_threads)
        found = engine.candidates(evidence, left, right, Scope(150, 150), progress=silent)
        assert np.array_equal(found.pairs.left, whole.pairs.left)
        assert np.array_equal(found.pairs.right, whole.pairs.right)
        assert np.array_equal(found.from_filter, whole.from_filter)


def test_a_killed_run_goes_on_where_it_was(datasets, linked, tmp_path):
    sites, job = datasets("standard"), {"run": 1}

    class Killed(BaseException):
        pass

    def engine(folder=tmp_path / "tiles"):
        return LocalEngine(TileStore(folder, job), pairs_per_tile=50_000)

    done = []

    @contextmanager
    def dies(label, total, *, unit=""):
        def advance(n):
            done.append(n)
            if len(done) == 4:
                raise Killed

        yield advance if label.endswith("comparing filters") else lambda _: None

    with pytest.raises(Killed):
        link(sites, engine=engine(), progress=dies)
    store = TileStore(tmp_path / "tiles", job)
    assert store.n_found == 4
    searched = []
    again = engine()
    search = again._tile
    again._tile = lambda *where: searched.append(where[3:]) or search(*where)
    resumed = link(sites, engine=again)
    whole = link(sites, engine=engine(tmp_path / "other"))
    assert len(searched) == TileStore(tmp_path / "other", job).count() - 4
    for other in (whole, linked("standard")):
        assert np.array_equal(resumed.links.left, other.links.left)
        assert np.array_equal(resumed.links.right, other.links.right)
        assert np.array_equal(resumed.links.probability, other.links.probability)
        assert np.array_equal(resumed.entity, other.entity)


@pytest.mark.parametrize(("profile", "finite"), [("standard", True), ("fields", True), ("tokens", False)])
def test_the_speed_of_this_machine(profile, finite):
    speed = comparisons_per_s(a_schema(profile))
    assert speed > 1e5
    assert (speed < float("inf")) == finite
