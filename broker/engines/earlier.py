"""What a run found near by filter, kept so that the next run of the same datasets need not look for it again.

Records are told by *marks*, which are equal where a record has the GUID and the tokens that it had; see
`broker.ledger.rows.row_marks`. Pairs are row numbers. So the file names no record, yet says of marks which are alike.

::

    about        JSON: version, schema, names of the datasets, and of each search all but its pairs
    marks-D      uint64, shape (records, 2): of dataset D
    counts-S     uint32, shape (probed rows,): of search S, how many near pairs each left row has
    columns-S    uint32, shape (pairs,): their right rows, those of one left row behind those of the row before
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Flags, Rows
from broker.matching.evidence.model import Reach

_VERSION = 3
_AT_ONCE = 1 << 20

Marks = npt.NDArray[np.uint64]
"""Shape (n, 2)."""


@dataclass(frozen=True, slots=True)
class Search:
    """The near pairs of the first rows of one dataset with all of another, or within one.

    Attributes
    ----------
    left, right : str
        Names of the datasets; equal where it was within one.
    n_probed : int
        Left rows that were compared with every right row; within a dataset, with every later row.
    reach : int or str
        How far apart near pairs are; see `broker.matching.evidence.model.Evidence`.
    counts : ndarray of uint32, shape (n_probed,)
        Near pairs of each left row.
    columns : ndarray of uint32, shape (pairs,)
        Right rows; by left row, ascending.
    """

    left: str
    right: str
    n_probed: int
    reach: Reach
    counts: npt.NDArray[np.uint32]
    columns: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, left: str, right: str, n_probed: int, reach: Reach, *, codes: Rows, n_right: int) -> Search:
        """Of pairs as codes ``left_row * n_right + right_row``, ascending, none twice."""
        rows, columns = np.divmod(codes, max(n_right, 1))
        counts = np.bincount(rows, minlength=n_probed).astype(np.uint32)
        return cls(left, right, n_probed, reach, counts, columns.astype(np.uint32))

    @property
    def itself(self) -> bool:
        """Whether it was within one dataset."""
        return self.left == self.right

    @property
    def rows(self) -> Rows:
        """The left row of each pair."""
        return np.repeat(np.arange(self.n_probed, dtype=np.int64), self.counts)


@dataclass(frozen=True, slots=True)
class NearPairs:
    """All that a run found near by filter.

    Attributes
    ----------
    schema : str
        Fingerprint of the linkage schema.
    marks : mapping of str to ndarray of uint64, shape (records, 2)
        By dataset, of its records in the order of the run.
    searches : tuple of Search
    """

    schema: str
    marks: Mapping[str, Marks]
    searches: tuple[Search, ...]

    def write(self, file: IO[bytes]) -> None:
        """Write them to a file as NPZ."""
        about = {
            "version": _VERSION,
            "schema": self.schema,
            "datasets": list(self.marks),
            "searches": [
                {"left": s.left, "right": s.right, "n_probed": s.n_probed, "reach": s.reach}
                for s in self.searches
            ],
        }
        arrays: dict[str, npt.NDArray[np.unsignedinteger]] = {
            "about": np.frombuffer(json.dumps(about).encode(), np.uint8)
        }
        arrays |= {f"marks-{number}": marks for number, marks in enumerate(self.marks.values())}
        for number, search in enumerate(self.searches):
            arrays |= {f"counts-{number}": search.counts, f"columns-{number}": search.columns}
        np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path) -> NearPairs | None:
        """Read what `write` has written; None where it is gone, damaged, or of another version."""
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                if about["version"] != _VERSION:
                    return None
                marks = {name: file[f"marks-{number}"] for number, name in enumerate(about["datasets"])}
                searches = tuple(
                    Search(**search, counts=file[f"counts-{number}"], columns=file[f"columns-{number}"])
                    for number, search in enumerate(about["searches"])
                )
                return cls(about["schema"], marks, searches)
        except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def without(self, dataset: str, stays: Flags) -> NearPairs:
        """Without the records of a dataset that are not to stay, and without their pairs.

        Parameters
        ----------
        dataset : str
            Its name.
        stays : ndarray of bool, shape (records,)
            Which records of it stay.
        """
        number = np.cumsum(stays) - 1

        def cut(search: Search) -> Search:
            rows, columns = search.rows, search.columns
            row_stays, kept = np.ones(search.n_probed, np.bool_), np.ones(len(rows), np.bool_)
            if search.left == dataset:
                row_stays = stays[: search.n_probed]
                kept &= row_stays[rows]
            if search.right == dataset:
                kept &= stays[columns]
                columns = number[columns].astype(np.uint32)
            n_probed = int(row_stays.sum())
            counts = np.bincount(rows[kept], minlength=search.n_probed)[row_stays].astype(np.uint32)
            return replace(search, n_probed=n_probed, counts=counts, columns=columns[kept])

        marks = {name: m[stays] if name == dataset else m for name, m in self.marks.items()}
        return replace(self, marks=marks, searches=tuple(cut(search) for search in self.searches))


def rows_before(before: Marks, now: Marks) -> npt.NDArray[np.int32]:
    """Where each record was, int32, shape (records now,); -1 for those that are new or changed.

    Of two earlier records whose marks agree by half, one counts as gone: what it was is looked for again.
    """
    out = np.full(len(now), -1, np.int32)
    if not len(before):
        return out
    order = np.argsort(before[:, 0]).astype(np.int32)
    halves = before[order, 0]
    for start in range(0, len(now), _AT_ONCE):
        some = now[start : start + _AT_ONCE]
        wanted = np.argsort(some[:, 0])  # searched in their order, which is several times faster
        at = np.searchsorted(halves, some[wanted, 0])
        rows = order[np.minimum(at, len(halves) - 1)]
        out[start + wanted] = np.where((before[rows] == some[wanted]).all(axis=1), rows, -1)
    return out
