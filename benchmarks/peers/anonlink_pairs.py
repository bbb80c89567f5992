"""All pairs of filters that anonlink finds near, on several processes; imported by the interpreter of its environment.

anonlink's compiled code compares in one thread and holds the interpreter lock. Its way to more cores is to split the
pairs into chunks for several processes, as done here.
"""

from __future__ import annotations

import itertools
import multiprocessing
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import anonlink
import numpy as np
from anonlink.similarities import dice_coefficient_accelerated

_filters: list[list[Any]] = []
_WITHIN_ROWS = 10_000  # a side of a chunk of pairs within one dataset


def candidates(
    filters: Sequence[list[Any]], threshold: float, *, n_processes: int, within: Sequence[int] = ()
) -> Any:
    """Return pairs with a Dice coefficient of at least a threshold, decreasing, as anonlink's solvers take them.

    Parameters
    ----------
    filters : sequence of list of bitarray
        One list a dataset.
    threshold : float
        Of the coefficient.
    n_processes : int
        Processes, forked.
    within : sequence of int
        Datasets that are compared with themselves as well.

    Returns
    -------
    tuple
        Coefficients; datasets of both ends; records of both ends.
    """
    _filters[:] = filters
    sizes = [len(side) for side in filters]
    chunks: list[Any] = []
    if len(sizes) > 1:
        n_pairs = sum(one * other for one, other in itertools.combinations(sizes, 2))
        chunks += anonlink.concurrency.split_to_chunks(n_pairs / n_processes, dataset_sizes=sizes)
    for number in within:
        chunks += _within(number, sizes[number])
    with multiprocessing.get_context("fork").Pool(n_processes) as pool:
        found = pool.map(_of_chunk, [(chunk, threshold) for chunk in chunks], chunksize=1)
    if len(found) == 1:
        return found[0]
    sims, datasets, records = zip(*found, strict=True)
    order = np.argsort(-np.concatenate(sims), kind="stable")

    def merged(code: str, parts: Sequence[Any]) -> Any:
        return array(code, np.concatenate(parts)[order].tobytes())

    sides = [
        tuple(merged("I", [part[side] for part in parts]) for side in (0, 1)) for parts in (datasets, records)
    ]
    return merged("d", sims), *sides


def at_least(found: Any, threshold: float) -> Any:
    """Return those of the candidates that reach a higher threshold."""
    sims, datasets, records = found
    n_near = int(np.count_nonzero(np.asarray(sims) >= threshold))  # they come in decreasing order
    return sims[:n_near], tuple(d[:n_near] for d in datasets), tuple(r[:n_near] for r in records)


def _within(dataset: int, n_rows: int) -> Iterator[Any]:
    ranges = [[at, min(at + _WITHIN_ROWS, n_rows)] for at in range(0, n_rows, _WITHIN_ROWS)]
    for pair in itertools.combinations_with_replacement(ranges, 2):
        yield [{"datasetIndex": dataset, "range": rows} for rows in pair]


def _of_chunk(given: tuple[Any, float]) -> Any:
    chunk, threshold = given
    parts = [_filters[part["datasetIndex"]][slice(*part["range"])] for part in chunk]
    sims, datasets, records = anonlink.concurrency.process_chunk(
        chunk, parts, dice_coefficient_accelerated, threshold
    )
    if chunk[0] != chunk[1]:
        return sims, datasets, records
    # rows with themselves: each pair once, no row with itself
    once = np.asarray(records[0]) < np.asarray(records[1])

    def kept(code: str, values: Any) -> Any:
        return array(code, np.asarray(values)[once].tobytes())

    sides = [tuple(kept("I", side) for side in sides) for sides in (datasets, records)]
    return kept("d", sims), *sides
