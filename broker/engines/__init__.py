"""Engines: where candidates are found and compared. All give the same result, to the byte."""

from __future__ import annotations

from abc import ABC, abstractmethod

from broker.matching.candidates import CappedKey, Found, Pairs, Rows, Scope, merge
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Vectors
from pprl.console import Progress


class Engine(ABC):
    """Finds and compares candidate pairs of prepared datasets."""

    def candidates(
        self, evidence: Evidence, left: Dataset, right: Dataset | None, scope: Scope, *, progress: Progress
    ) -> Found:
        """Candidate pairs of a scope, sorted by left row, then right row, no pair twice.

        Parameters
        ----------
        evidence : Evidence
            Says which pairs are near.
        left, right : Dataset
            ``right`` None: within ``left``.
        scope : Scope
            Which left rows count, and which of them are compared by filter with every right row.
        progress : callable
            Such as `pprl.console.progress`.
        """
        n_right = len(left if right is None else right)
        with progress("joining match keys", None):
            by_key, capped = self.pairs_sharing_a_key(left, right, n_left=scope.n_left)
        by_bucket = None
        if scope.n_tables:
            with progress("sorting into buckets", None):
                by_bucket = evidence.bucketed(left, right, n_tables=scope.n_tables)
        by_filter = self.near_pairs(evidence, left, right, scope.n_probed, progress=progress)
        n_possible = scope.n_possible(n_right, itself=right is None)
        return merge(by_filter, by_key, capped, n_right=n_right, n_possible=n_possible, by_bucket=by_bucket)

    @abstractmethod
    def pairs_sharing_a_key(
        self, left: Dataset, right: Dataset | None, *, n_left: int
    ) -> tuple[Rows, tuple[CappedKey, ...]]:
        """As `broker.matching.candidates.pairs_sharing_a_key`; repeats are allowed."""

    @abstractmethod
    def near_pairs(
        self, evidence: Evidence, left: Dataset, right: Dataset | None, n_probed: int, *, progress: Progress
    ) -> Rows:
        """Codes of the pairs near by filter of the first ``n_probed`` left rows, in any order."""

    @abstractmethod
    def compare(self, evidence: Evidence, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """Comparison vectors of pairs, uint32, shape (pairs, columns)."""
