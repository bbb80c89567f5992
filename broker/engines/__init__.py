"""Engines: where candidates are found and compared. All give the same result, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from broker.matching.candidates import Found, Pairs, Scope
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Vectors

Advance = Callable[[int], None]


class Progress(Protocol):
    """Shows how far it is, as `pprl.console.progress` does."""

    def __call__(self, label: str, total: int | None, *, unit: str = "") -> AbstractContextManager[Advance]:
        """Show a stage while the block runs; what it gives is called with the number of units just done."""


class Engine(Protocol):
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
        ...

    def compare(self, evidence: Evidence, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """Comparison vectors of pairs, uint32, shape (pairs, columns)."""
        ...
