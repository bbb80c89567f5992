"""Local ids must be there and unique: a check that needs eight bytes a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.errors import InputError


class LocalIds:
    """Keeps a 64-bit hash of every id; only where two hashes agree are the ids read again and compared."""

    def __init__(self) -> None:
        self._hashes: list[npt.NDArray[np.int64]] = []
        self._n_ids = 0
        self._twice: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def add(self, ids: pa.Array, *, on_missing: Callable[[int], InputError]) -> None:
        """Take the next ids.

        Parameters
        ----------
        ids : pyarrow.StringArray
            Trimmed.
        on_missing : callable
            Makes the error for the first id that is null or empty, from its 0-based number over all batches.

        Raises
        ------
        InputError
            Where an id is missing.
        """
        missing = pc.fill_null(pc.equal(ids, ""), True)
        at = pc.index(missing, True).as_py()
        if at >= 0:
            raise on_missing(self._n_ids + at)
        self._hashes.append(_hashes(ids))
        self._n_ids += len(ids)

    def maybe_twice(self) -> bool:
        """Whether two hashes agree; to be asked once, after the last `add`."""
        ordered, end = np.empty(self._n_ids, np.int64), 0
        while self._hashes:  # one after the other goes, so that there are never two of all
            hashes = self._hashes.pop()
            ordered[end : end + len(hashes)], end = hashes, end + len(hashes)
        ordered.sort()
        self._twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        return bool(self._twice.size)

    def find_twice(self, batches: Iterable[pa.Array]) -> tuple[int, int] | None:
        """The first pair of records with the same id.

        Parameters
        ----------
        batches : iterable of pyarrow.StringArray
            All ids again, in order.

        Returns
        -------
        tuple of int, or None
            0-based numbers of the two records; None where only hashes agreed.
        """
        seen: dict[str, int] = {}
        start = 0
        for ids in batches:
            for at in np.flatnonzero(np.isin(_hashes(ids), self._twice)).tolist():
                first = seen.setdefault(ids[at].as_py(), start + at)
                if first != start + at:
                    return first, start + at
            start += len(ids)
        return None


def _hashes(ids: pa.Array) -> npt.NDArray[np.int64]:
    # Python's own string hash: 64 bits, keyed anew in every process.
    return np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids))
