"""Candidate pairs: those near by their filters, and those that share a match key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.matching import _loops
from broker.matching.dataset import Dataset

Rows = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

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

    def some(self, which: slice | Rows | Flags) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.left[which], self.right[which], self.n_possible)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which pairs of two datasets, or of one with itself, are looked at.

    Attributes
    ----------
    n_left : int
        Of the left rows the first so many: pairs (i, j) with i < n_left; within one dataset also i < j. Rows come in
        the order of random GUIDs, so the first ones are a random sample.
    n_probed : int
        Of those, the first so many are compared by filter with every right row; the others meet only rows that share
        a match key with them.
    n_tables : int
        Tables of buckets by which all rows may meet besides; see `broker.matching.buckets`.
    """

    n_left: int
    n_probed: int
    n_tables: int = 0

    def n_possible(self, n_right: int, *, itself: bool) -> int:
        """Pairs in the scope, candidates or not."""
        n = self.n_left
        return n * (n - 1) // 2 + n * (n_right - n) if itself else n * n_right

    @property
    def coverage(self) -> float:
        """Share of the left rows whose near pairs are all known."""
        return self.n_probed / self.n_left if self.n_left else 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """Candidate pairs, and how they were found.

    Attributes
    ----------
    pairs : Pairs
    from_filter, from_key : ndarray of bool, shape (pairs,)
        Whether the filters found the pair, and whether a shared match key did.
    from_bucket : ndarray of bool, shape (pairs,)
        Of those found by filter, the ones that met in a bucket.
    capped : tuple of CappedKey
        Match-key values that made no candidates.
    """

    pairs: Pairs
    from_filter: Flags
    from_key: Flags
    from_bucket: Flags
    capped: tuple[CappedKey, ...]


def n_possible_pairs(left: Dataset, right: Dataset | None) -> int:
    """All pairs of two datasets, or all unordered pairs within one."""
    n_right = len(left if right is None else right)
    return Scope(len(left), 0).n_possible(n_right, itself=right is None)


def merge(
    by_filter: Rows,
    by_key: Rows,
    capped: tuple[CappedKey, ...],
    *,
    n_right: int,
    n_possible: int,
    by_bucket: Rows | None = None,
) -> Found:
    """Merge the codes ``left_row * n_right + right_row`` of pairs found by filter and by key.

    Parameters
    ----------
    by_filter, by_key : ndarray of int64
        In any order, repeats allowed.
    capped : tuple of CappedKey
        Goes along.
    n_right, n_possible : int
        Right rows, and pairs in the scope.
    by_bucket : ndarray of int64, optional
        Found by filter as well; ascending, none twice.
    """
    bucketed = np.empty(0, dtype=np.int64) if by_bucket is None else by_bucket
    one, two = in_order(np.concatenate([by_filter, bucketed])), in_order(by_key)
    codes = np.empty(len(one) + len(two), dtype=np.int64)
    from_filter, from_key = (np.empty(len(codes), dtype=np.bool_) for _ in range(2))
    n = _loops.merge_sorted(one, two, codes, from_filter, from_key)
    codes = codes[:n]
    from_bucket = np.isin(codes, bucketed, assume_unique=True)
    left, right = np.divmod(codes, max(n_right, 1))
    return Found(
        Pairs(left, right, n_possible), from_filter[:n].copy(), from_key[:n].copy(), from_bucket, capped
    )


def in_order(codes: Rows) -> Rows:
    """Codes in ascending order, none twice; `numpy.unique` hashes them first, which takes a hundred times as long."""
    ordered = np.sort(codes)
    is_first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]


