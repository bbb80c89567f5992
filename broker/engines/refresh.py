"""An engine that looks only for what an earlier run of the same datasets cannot have found.

Whether two records are near by filter depends on these two alone, given how far near pairs may be apart: what an
earlier run found of two records that are as they were still holds, and what it did not find is not there::

                      right: as it was     new or changed
    left: as it was   earlier pairs        searched
    new or changed    searched             searched

Match keys and buckets are joined anew each time: that takes time by the record, not by the pair, and a value that one
more record holds may be too common now, which concerns all who hold it. So the outcome is that of a full search, to
the pair. Where more than half would be searched all the same, or near pairs may be farther apart than those that were
kept, all is searched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.engines import Engine
from broker.engines.earlier import Marks, NearPairs, Search, rows_before
from broker.matching.candidates import CappedKey, Pairs, Rows, Scope, in_order
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Vectors
from pprl.console import Progress

BYTES_PER_RECORD = 90
"""Of memory, at most, to tell what changed in a dataset."""
_MOST_SEARCHED = 0.5


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What of a search an earlier one does not answer.

    Attributes
    ----------
    rows : ndarray of int64
        Left rows to be compared with every right row; within a dataset, with every other row.
    columns : ndarray of int64
        Right rows to be compared with the probed left rows.
    """

    rows: Rows
    columns: Rows


