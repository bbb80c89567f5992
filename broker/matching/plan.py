"""What a linkage run is going to compare, decided and costed before it begins.

All pairs of two datasets are compared by filter where that can be afforded: nothing is blocked, no match is lost.
Beyond, candidates are the pairs that share a match key, and a *probe*, a random sample of rows compared with all
others by filter, tells what share of the matches the keys miss. Strangers are learned from pairs within the
datasets, from samples of their rows where these are large.

Decisions depend on numbers of records alone, never on the speed of a machine: the same inputs give the same links
anywhere. Times are for people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from broker.matching.buckets import N_TABLES
from broker.matching.candidates import Scope
from broker.matching.evidence.record import stranger_budget
from pprl.package import Manifest
from pprl.schema import Schema

Candidates = Literal["auto", "all", "keys", "lsh"]

MAX_WORD_STEPS = 3.2e13
"""All pairs are compared by default up to so many comparisons of 64-bit words, about half an hour on two cores."""
PROBE_WORD_STEPS = 6.4e10
"""Spent on a probe where all pairs are too many."""
_NULL_PAIRS = 4_000_000_000  # within the datasets: all of them up to so many, or a quarter of those between
_NULL_SHARE = 4
_NULL_PROBE_SHARE = 16

# Measured on two cores of an AMD EPYC virtual machine; docs/scaling.md tells how.
_KEY_TOKENS_PER_S = 2.5e7
_PAIRS_PER_S = 3e5  # candidate pairs: compared, weighed, resolved
_RECORDS_PER_S = 8e5  # read from a package, and written as entities
_BYTES_PER_PAIR = 130
_KEY_STRANGERS = 6e-7  # of two random records, the chance that they share a match key of the default ones


@dataclass(frozen=True, slots=True)
class Size:
    """What a plan needs to know of a dataset.

    Attributes
    ----------
    name : str
    n_records : int
    duplicate_free : bool
    """

    name: str
    n_records: int
    duplicate_free: bool


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """How two datasets are to be compared, or one with itself.

    Attributes
    ----------
    rows, columns : int
        Dataset numbers; ``rows`` is the larger one, gone through in tiles. Equal: a dataset with itself.
    all_pairs : bool
        Whether all pairs are compared by filter.
    why : str
        Said to people.
    cross : Scope
        Between the two, or within the one.
    null : tuple of (int, Scope)
        Datasets, and which of the pairs within them show what strangers look like.
    n_compared : int
        Comparisons of filters, strangers included.
    n_tokens : int
        Match-key tokens to be joined.
    n_candidates : int
        Candidate pairs, roughly, strangers included.
    """

    rows: int
    columns: int
    all_pairs: bool
    why: str
    cross: Scope
    null: tuple[tuple[int, Scope], ...]
    n_compared: int
    n_tokens: int
    n_candidates: int

    @property
    def route(self) -> str:
        """How candidates are found: ``"all pairs"``, ``"match keys"``, or ``"match keys and buckets"``."""
        if self.all_pairs:
            return "all pairs"
        return "match keys and buckets" if self.cross.n_tables else "match keys"

    @property
    def itself(self) -> bool:
        """Whether a dataset is compared with itself."""
        return self.rows == self.columns

    def seconds(self, comparisons_per_s: float) -> float:
        """Expected time at so many comparisons of a record's filters a second."""
        return (
            self.n_compared / comparisons_per_s
            + self.n_tokens / _KEY_TOKENS_PER_S
            + self.n_candidates / _PAIRS_PER_S
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """All comparisons of a run.

    Attributes
    ----------
    sizes : tuple of Size
    comparisons : tuple of ComparisonPlan
    n_bytes : int
        Expected peak memory, tokens and candidates; tokens may lie on disk.
    """

    sizes: tuple[Size, ...]
    comparisons: tuple[ComparisonPlan, ...]
    n_bytes: int

    def seconds(self, comparisons_per_s: float) -> float:
        """Expected time of the whole run at so many comparisons of a record's filters a second."""
        n_records = sum(size.n_records for size in self.sizes)
        return n_records / _RECORDS_PER_S + sum(
            comparison.seconds(comparisons_per_s) for comparison in self.comparisons
        )


def sizes_of(manifests: Sequence[Manifest]) -> tuple[Size, ...]:
    """What packages say of their datasets' sizes."""
    return tuple(Size(m.dataset, m.n_records, m.duplicate_free) for m in manifests)


def word_steps(schema: Schema) -> int:
    """Words compared for one pair of records."""
    return len(schema.filter_names) * schema.filter.n_bits // 64


def make_plan(
    sizes: Sequence[Size],
    schema: Schema,
    *,
    candidates: Candidates = "auto",
    allowed: Collection[frozenset[int]] | None = None,
) -> Plan:
    """Plan the comparison of every two datasets, and of each with itself that may hold duplicates.

    Parameters
    ----------
    sizes : sequence of Size
        The datasets.
    schema : Schema
        Theirs.
    candidates : {"auto", "all", "keys", "lsh"}
        All pairs by filter up to `MAX_WORD_STEPS`, always, or never; never, but buckets besides match keys. By itself
        buckets are used where all pairs are too many and there are no match keys.
    allowed : collection of frozenset of int, optional
        Numbers of the two datasets, or of the one, that may be compared; all where it is not given.

    Returns
    -------
    Plan
        Without comparisons where there are no two records to compare.
    """
    numbers = list(combinations(range(len(sizes)), 2))
    numbers += [(d, d) for d, size in enumerate(sizes) if not size.duplicate_free]
    comparisons = tuple(
        _plan_one(sizes, left, right, schema, candidates)
        for left, right in numbers
        if _n_possible(sizes, left, right) and (allowed is None or frozenset((left, right)) in allowed)
    )
    row_bytes = 32 + 8 * (word_steps(schema) + sum(key.n_values for key in schema.match_keys))
    tokens = row_bytes * sum(size.n_records for size in sizes)
    each = [comparison.n_candidates for comparison in comparisons] or [0]
    # Where weights are learned several times, all comparisons are held until the end.
    most = max(each) if all(size.duplicate_free for size in sizes) else sum(each)
    return Plan(tuple(sizes), comparisons, tokens + _BYTES_PER_PAIR * most)


def _n_possible(sizes: Sequence[Size], left: int, right: int) -> int:
    n_right = sizes[right].n_records
    return Scope(sizes[left].n_records, 0).n_possible(n_right, itself=left == right)


def _plan_one(
    sizes: Sequence[Size], left: int, right: int, schema: Schema, candidates: Candidates
) -> ComparisonPlan:
    itself = left == right
    rows, columns = (left, right) if sizes[left].n_records >= sizes[right].n_records else (right, left)
    n_rows, n_columns = sizes[rows].n_records, sizes[columns].n_records
    n_possible = _n_possible(sizes, rows, columns)
    steps = word_steps(schema)
    choice, why = _choose(n_possible * steps, schema, candidates)
    all_pairs = choice == "all"
    n_probed = min(n_rows, max(int(PROBE_WORD_STEPS / max(steps, 1) / n_columns), 1)) if steps else 0
    cross = Scope(n_rows, n_rows if all_pairs else n_probed, N_TABLES if choice == "lsh" else 0)
    # One that is compared with itself is learned from by others, or by third records.
    strangers = [] if itself else [d for d in (rows, columns) if sizes[d].n_records > 1]
    null = tuple(
        (d, _null_scope(sizes[d].n_records, n_possible, len(strangers), steps, all_pairs)) for d in strangers
    )
    scopes = [(n_columns, cross, itself), *((sizes[d].n_records, scope, True) for d, scope in null)]
    n_tokens_a_row = sum(key.n_values for key in schema.match_keys)
    possible = [scope.n_possible(n, itself=within) for n, scope, within in scopes]
    near = stranger_budget(n_rows, n_columns) * sum(possible) / max(n_possible, 1) if all_pairs else 0
    return ComparisonPlan(
        rows=rows,
        columns=columns,
        all_pairs=all_pairs,
        why=why,
        cross=cross,
        null=null,
        n_compared=sum(Scope(scope.n_probed, 0).n_possible(n, itself=within) for n, scope, within in scopes),
        n_tokens=n_tokens_a_row * (n_rows + n_columns + sum(sizes[d].n_records for d, _ in null)),
        n_candidates=int(near + _KEY_STRANGERS * sum(possible) + n_columns),
    )


def _choose(n_steps: float, schema: Schema, candidates: Candidates) -> tuple[Candidates, str]:
    """The route of a comparison of so many words, and why."""
    if not schema.filter_names:
        return "keys", "the profile has no filters"
    if candidates == "lsh" and schema.filter.layout != "record":
        return "keys", "buckets are for one filter a record"
    if candidates != "auto":
        return candidates, "as was asked for"
    if n_steps <= MAX_WORD_STEPS:
        return "all", "all pairs can be afforded, and lose no match"
    if schema.match_keys:
        return "keys", "all pairs are too many; a probe will tell what the match keys miss"
    if schema.filter.layout == "record":
        return (
            "lsh",
            "all pairs are too many and there are no match keys; a probe will tell what the buckets miss",
        )
    return "all", "there are no match keys"


def _null_scope(n: int, n_possible: int, n_datasets: int, steps: int, all_pairs: bool) -> Scope:
    """A dataset's share of the pairs that show what strangers look like."""
    wanted = max(_NULL_PAIRS, n_possible // _NULL_SHARE) // n_datasets
    n_left = min(n, max(wanted // n, 1))
    if not steps:
        return Scope(n_left, 0)
    probe = max(int(PROBE_WORD_STEPS / steps), n_possible // _NULL_PROBE_SHARE if all_pairs else 0)
    return Scope(n_left, min(n_left, max(probe // n_datasets // n, 1)))


def describe_plan(plan: Plan, comparisons_per_s: float) -> dict[str, Any]:
    """A plan as JSON, with the time it would take at so many comparisons of a record's filters a second."""

    def describe(one: ComparisonPlan) -> dict[str, Any]:
        left, right = sorted((one.rows, one.columns))
        return {
            "left": plan.sizes[left].name,
            "right": plan.sizes[right].name,
            "pairs": _n_possible(plan.sizes, left, right),
            "route": one.route,
            "why": one.why,
            "filter_comparisons": one.n_compared,
            "candidates": one.n_candidates,
            "seconds": round(one.seconds(comparisons_per_s), 1),
        }

    return {
        "comparisons": [describe(one) for one in plan.comparisons],
        "seconds": round(plan.seconds(comparisons_per_s), 1),
        "bytes": plan.n_bytes,
        "comparisons_per_s": None if comparisons_per_s == float("inf") else round(comparisons_per_s),
    }