def pairs_sharing_a_key(
    left: Dataset, right: Dataset | None, *, n_left: int | None = None, max_block_pairs: int = MAX_BLOCK_PAIRS
) -> tuple[Rows, tuple[CappedKey, ...]]:
    """Codes of all pairs that share a value of some match key.

    Parameters
    ----------
    left, right : Dataset
        ``right`` None: within ``left``.
    n_left : int, optional
        Of the left rows only the first so many; see `Scope`.
    max_block_pairs : int
        A value that left rows times right rows exceed this for makes no candidates; within one dataset its rows
        squared, so that a value as common is treated alike.

    Returns
    -------
    codes : ndarray of int64
        Not sorted; a pair stands once for each value of each key that it shares.
    capped : tuple of CappedKey

    Notes
    -----
    A hash join, one key after the other: the smaller side's tokens are sorted and put into an open hash table, the
    larger side's are looked up. Memory is about 32 bytes for each row of the smaller side and 4 for each of the
    larger, besides the pairs found.
    """
    other = left if right is None else right
    codes: list[Rows] = []
    capped: list[CappedKey] = []
    for number, key in enumerate(left.schema.match_keys):
        found, n_values, n_records = join(
            left.keys[number],
            other.keys[number],
            n_left=len(left) if n_left is None else n_left,
            itself=right is None,
            max_block_pairs=max_block_pairs,
        )
        codes.append(found)
        if n_values:
            capped.append(CappedKey(key.name, n_values, n_records))
    return np.concatenate(codes) if codes else np.empty(0, dtype=np.int64), tuple(capped)


def join(
    left: tuple[Words, ...], right: tuple[Words, ...], *, n_left: int, itself: bool, max_block_pairs: int
) -> tuple[Rows, int, int]:
    """Pairs of rows with an equal token of one match key, over its one or two columns.

    Returns
    -------
    codes : ndarray of int64
        As of `pairs_sharing_a_key`.
    n_values, n_records : int
        Values over the cap, and the records that hold one.
    """
    n_right = len(right[0])
    left_is_built = itself or n_left <= n_right
    built = tuple(column[:n_left] for column in left) if left_is_built else right
    probing = right if left_is_built else tuple(column[:n_left] for column in left)
    tokens, rows = _sorted_tokens(built)
    values, starts, lengths = np.unique(tokens, return_index=True, return_counts=True)
    table = np.full(1 << max(2 * len(values), 1).bit_length(), -1, dtype=np.int32)
    _loops.fill_table(values, table)
    found = np.empty((len(probing), len(probing[0])), dtype=np.int32)
    counts = np.zeros(len(values), dtype=np.int64)
    for number, column in enumerate(probing):
        _loops.look_up(column, probing[0] if number else column[:0], values, table, found[number], counts)
    del table
    products = counts * counts if itself else lengths * counts
    shared = counts > 1 if itself else products > 0
    over = shared & (products > max_block_pairs)
    use = shared & ~over
    out = np.empty((2, int((lengths * counts)[use].sum())), dtype=np.int64)
    n = _loops.expand(found, starts, lengths, rows, use, itself, out)
    a, b = out[:, :n] if left_is_built else out[::-1, :n]
    return a * n_right + b, int(over.sum()), _n_holding(over, found, lengths, rows, itself)


def _n_holding(over: Flags, found: npt.NDArray[np.int32], lengths: Rows, rows: Rows, itself: bool) -> int:
    """Records, of both sides, that hold one of the flagged values."""
    if not over.any():
        return 0
    n = int(np.logical_or.reduce([(numbers >= 0) & over[numbers] for numbers in found]).sum())
    if not itself:
        places = np.repeat(over, lengths)  # the built rows lie value by value
        n += len(np.unique(rows[places]))
    return n


def _sorted_tokens(columns: tuple[Words, ...]) -> tuple[Words, Rows]:
    """Tokens in ascending order with their rows; a value that a row holds twice stands once."""
    tokens = np.concatenate(columns)
    rows = np.tile(np.arange(len(columns[0]), dtype=np.int64), len(columns))
    first, *second = columns  # a key has one value or two
    present = np.concatenate([first != 0, *((column != 0) & (column != first) for column in second)])
    tokens, rows = tokens[present], rows[present]
    order = np.argsort(tokens)
    return tokens[order], rows[order]


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
