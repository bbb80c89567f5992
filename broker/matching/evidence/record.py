"""Evidence of profiles ``standard``, ``strict`` and ``tokens``: one filter a record, and the match keys shared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from broker.matching.buckets import pairs_sharing_a_bucket
from broker.matching.candidates import Flags, Pairs, Rows, n_possible_pairs, shared_keys
from broker.matching.dataset import Dataset
from broker.matching.evidence.implied import State, field_states
from broker.matching.evidence.model import Feature, Features, Floats, Reach, Seen, Vectors
from pprl import similarity
from pprl.schema import Kind, Schema
from pprl.schema.kinds import DEFAULTS

KEYS, DISTANCE = "match keys", "filter distance"
"""Parts of the evidence that are no field; no field's name has a blank."""

_NEARNESS_FLOOR = 0.1  # of 1 - 2d; at d = .45 a distance stops telling
_KNOTS = (0.38, 0.42)  # where the weight of a distance may change its slope
_CLEAR_SD = 7.0  # so many standard deviations below one half no stranger is met
_COUNTS = ((1, 1), (2, 2), (3, 4), (5, None))

# Weights without data, in nats: what fits to generated populations have in common, rounded
# (docs/decisions/0010-learning-beside-duplicates.md).
_COUNT_PRIOR = (6.5, 8.3, 9.0, 14.2)
_NO_KEY_PRIOR = -1.3
_SHARE_MISSING_PRIOR = 1.5
_DISTANCE_PRIOR = {
    "nearness": 7.5,
    "tokens differing": 1.0,
    f"beyond {_KNOTS[0]}": 1.4,
    f"beyond {_KNOTS[1]}": -1.5,
    "none shared, strangers as near": 6.0,
    "one-sided fields": 2.0,
    "one-sided fields x nearness": 0.0,
    "any key x nearness": -3.5,
    "keys shared x nearness": -0.8,
}
_STATES = {
    State.DIFFERS: "differs",
    State.ALIKE: "a part agrees",
    State.AGREES: "agrees",
    State.EXCHANGED: "exchanged",
}
_STATE_PRIOR = {  # differs, a part agrees, agrees, exchanged; the keys shared weigh besides
    Kind.GIVEN_NAME: (-3.0, 1.0, 3.0, 1.5),
    Kind.SURNAME: (-0.8, 0.0, 1.4, 1.4),
    Kind.BIRTH_DATE: (-3.0, -1.5, 2.2, 0.0),
    Kind.POSTCODE: (0.0, -1.6, 0.0, 0.0),
}
_CUT_SD = 3.3  # near pairs lie at least so many standard deviations below the distance of strangers, one half
_SAMPLED_PAIRS = 1_000_000_000  # above so many pairs the cut is set by a sample
_SAMPLED_ROWS = 16_384
# Two records are compared by filter if, of what all fields weigh in it, those that both have weigh so much; and so
# much besides the weightiest of them, for one field alone is not enough.
_LEAST_COMMON, _LEAST_BESIDES = 0.3, 0.1
_SPARE_BITS = 3  # each makes a quarter more near pairs


def stranger_budget(n_left: int, n_right: int) -> int:
    """Pairs of strangers among the near ones that a comparison can bear: 20 for each row of the smaller side.

    Among so many strangers to a record, one more that is farther away than all of them cannot be its match by the
    filter alone. Beyond 100,000 rows it is fewer, down to two a row, which no link needs either.
    """
    smaller = min(n_left, n_right)
    return min(20 * smaller, 2_000_000 + 2 * smaller)


def near_distance(left: Dataset, right: Dataset | None) -> int:
    """Largest distance in bits of near pairs of two datasets, or within one where ``right`` is None.

    The 3.3 standard deviations below the distance of strangers, or less where that would be more strangers than
    `stranger_budget` allows; how many there would be is counted on pairs of the first 16,384 rows.
    """
    n_bits = left.schema.filter.n_bits
    widest = int(n_bits * (0.5 - _CUT_SD * 0.5 / np.sqrt(n_bits)))
    n_possible = n_possible_pairs(left, right)
    if n_possible <= _SAMPLED_PAIRS:
        return widest
    some = left.filters["record"][:_SAMPLED_ROWS]
    if right is None:  # other rows, so that none meets itself
        others = left.filters["record"][_SAMPLED_ROWS : 2 * _SAMPLED_ROWS]
    else:
        others = right.filters["record"][:_SAMPLED_ROWS]
    _, _, distances = similarity.within(some, others, max_distance=widest)
    each = n_possible / max(len(some) * len(others), 1)
    strangers = np.cumsum(np.bincount(distances, minlength=widest + 1)) * each
    allowed = stranger_budget(len(left), len(left if right is None else right))
    return max(int(np.searchsorted(strangers, allowed, side="right")) - 1, 0)


