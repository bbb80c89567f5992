"""Evidence of profiles ``standard``, ``strict`` and ``tokens``: one filter a record, and the match keys shared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs, near_pairs, pairs_sharing_a_key, shared_keys
from broker.matching.dataset import Dataset
from broker.matching.evidence.model import Feature, Features, Floats, Found, merge
from pprl import similarity
from pprl.schema import Schema
from pprl.schema.kinds import DEFAULTS

_CUT_SD = 3.3  # candidates lie this many standard deviations below the distance of strangers, one half
_NEARNESS_FLOOR = 0.1  # of 1 - 2d; at d = .45 a distance stops telling
_KNOTS = (0.38, 0.42)  # where the weight of a distance may change its slope
_COUNTS = ((1, 1), (2, 2), (3, 4), (5, None))
_COUNT_PRIOR = (6.0, 9.0, 12.0, 14.0)
_NEARNESS_PRIOR = 10.0
_NO_KEY_PRIOR = -2.0


class RecordEvidence:
    """Distance of the record filters, number and names of the match keys shared, and what is missing.

    Parameters
    ----------
    schema : Schema

    Notes
    -----
    Diffusion maps an input distance to ``d = (1 - (1 - 2 d_in)**t) / 2``, so ``log(1 - 2d)`` is nearly linear in
    the number of tokens two records differ by; it is the main feature, with changes of slope at fixed distances.
    A field present on one side only adds its tokens to the distance, hence the feature ``one-sided`` and its
    product with nearness.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        filters = schema.filter
        self._has_filter = filters.layout == "record"
        self._max_distance = int(filters.n_bits * (0.5 - _CUT_SD * 0.5 / np.sqrt(filters.n_bits)))
        # Bits of its own that a field sets in an average record, as a share of the filter.
        self._load = np.array(
            [
                f.n_hashes * DEFAULTS[f.kind].n_tokens * (1 - filters.fill) / filters.n_bits
                for f in schema.fields
            ]
        )
        features = [
            Feature("keys", f"{_count(low, high)} shared", prior)
            for (low, high), prior in zip(_COUNTS, _COUNT_PRIOR, strict=True)
        ]
        features.append(Feature("keys", "none shared", _NO_KEY_PRIOR))
        features += [Feature("keys", f"shared: {key.name}", 0.0) for key in schema.match_keys]
        features += [
            Feature("keys", "share missing", 0.0),
            Feature("keys", "none shared, share missing", 0.0),
        ]
        if self._has_filter:
            features += [
                Feature("distance", "nearness", _NEARNESS_PRIOR),
                Feature("distance", "tokens differing", 0.0),
            ]
            features += [Feature("distance", f"beyond {knot}", 0.0) for knot in _KNOTS]
            features += [
                Feature("distance", "one-sided fields", 0.0),
                Feature("distance", "one-sided fields x nearness", 0.0),
                Feature("distance", "any key x nearness", 0.0),
                Feature("distance", "keys shared x nearness", 0.0),
            ]
        self._features = tuple(features)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the feature matrix, in order."""
        return self._features

    def candidates(self, left: Dataset, right: Dataset | None) -> Found:
        """All pairs near by filter, and all that share a match key not held by too many."""
        by_key, capped = pairs_sharing_a_key(left, right)
        by_filter = np.empty(0, dtype=np.int64)
        if self._has_filter:
            by_filter = near_pairs(left, right, max_distance=self._max_distance)
        return merge(by_filter, by_key, capped, left, right)

    def measure(self, left: Dataset, right: Dataset, pairs: Pairs) -> Features:
        """Feature matrix of listed pairs, float32, shape (pairs, features)."""
        n_keys = len(self._schema.match_keys)
        shared, missing = shared_keys(left, right, pairs)
        n_shared = np.bitwise_count(shared)
        share_missing = np.bitwise_count(missing) / max(n_keys, 1)
        none = n_shared == 0
        columns: list[npt.NDArray[np.generic]] = [
            (n_shared >= low) & (high is None or n_shared <= high) for low, high in _COUNTS
        ]
        columns.append(none)
        columns += [shared >> np.uint32(key) & np.uint32(1) for key in range(n_keys)]
        columns += [share_missing, none * share_missing]
        if self._has_filter:
            distance, one_sided = self.distance(left, right, pairs), self._one_sided(left, right, pairs)
            closeness = np.maximum(1 - 2 * distance, _NEARNESS_FLOOR)
            nearness = np.log(closeness / _NEARNESS_FLOOR)
            columns += [nearness, 5 * (1 - closeness ** (1 / self._schema.filter.n_taps))]
            columns += [10 * np.maximum(distance - knot, 0) for knot in _KNOTS]
            columns += [one_sided, one_sided * nearness, ~none * nearness, n_shared * nearness / 4]
        out = np.empty((len(pairs), len(self._features)), dtype=np.float32)
        for place, column in enumerate(columns):
            out[:, place] = column
        return out

    def distance(self, left: Dataset, right: Dataset, pairs: Pairs) -> Floats:
        """Normalised Hamming distance of the record filters, shape (pairs,)."""
        bits = similarity.of_pairs(left.filters["record"], right.filters["record"], pairs.left, pairs.right)
        return bits / self._schema.filter.n_bits

    def _one_sided(self, left: Dataset, right: Dataset, pairs: Pairs) -> Floats:
        """Ten times the expected input distance due to fields that only one of the two records has."""
        differs = left.presence[pairs.left] ^ right.presence[pairs.right]
        total = np.zeros(len(pairs))
        for bit, load in enumerate(self._load):
            total += (differs >> np.uint32(bit) & np.uint32(1)) * load
        return 10 * total


def _count(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"
