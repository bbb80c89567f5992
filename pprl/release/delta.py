"""What a release changes against the one before, and how a recipient applies it.

========== =========== ======= === ==================== ==================================================
change     entity_guid dataset row previous_entity_guid meaning
========== =========== ======= === ==================== ==================================================
added      now         yes     yes                      a row that was not there
changed    now         yes     yes before               a row that is in another entity now
removed                yes     yes before               a row that is gone: a tombstone
superseded now                     before               an entity GUID that another one took the place of
ended                              before               an entity GUID of which nothing is left: a tombstone
========== =========== ======= === ==================== ==================================================

A tombstone does not say why: whether a record was deleted at its site, withdrawn, or may not be shown any more. What
the rows under *superseded* say of a ``previous_entity_guid`` takes the place of all that was said of it before; a GUID
that comes back into the table is superseded no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pprl.errors import CorruptError
from pprl.guid import GUID_BYTES, Guids, as_values
from pprl.release.table import (
    ROWS_PER_BATCH,
    Content,
    MatchTable,
    RowKind,
    guids_of,
    guids_or_nothing,
    match_table,
    numbers_of,
    read_columns,
    superseded,
)

CHANGES = ("added", "changed", "removed", "superseded", "ended")
_ADDED, _CHANGED, _REMOVED, _SUPERSEDED, _ENDED = range(len(CHANGES))
_NO_DATASET = -1
_NOT_FITTING = "does not fit the table it is to change; fetch the whole table instead"


@dataclass(frozen=True, slots=True)
class Delta:
    """Changes, in the order of the table above.

    Attributes
    ----------
    row_kind : str
        ``record`` or ``subject``.
    names : tuple of str
        Of datasets, before and now, sorted.
    change : ndarray of int8, shape (n,)
        Number in `CHANGES`.
    entity, row, previous : ndarray of uint8, shape (n, 16)
        Zeros where there is none.
    dataset : ndarray of int32, shape (n,)
        Number of the name, or -1.
    """

    row_kind: RowKind
    names: tuple[str, ...]
    change: npt.NDArray[np.int8]
    entity: Guids
    dataset: npt.NDArray[np.int32]
    row: Guids
    previous: Guids

    def __len__(self) -> int:
        return len(self.change)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        return "change", "entity_guid", "dataset", f"{self.row_kind}_guid", "previous_entity_guid"

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each change."""
        return dict(zip(CHANGES, np.bincount(self.change, minlength=len(CHANGES)).tolist(), strict=True))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as text."""
        names = pa.array([*self.names, ""], pa.string())  # the last one is number -1
        changes = pa.array(CHANGES, pa.string())
        for start in range(0, len(self), ROWS_PER_BATCH):
            part = slice(start, start + ROWS_PER_BATCH)
            numbers = np.where(self.dataset[part] < 0, len(self.names), self.dataset[part])
            arrays = [
                changes.take(pa.array(self.change[part])),
                guids_or_nothing(self.entity[part]),
                names.take(pa.array(numbers)),
                guids_or_nothing(self.row[part]),
                guids_or_nothing(self.previous[part]),
            ]
            yield pa.record_batch(arrays, names=list(self.columns))


def make_delta(previous: Content, now: Content) -> Delta:
    """Tell what changed between two releases to one recipient."""
    before, after = previous.table, now.table
    names = tuple(sorted({*before.names, *after.names}))
    old, new = _keys(before, names), _keys(after, names)
    at = _find(old, new)
    there = at >= 0
    moved = there.copy()
    moved[there] = (before.entity[at[there]] != after.entity[there]).any(axis=1)
    gone = np.ones(len(before), np.bool_)
    gone[at[there]] = False
    numbers = [_renumbered(table, names) for table in (before, after)]
    none = np.zeros((1, GUID_BYTES), np.uint8)
    parts = [
        (_ADDED, after.entity[~there], numbers[1][~there], after.row[~there], none),
        (_CHANGED, after.entity[moved], numbers[1][moved], after.row[moved], before.entity[at[moved]]),
        (_REMOVED, none, numbers[0][gone], before.row[gone], before.entity[gone]),
    ]
    differs = ~_same_answers(previous, now)
    ended = differs & ~now.superseded.entity.any(axis=1)
    differs &= ~ended
    no_dataset = np.full(len(differs), _NO_DATASET, np.int32)
    for change, which in ((_SUPERSEDED, differs), (_ENDED, ended)):
        gone_guids = now.superseded.previous[which]
        parts.append((change, now.superseded.entity[which], no_dataset[which], none, gone_guids))
    sizes = [len(dataset) for _, _, dataset, _, _ in parts]
    return Delta(
        after.row_kind,
        names,
        np.repeat(np.array([part[0] for part in parts], np.int8), sizes),
        _stacked([part[1] for part in parts], sizes),
        np.concatenate([part[2] for part in parts]).astype(np.int32),
        _stacked([part[3] for part in parts], sizes),
        _stacked([part[4] for part in parts], sizes),
    )


def apply_delta(previous: Content, delta: Delta, *, names: tuple[str, ...] | None = None) -> Content:
    """What a recipient has after a release.

    Parameters
    ----------
    previous : Content
        After the release before.
    delta : Delta
        Of this one against that.
    names : tuple of str, optional
        Of the datasets of the release; those of the delta where it is not given.

    Returns
    -------
    Content
        The same as the whole table of the release.

    Raises
    ------
    CorruptError
        It does not fit: a row to be added is there, one to be changed or removed is not, or is in another entity.
    """
    before = previous.table
    all_names = tuple(sorted({*before.names, *delta.names}))
    numbers = _renumbered_numbers(delta.dataset, delta.names, all_names)
    is_row = delta.change <= _REMOVED
    at = np.full(len(delta), -1, np.int64)
    at[is_row] = _find(_keys(before, all_names), _joined(delta.row[is_row], numbers[is_row]))
    is_added = delta.change == _ADDED
    known = is_row & ~is_added
    if (
        (at[is_added] >= 0).any()
        or (at[known] < 0).any()
        or (before.entity[at[known]] != delta.previous[known]).any()
        or len(np.unique(_joined(delta.row[is_row], numbers[is_row]))) != int(is_row.sum())
        or not delta.entity[delta.change <= _CHANGED].any(axis=1).all()
    ):
        raise CorruptError(f"the delta {_NOT_FITTING}")
    entity = before.entity.copy()
    is_changed = delta.change == _CHANGED
    entity[at[is_changed]] = delta.entity[is_changed]
    stays = np.ones(len(before), np.bool_)
    stays[at[delta.change == _REMOVED]] = False
    wanted = delta.names if names is None else names
    dataset = np.concatenate([_renumbered(before, all_names)[stays], numbers[is_added]])
    if not np.isin(dataset, [all_names.index(name) for name in wanted if name in all_names]).all():
        raise CorruptError(f"the delta {_NOT_FITTING}")
    table = match_table(
        before.row_kind if len(before) else delta.row_kind,
        wanted,
        np.concatenate([entity[stays], delta.entity[is_added]]),
        _renumbered_numbers(dataset, all_names, tuple(wanted)),
        np.concatenate([before.row[stays], delta.row[is_added]]),
    )
    says = delta.change >= _SUPERSEDED
    older = previous.superseded
    kept = np.isin(as_values(older.previous), as_values(delta.previous[says]), invert=True)
    gone = np.concatenate([older.previous[kept], delta.previous[says]])
    successors = np.concatenate([older.entity[kept], delta.entity[says]])
    not_back = np.isin(as_values(gone), as_values(table.entity), invert=True)
    return Content(table, superseded(gone[not_back], successors[not_back]))


def read_delta(file: IO[bytes], row_kind: RowKind, names: tuple[str, ...], *, what: str) -> tuple[Delta, str]:
    """Read a delta; gives the SHA-256 of the bytes too.

    Raises
    ------
    CorruptError
    """
    columns = ("change", "entity_guid", "dataset", f"{row_kind}_guid", "previous_entity_guid")
    (change, entity, dataset, row, previous), digest = read_columns(file, columns, what=what)
    ordered = tuple(sorted(names))
    numbers = numbers_of(dataset, [*ordered, ""], what=what)
    return Delta(
        row_kind,
        ordered,
        numbers_of(change, CHANGES, what=what).astype(np.int8),
        guids_of(entity, what=what, may_be_none=True),
        np.where(numbers == len(ordered), _NO_DATASET, numbers).astype(np.int32),
        guids_of(row, what=what, may_be_none=True),
        guids_of(previous, what=what, may_be_none=True),
    ), digest


def _same_answers(previous: Content, now: Content) -> npt.NDArray[np.bool_]:
    """Of each row of ``superseded`` now, whether all that is said of its GUID was said before."""
    before, after = previous.superseded, now.superseded
    old = np.concatenate([before.previous, before.entity], axis=1)
    new = np.concatenate([after.previous, after.entity], axis=1)
    known = np.isin(as_values(new), as_values(old))
    gone = np.isin(as_values(old), as_values(new), invert=True)
    touched = np.concatenate([after.previous[~known], before.previous[gone]])
    same: npt.NDArray[np.bool_] = np.isin(as_values(after.previous), as_values(touched), invert=True)
    return same


def _keys(table: MatchTable, names: tuple[str, ...]) -> npt.NDArray[np.bytes_]:
    return _joined(table.row, _renumbered(table, names))


def _joined(row: Guids, dataset: npt.NDArray[np.int32]) -> npt.NDArray[np.bytes_]:
    """Dataset and row as one value."""
    return as_values(np.concatenate([dataset.astype(">i4").view(np.uint8).reshape(-1, 4), row], axis=1))


def _renumbered(table: MatchTable, names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    return _renumbered_numbers(table.dataset, table.names, names)


def _renumbered_numbers(
    numbers: npt.NDArray[np.int32], old: tuple[str, ...], new: tuple[str, ...]
) -> npt.NDArray[np.int32]:
    """The numbers that names have among others; -1 stays, and is given to names that are not there."""
    among = {name: number for number, name in enumerate(new)}
    renumbered = np.array([*(among.get(name, _NO_DATASET) for name in old), _NO_DATASET], np.int32)
    return renumbered[numbers]


def _find(among: npt.NDArray[np.bytes_], wanted: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """Positions, -1 where a value is not there."""
    if not len(among):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(among)
    ordered = among[order]
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, order[at], -1).astype(np.int64)


def _stacked(parts: list[Guids], sizes: list[int]) -> Guids:
    """One behind the other, a single row repeated as often as needed."""
    return np.concatenate(
        [
            np.repeat(part, n, axis=0) if len(part) == 1 and n != 1 else part[:n]
            for part, n in zip(parts, sizes, strict=True)
        ]
    )
