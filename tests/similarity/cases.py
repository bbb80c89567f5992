"""What the tests of the kernels compare: filters with distances of all sizes, and tiles too small for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import strategies as st

from pprl.similarity import _hamming, _nearest, _pairs, _plan, _tiles

# Blocks are of 4 left and 16 right rows.
N_ROWS = st.one_of(st.integers(0, 5), st.sampled_from([15, 16, 17, 31, 32, 33, 48, 63, 70]))
N_WORDS = st.integers(1, 20)
SIZES = st.fixed_dictionaries(
    {
        "tile_rows": st.integers(1, 70),
        "n_hits": st.sampled_from([64, 65, 100, 200, 1 << 16]),
        "min_work": st.sampled_from([1, 1 << 22]),
        "plan": st.none() | st.builds(_plan.Plan, st.integers(1, 20), st.booleans()),
    }
)


@contextmanager
def sizes(*, tile_rows: int, n_hits: int, min_work: int, plan: _plan.Plan | None) -> Iterator[None]:
    """Cut into tiles of so many rows, with room for so many hits; search by the plan, or by one really made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tiles, "_TILE_ROWS", tile_rows)
        patch.setattr(_tiles, "_HITS", n_hits)
        patch.setattr(_tiles, "_MIN_WORK", min_work)
        patch.setattr(_plan, "_PAIRS_TO_PLAN", 1)
        patch.setattr(_pairs, "_PAIRS_PER_PART", tile_rows)
        if plan is not None:
            for module in (_hamming, _nearest):
                patch.setattr(module, "plan", lambda *_: plan)
        yield


def filters(seed: int, *shape: int) -> np.ndarray:
    """Words of which half are near a common one, so that distances of all sizes turn up."""
    random = np.random.default_rng(seed)
    words = random.integers(0, 2**64, shape, dtype=np.uint64)
    sparse = words & random.integers(0, 2**64, shape, dtype=np.uint64) & np.roll(words, 1)
    return np.where(random.random((*shape[:-1], 1)) < 0.5, words, sparse)


def as_pairs(found) -> list[tuple[int, ...]]:
    return [tuple(hit) for hit in np.stack([np.asarray(column, np.int64) for column in found], 1).tolist()]
