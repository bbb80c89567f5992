"""One machine: compiled loops on all its cores, tile by tile."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from broker.engines import Engine
from broker.engines.tiles import TileStore
from broker.matching.candidates import CappedKey, Pairs, Rows, pairs_sharing_a_key
from broker.matching.dataset import Dataset
from broker.matching.evidence import Evidence, Vectors
from broker.token_arrays import drop_pages
from pprl.console import Progress

PAIRS_PER_TILE = 20_000_000_000
"""Compared between two looks at the disk, some 20 seconds of work."""
_PAIRS_PER_CHUNK = 1 << 20


class LocalEngine(Engine):
    """Runs the stages in this process.

    Parameters
    ----------
    tiles : TileStore, optional
        Keeps finished tiles of long searches, and gives back those of an earlier, unfinished run.
    pairs_per_tile : int
        Pairs compared by filter at a time.
    n_threads : int, optional
        All cores by default; the result does not depend on it.
    """

    def __init__(
        self,
        tiles: TileStore | None = None,
        *,
        pairs_per_tile: int = PAIRS_PER_TILE,
        n_threads: int | None = None,
    ) -> None:
        self._tiles, self._pairs_per_tile, self._n_threads = tiles, pairs_per_tile, n_threads
        self._n_searches = 0  # the searches of a run come in a fixed order, so their number names a tile

    def pairs_sharing_a_key(
        self, left: Dataset, right: Dataset | None, *, n_left: int
    ) -> tuple[Rows, tuple[CappedKey, ...]]:
        """See `Engine.pairs_sharing_a_key`."""
        found = pairs_sharing_a_key(left, right, n_left=n_left)
        for dataset in (left, right or left):
            drop_pages(*(column for columns in dataset.keys for column in columns))
        return found

    def compare(self, evidence: Evidence, left: Dataset, right: Dataset, pairs: Pairs) -> Vectors:
        """See `Engine.compare`."""
        chunks = [
            evidence.compare(left, right, pairs.some(slice(start, start + _PAIRS_PER_CHUNK)))
            for start in range(0, max(len(pairs), 1), _PAIRS_PER_CHUNK)
        ]
        return np.concatenate(chunks)

    def near_pairs(
        self, evidence: Evidence, left: Dataset, right: Dataset | None, n_probed: int, *, progress: Progress
    ) -> Rows:
        """See `Engine.near_pairs`."""
        if not n_probed or not evidence.compares_filters:
            return np.empty(0, dtype=np.int64)
        n_right = len(left if right is None else right)
        n_rows = max(self._pairs_per_tile // max(n_right, 1), 1)
        if right is None:  # later tiles meet fewer rows: with many tiles little is compared twice
            n_rows = min(n_rows, max(n_right // 16, 256))
        self._n_searches += 1
        worth_keeping = n_probed * n_right > self._pairs_per_tile
        found = []
        with progress("comparing filters", n_probed, unit="rows") as advance:
            for first in range(0, n_probed, n_rows):
                last = min(first + n_rows, n_probed)
                name = f"{self._n_searches}-{first}-{last}"
                codes = self._tiles.load(name) if self._tiles else None
                if codes is None:
                    codes = self._tile(evidence, left, right, first, last)
                    if self._tiles and worth_keeping:
                        self._tiles.save(name, codes)
                    drop_pages(*left.rows(first, last).filters.values())
                found.append(codes)
                advance(last - first)
        return np.concatenate(found)

    def _tile(
        self, evidence: Evidence, left: Dataset, right: Dataset | None, first: int, last: int
    ) -> npt.NDArray[np.int64]:
        """Codes of the near pairs of some left rows."""
        some = left.rows(first, last)
        if right is not None:
            rows, columns = evidence.near(some, right, n_threads=self._n_threads)
            return (rows + first) * len(right) + columns
        rows, columns = evidence.near(some, left.rows(first, len(left)), n_threads=self._n_threads)
        later = columns > rows
        return (rows[later] + first) * len(left) + columns[later] + first
