"""Candidate pairs: those near by their filters, and those that share a match key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching.dataset import Dataset
from pprl import similarity

Rows = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

MAX_BLOCK_PAIRS = 2_500
"""A match-key value shared by more pairs than this makes no candidates by itself."""


@dataclass(frozen=True, slots=True)
class CappedKey:
    """Values of a match key that too many records share to be candidates on their own.

    Attributes
    ----------
    key : str
        The match key's name.
    n_values, n_records : int
        How many values, and how many records of both sides hold one of them.
    """

    key: str
    n_values: int
    n_records: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """Candidate pairs of two datasets, or of one with itself.

    Attributes
    ----------
    left, right : ndarray of int64, shape (pairs,)
        Row numbers; sorted by left, then right, no pair twice. Within one dataset left < right.
    n_possible : int
        All the pairs there are, candidates or not.
    """

    left: Rows
    right: Rows
    n_possible: int

    def __len__(self) -> int:
        return len(self.left)


def n_possible_pairs(left: Dataset, right: Dataset | None) -> int:
    """All pairs of two datasets, or all unordered pairs within one."""
    return len(left) * (len(left) - 1) // 2 if right is None else len(left) * len(right)


def pairs_of(codes: Rows, left: Dataset, right: Dataset | None) -> Pairs:
    """Pairs of ascending codes ``left_row * n_right + right_row``."""
    n_right = max(len(left if right is None else right), 1)
    return Pairs(codes // n_right, codes % n_right, n_possible_pairs(left, right))


def near_pairs(left: Dataset, right: Dataset | None, *, max_distance: int) -> Rows:
    """Codes of all pairs whose record filters are at most ``max_distance`` bits apart; exact, nothing is blocked."""
    other = left if right is None else right
    rows = similarity.within(
        left.filters["record"],
        None if right is None else right.filters["record"],
        max_distance=max_distance,
    )
    return rows[0] * len(other) + rows[1]


def pairs_sharing_a_key(
    left: Dataset, right: Dataset | None, *, max_block_pairs: int = MAX_BLOCK_PAIRS
) -> tuple[Rows, tuple[CappedKey, ...]]:
    """Codes of all pairs that share a value of some match key.

    Parameters
    ----------
    left, right : Dataset
        ``right`` None: within ``left``.
    max_block_pairs : int
        A value that left rows times right rows exceed this for makes no candidates; within one dataset its rows
        squared, so that a value as common is treated alike.

    Returns
    -------
    codes : ndarray of int64
        Not sorted; a pair stands once for each value of each key that it shares.
    capped : tuple of CappedKey
    """
    other = left if right is None else right
    codes: list[Rows] = []
    capped: list[CappedKey] = []
    for number, key in enumerate(left.schema.match_keys):
        found, n_values, n_records = _join(
            left.keys[number], other.keys[number], itself=right is None, max_block_pairs=max_block_pairs
        )
        codes.append(found)
        if n_values:
            capped.append(CappedKey(key.name, n_values, n_records))
    return np.concatenate(codes) if codes else np.empty(0, dtype=np.int64), tuple(capped)


def _join(
    left: tuple[Words, ...], right: tuple[Words, ...], *, itself: bool, max_block_pairs: int
) -> tuple[Rows, int, int]:
    """Pairs of rows with an equal token; sort both sides, then expand block by block without a loop."""
    n_right = len(right[0])
    left_tokens, left_rows = _sorted_tokens(left)
    right_tokens, right_rows = (left_tokens, left_rows) if itself else _sorted_tokens(right)
    values, starts, counts = np.unique(left_tokens, return_index=True, return_counts=True)
    first = np.searchsorted(right_tokens, values, side="left")
    last = np.searchsorted(right_tokens, values, side="right")
    products = counts * (last - first)
    shared = counts > 1 if itself else products > 0
    over = shared & (products > max_block_pairs)
    n_records = len(np.unique(left_rows[_ranges(starts[over], counts[over])]))
    if not itself:
        n_records += len(np.unique(right_rows[_ranges(first[over], (last - first)[over])]))
    use = np.flatnonzero(shared & ~over)
    # Each left token of a used block meets the whole right block.
    lengths = np.repeat((last - first)[use], counts[use])
    a = np.repeat(_ranges(starts[use], counts[use]), lengths)
    b = _ranges(np.repeat(first[use], counts[use]), lengths)
    rows_a, rows_b = left_rows[a], right_rows[b]
    if itself:
        keep = rows_a < rows_b
        rows_a, rows_b = rows_a[keep], rows_b[keep]
    return rows_a * n_right + rows_b, int(over.sum()), n_records


def _sorted_tokens(columns: tuple[Words, ...]) -> tuple[Words, Rows]:
    """Tokens in ascending order with their rows; a value that a row holds twice stands once."""
    tokens = np.concatenate(columns)
    rows = np.tile(np.arange(len(columns[0]), dtype=np.int64), len(columns))
    first, *second = columns  # a key has one value or two
    present = np.concatenate([first != 0, *((column != 0) & (column != first) for column in second)])
    tokens, rows = tokens[present], rows[present]
    order = np.argsort(tokens, kind="stable")
    return tokens[order], rows[order]


def _ranges(starts: Rows, lengths: Rows) -> Rows:
    """``concatenate([arange(s, s + n) for s, n in zip(starts, lengths)])``."""
    total = int(lengths.sum())
    if not total:
        return np.empty(0, dtype=np.int64)
    ends = np.cumsum(lengths)
    return np.arange(total) - np.repeat(ends - lengths, lengths) + np.repeat(starts, lengths)


def shared_keys(
    left: Dataset, right: Dataset, pairs: Pairs
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Which match keys each pair shares, and which it cannot because a side has none.

    Returns
    -------
    shared, missing : ndarray of uint32, shape (pairs,)
        Bit k: the schema's match key k.
    """
    shared = np.zeros(len(pairs), dtype=np.uint32)
    missing = np.zeros(len(pairs), dtype=np.uint32)
    for number, (left_columns, right_columns) in enumerate(zip(left.keys, right.keys, strict=True)):
        equal = np.zeros(len(pairs), dtype=np.bool_)
        for one in left_columns:
            tokens = one[pairs.left]
            for two in right_columns:
                equal |= (tokens == two[pairs.right]) & (tokens != 0)
        some = [
            np.logical_or.reduce([column != 0 for column in columns])
            for columns in (left_columns, right_columns)
        ]
        absent = ~(some[0][pairs.left] & some[1][pairs.right])
        shared |= equal.astype(np.uint32) << np.uint32(number)
        missing |= absent.astype(np.uint32) << np.uint32(number)
    return shared, missing
