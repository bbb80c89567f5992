"""The histogram of match weights against counting by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker.matching.histogram import N_BINS, histogram_of

WEIGHTS = st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 1e6)), max_size=12)


@given(WEIGHTS, WEIGHTS, st.floats(-20, 20))
def test_every_pair_is_in_one_bin(between, null, threshold):
    sides = [np.array(side, dtype=np.float64).reshape(-1, 2).T for side in (between, null)]
    found = histogram_of(*sides[0], null=sides[1][0], null_weight=sides[1][1], threshold=threshold)
    assert len(found.edges) == N_BINS + 1
    assert found.edges[0] <= threshold <= found.edges[-1]
    for counts, (weights, pairs) in zip((found.between, found.null), sides, strict=True):
        assert np.isclose(counts.sum(), pairs.sum())
        place = np.clip(np.searchsorted(found.edges, weights, side="right") - 1, 0, N_BINS - 1)
        assert np.allclose(counts, np.bincount(place, pairs, N_BINS))