class RecordEvidence:
    """Distance of the record filters, number and names of the match keys shared, and what is missing.

    Parameters
    ----------
    schema : Schema
    max_distance : int
        Of near pairs, in bits.

    Notes
    -----
    Diffusion maps an input distance to ``d = (1 - (1 - 2 d_in)**t) / 2``, so ``log(1 - 2d)`` is nearly linear in
    the number of tokens two records differ by; it is the main feature, with changes of slope at fixed distances.
    Strangers' distances are nearly binomial about one half: of a pair without a key the log density of as near a
    stranger, ``-z**2 / 2`` at z standard deviations below one half, is a feature too, in tens of nats.
    A field present on one side only adds its tokens to the distance, hence the feature ``one-sided`` and its
    product with nearness. What the match keys imply of each field (`broker.matching.evidence.implied`) are further
    features: of two records that share three keys it matters whether these say that the given names agree. Comparison
    vectors have four columns: the distance in bits, the match keys shared and those missing on a side (bit k for
    key k), and the fields that only one side has (bit i for field i).
    """

    def __init__(self, schema: Schema, max_distance: int) -> None:
        self._schema = schema
        filters = schema.filter
        self._has_filter = filters.layout == "record"
        self._max_distance = max_distance
        # Bits of its own that a field sets in an average record, as a share of the filter.
        self._load = np.array(
            [
                f.n_hashes * DEFAULTS[f.kind].n_tokens * (1 - filters.fill) / filters.n_bits
                for f in schema.fields
            ]
        )
        whole = self._load.sum()
        no_more_than_it_has = 0.99 * (whole - self._load.max())
        self._least_common = _LEAST_COMMON * whole
        self._least_besides = min(_LEAST_BESIDES * whole, no_more_than_it_has)
        features = [
            Feature(KEYS, f"{_count(low, high)} shared", prior)
            for (low, high), prior in zip(_COUNTS, _COUNT_PRIOR, strict=True)
        ]
        features += [
            Feature(KEYS, "none shared", _NO_KEY_PRIOR),
            Feature(KEYS, "share missing", _SHARE_MISSING_PRIOR),
            Feature(KEYS, "none shared, share missing", 0.0),
        ]
        read = {name for key in schema.match_keys for part in key.parsed for name in part.fields}
        self._told = [number for number, name in enumerate(schema.field_names) if name in read]
        features += [
            Feature(schema.fields[number].name, label, prior)
            for number in self._told
            for label, prior in zip(
                _STATES.values(), _STATE_PRIOR.get(schema.fields[number].kind, (0.0,) * 4), strict=True
            )
        ]
        if self._has_filter:
            features += [Feature(DISTANCE, label, prior) for label, prior in _DISTANCE_PRIOR.items()]
        self._features = tuple(features)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the feature matrix, in order."""
        return self._features

    @property
    def compares_filters(self) -> bool:
        """Whether there are filters to find near pairs by."""
        return self._has_filter

    @property
    def reach(self) -> Reach:
        """The largest distance of near pairs, in bits."""
        return self._max_distance

    @property
    def nearness(self) -> None:
        """Nothing is known before: filters of records differ by all their fields together."""
        return None

    def reaching(self, reach: Reach) -> RecordEvidence | None:
        """The model of a larger distance, up to a few bits more."""
        if not isinstance(reach, int) or not 0 <= reach - self._max_distance <= _SPARE_BITS:
            return None
        return RecordEvidence(self._schema, reach)

    def farther(self) -> RecordEvidence:
        """The model itself, whose reach hardly moves."""
        return self

    def prepare(self, dataset: Dataset) -> Dataset:
        """The dataset as it is."""
        return dataset

    def near(self, left: Dataset, right: Dataset, *, n_threads: int | None = None) -> tuple[Rows, Rows]:
        """Rows of all pairs at most ``max_distance`` bits apart that have enough in common to be compared by."""
        left_rows, right_rows, _ = similarity.within(
            left.filters["record"],
            right.filters["record"],
            max_distance=self._max_distance,
            n_threads=n_threads,
        )
        enough = self._enough(left, right, left_rows, right_rows)
        return left_rows[enough], right_rows[enough]

    def near_among(self, left: Dataset, right: Dataset, pairs: Pairs) -> Flags:
        """Which of listed pairs are at most ``max_distance`` bits apart and have enough in common."""
        distances = similarity.of_pairs(
            left.filters["record"], right.filters["record"], pairs.left, pairs.right
        )
        near: Flags = distances <= self._max_distance
        return near & self._enough(left, right, pairs.left, pairs.right)

    def bucketed(self, left: Dataset, right: Dataset | None, *, n_tables: int) -> Rows:
        """Codes of near pairs that meet in one of so many tables of buckets; ``right`` None: within ``left``."""
        codes = pairs_sharing_a_bucket(left, right, n_tables=n_tables, max_distance=self._max_distance)
        other = left if right is None else right
        return codes[self._enough(left, other, *np.divmod(codes, len(other)))]

    def _enough(self, left: Dataset, right: Dataset, left_rows: Rows, right_rows: Rows) -> Flags:
        """Whether the fields that both records have say whether they are alike.

        The filters of two records that have hardly a value are near whoever they are.
        """
        common = left.presence[left_rows] & right.presence[right_rows]
        total, largest = np.zeros((2, len(common)))
        for number, load in enumerate(self._load.tolist()):
            here = load * (common >> np.uint32(number) & np.uint32(1))
            total += here
            np.maximum(largest, here, out=largest)
        enough: Flags = (total >= self._least_common) & (total - largest >= self._least_besides)
        return enough

    def compare(self, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """Comparison vectors of listed pairs, shape (pairs, 4)."""
        vectors = np.zeros((len(pairs), 4), dtype=np.uint32)
        if self._has_filter:
            vectors[:, 0] = similarity.of_pairs(
                left.filters["record"], right.filters["record"], pairs.left, pairs.right
            )
        vectors[:, 1], vectors[:, 2] = shared_keys(left, right, pairs)
        vectors[:, 3] = left.presence[pairs.left] ^ right.presence[pairs.right]
        return vectors

    def measure(self, vectors: Vectors) -> Features:
        """Features of comparison vectors, float32, shape (vectors, features)."""
        bits, shared, missing, differs = vectors.T
        n_keys = len(self._schema.match_keys)
        n_shared = np.bitwise_count(shared)
        share_missing = np.bitwise_count(missing) / max(n_keys, 1)
        none = n_shared == 0
        columns: list[npt.NDArray[np.generic]] = [
            (n_shared >= low) & (high is None or n_shared <= high) for low, high in _COUNTS
        ]
        columns += [none, share_missing, none * share_missing]
        states = field_states(self._schema, shared, missing)
        columns += [states[:, number] == state for number in self._told for state in _STATES]
        if self._has_filter:
            distance, one_sided = bits / self._schema.filter.n_bits, self._one_sided(differs)
            closeness = np.maximum(1 - 2 * distance, _NEARNESS_FLOOR)
            nearness = np.log(closeness / _NEARNESS_FLOOR)
            columns += [nearness, 5 * (1 - closeness ** (1 / self._schema.filter.n_taps))]
            columns += [10 * np.maximum(distance - knot, 0) for knot in _KNOTS]
            below = np.clip((1 - 2 * distance) * self._schema.filter.n_bits**0.5, 0, _CLEAR_SD)
            columns.append(none * (below**2 - _CLEAR_SD**2) / 20)
            columns += [one_sided, one_sided * nearness, ~none * nearness, n_shared * nearness / 4]
        out = np.empty((len(vectors), len(self._features)), dtype=np.float32)
        for place, column in enumerate(columns):
            out[:, place] = column
        return out

    def describe(self, vectors: Vectors) -> tuple[Seen, ...]:
        """The match keys shared and what they imply, how far apart the filters are, which fields one side only has."""
        states = field_states(self._schema, vectors[:, 1], vectors[:, 2])
        texts = ("the keys do not tell", *_STATES.values())
        seen = [Seen(KEYS, *_in_words(vectors[:, 1:3], self._say_keys))]
        seen += [
            Seen(self._schema.field_names[number], texts, states[:, number].astype(np.int64))
            for number in self._told
        ]
        if self._has_filter:
            seen.append(Seen(DISTANCE, *_in_words(vectors[:, [0, 3]], self._say_distance)))
        return tuple(seen)

    def _say_keys(self, shared: int, missing: int) -> str:
        names = [key.name for key in self._schema.match_keys]
        held = [name for bit, name in enumerate(names) if shared >> bit & 1]
        text = (
            f"{len(held)} of {len(names)} shared: {', '.join(held)}"
            if held
            else f"none of {len(names)} shared"
        )
        n_missing = missing.bit_count()
        return f"{text}; {n_missing} missing on a side" if n_missing else text

    def _say_distance(self, bits: int, differs: int) -> str:
        text = f"{100 * bits / self._schema.filter.n_bits:.1f} % of the bits differ"
        fields = [name for bit, name in enumerate(self._schema.field_names) if differs >> bit & 1]
        return f"{text}; one side only has {', '.join(fields)}" if fields else text

    def _one_sided(self, differs: npt.NDArray[np.uint32]) -> Floats:
        """Ten times the expected input distance due to fields that only one of the two records has."""
        total = np.zeros(len(differs))
        for bit, load in enumerate(self._load):
            total += (differs >> np.uint32(bit) & np.uint32(1)) * load
        return 10 * total


def _in_words(
    values: Vectors, say: Callable[[int, int], str]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Texts of the distinct pairs of values, and which of them each row has."""
    distinct, which = np.unique(values, axis=0, return_inverse=True)
    return tuple(say(*row) for row in distinct.tolist()), which.astype(np.int64)


def _count(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"
