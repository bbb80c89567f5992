"""A site's tokens in memory, as the matching stages see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pprl.schema import Schema

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset's token table as numpy arrays.

    Attributes
    ----------
    name : str
    schema : Schema
    guids : ndarray of uint8, shape (n, 16)
        Row GUIDs, none twice, in the order of the package.
    presence : ndarray of uint32, shape (n,)
        Bit i: the schema's field i has a value.
    filters : mapping of str to ndarray of uint64, shape (n, n_bits // 64)
        ``"record"``, or one for each field that has a filter; all zero where there is no value.
    exact : mapping of str to ndarray of uint64, shape (n,)
        ``"<field>:<part>"``; 0 where missing.
    keys : tuple of tuple of ndarray of uint64, shape (n,)
        For each match key of the schema, its one or two columns; 0 where missing.
    duplicate_free : bool
        The site asserts that no person has two rows.
    strata : mapping of str to ndarray of uint8, shape (n,)
        For each stratum of the schema the number of a record's category, from 1; 0 where there is none.
    derived : mapping of str to ndarray of uint8, shape (n,)
        What an evidence model worked out for each record beforehand.
    """

    name: str
    schema: Schema
    guids: npt.NDArray[np.uint8]
    presence: npt.NDArray[np.uint32]
    filters: Mapping[str, Words]
    exact: Mapping[str, Words]
    keys: tuple[tuple[Words, ...], ...]
    duplicate_free: bool
    strata: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    derived: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.guids)

    def has(self, field: str) -> npt.NDArray[np.bool_]:
        """Which records have a value for a field, shape (n,)."""
        bit = np.uint32(self.schema.field_names.index(field))
        return (self.presence >> bit & np.uint32(1)).astype(np.bool_)

    def rows(self, first: int, last: int) -> Dataset:
        """The rows ``first`` to ``last - 1``, without a copy."""
        return self.some(slice(first, last))

    def some(self, some: slice | npt.NDArray[np.int64]) -> Dataset:
        """Some of the rows; those of a slice without a copy."""
        return replace(
            self,
            guids=self.guids[some],
            presence=self.presence[some],
            filters={name: words[some] for name, words in self.filters.items()},
            exact={name: tokens[some] for name, tokens in self.exact.items()},
            keys=tuple(tuple(column[some] for column in columns) for columns in self.keys),
            strata={name: codes[some] for name, codes in self.strata.items()},
            derived={name: values[some] for name, values in self.derived.items()},
        )