class RefreshEngine(Engine):
    """Another engine, spared what is known.

    Parameters
    ----------
    inner : Engine
        Does the work.
    marks : mapping of str to ndarray of uint64, shape (records, 2)
        By dataset, of its records.
    earlier : NearPairs or None
        Of an earlier run.
    schema : str
        Fingerprint of the datasets' linkage schema.

    Attributes
    ----------
    n_compared, n_in_full : int
        Pairs that were compared by filter, and that a run without an earlier one compares.
    """

    def __init__(
        self, inner: Engine, marks: Mapping[str, Marks], earlier: NearPairs | None = None, *, schema: str
    ) -> None:
        self._inner, self._schema, self._marks = inner, schema, dict(marks)
        known = earlier if earlier is not None and earlier.schema == schema else NearPairs(schema, {}, ())
        self._marks_before, self._searches_before = known.marks, known.searches
        self._before: dict[str, npt.NDArray[np.int32]] = {}
        self._searches: list[Search] = []
        self.n_compared = self.n_in_full = 0

    @property
    def found(self) -> NearPairs:
        """What was found near by filter, for the next run."""
        return NearPairs(self._schema, self._marks, tuple(self._searches))

    def pairs_sharing_a_key(
        self, left: Dataset, right: Dataset | None, *, n_left: int
    ) -> tuple[Rows, tuple[CappedKey, ...]]:
        """See `Engine.pairs_sharing_a_key`."""
        return self._inner.pairs_sharing_a_key(left, right, n_left=n_left)

    def compare(self, evidence: Evidence, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """See `Engine.compare`."""
        return self._inner.compare(evidence, left, right, pairs)

    def near_pairs(
        self, evidence: Evidence, left: Dataset, right: Dataset | None, n_probed: int, *, progress: Progress
    ) -> Rows:
        """See `Engine.near_pairs`."""
        other, itself = left if right is None else right, right is None
        n_in_full = Scope(n_probed, 0).n_possible(len(other), itself=itself)
        if not n_in_full or not evidence.compares_filters:
            return np.empty(0, dtype=np.int64)
        self.n_in_full += n_in_full
        known = self._known(evidence, left, right)
        fresh = None if known is None else self._fresh(known[0], left, other, n_probed)
        if known is None or fresh is None or _n_searched(fresh, other, n_probed) > _MOST_SEARCHED * n_in_full:
            self.n_compared += n_in_full
            search = evidence.farther()
            codes = self._inner.near_pairs(search, left, right, n_probed, progress=progress)
        else:
            self.n_compared += _n_searched(fresh, other, n_probed)
            search = known[1]
            codes = np.concatenate(
                [
                    self._still_there(known[0], left, other, n_probed),
                    self._searched(search, left, right, n_probed, fresh, progress),
                ]
            )
        codes = in_order(codes)
        self._searches.append(
            Search.of(left.name, other.name, n_probed, search.reach, codes=codes, n_right=len(other))
        )
        if search.reach != evidence.reach:  # then it reached farther
            pairs = Pairs(*np.divmod(codes, len(other)), n_in_full)
            codes = codes[evidence.near_among(left, other, pairs)]
        return codes

    def _known(
        self, evidence: Evidence, left: Dataset, right: Dataset | None
    ) -> tuple[Search, Evidence] | None:
        """The earlier search that answers most, and the evidence by which it was done."""
        names = {left.name, (left if right is None else right).name}
        best = None
        for search in self._searches_before:
            if {search.left, search.right} != names or search.itself != (right is None):
                continue
            reaching = evidence.reaching(search.reach)
            if reaching is not None and (best is None or search.n_probed > best[0].n_probed):
                best = search, reaching
        return best

    def _rows_before(self, name: str) -> npt.NDArray[np.int32]:
        if name not in self._before:
            self._before[name] = rows_before(self._marks_before[name], self._marks[name])
        return self._before[name]

    def _fresh(self, search: Search, left: Dataset, right: Dataset, n_probed: int) -> _Fresh:
        rows, columns = self._rows_before(left.name)[:n_probed], self._rows_before(right.name)
        if search.itself:
            # A fresh row meets all others, so that the rest only meets fresh ones behind the probed rows.
            later = np.flatnonzero(columns[n_probed:] < 0) + n_probed
            return _Fresh(np.flatnonzero((rows < 0) | (rows >= search.n_probed)), later)
        n_rows, n_columns = len(self._marks_before[left.name]), len(self._marks_before[right.name])
        if search.left == left.name:
            n_rows = search.n_probed
        else:
            n_columns = search.n_probed
        return _Fresh(
            np.flatnonzero((rows < 0) | (rows >= n_rows)),
            np.flatnonzero((columns < 0) | (columns >= n_columns)),
        )

    def _still_there(self, search: Search, left: Dataset, right: Dataset, n_probed: int) -> Rows:
        """Codes of the earlier pairs of records that are as they were."""
        a, b = self._rows_now(search.left)[search.rows], self._rows_now(search.right)[search.columns]
        if search.left != left.name:
            a, b = b, a
        there = (a >= 0) & (b >= 0)
        a, b = a[there].astype(np.int64), b[there].astype(np.int64)
        if search.itself:
            a, b = np.minimum(a, b), np.maximum(a, b)
        probed = a < n_probed
        codes: Rows = a[probed] * len(right) + b[probed]
        return codes

    def _rows_now(self, name: str) -> npt.NDArray[np.int32]:
        """Where each earlier record is now, or -1."""
        before = self._rows_before(name)
        now = np.full(len(self._marks_before[name]), -1, np.int32)
        rows = np.flatnonzero(before >= 0)
        now[before[rows]] = rows
        return now

    def _searched(
        self,
        evidence: Evidence,
        left: Dataset,
        right: Dataset | None,
        n_probed: int,
        fresh: _Fresh,
        progress: Progress,
    ) -> Rows:
        """Codes of the near pairs with a fresh record."""
        other = left if right is None else right
        found = [np.empty(0, dtype=np.int64)]
        if len(fresh.rows):
            codes = self._inner.near_pairs(
                evidence, left.some(fresh.rows), other, len(fresh.rows), progress=progress
            )
            rows, columns = np.divmod(codes, len(other))
            rows = fresh.rows[rows]
            if right is None:
                rows, columns = np.minimum(rows, columns), np.maximum(rows, columns)
                rows, columns = rows[rows < columns], columns[rows < columns]
            found.append(rows * len(other) + columns)
        if len(fresh.columns):
            codes = self._inner.near_pairs(
                evidence, left, other.some(fresh.columns), n_probed, progress=progress
            )
            rows, columns = np.divmod(codes, len(fresh.columns))
            found.append(rows * len(other) + fresh.columns[columns])
        return np.concatenate(found)


def _n_searched(fresh: _Fresh, right: Dataset, n_probed: int) -> int:
    return len(fresh.rows) * len(right) + n_probed * len(fresh.columns)
