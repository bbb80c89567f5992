"""Compiled loops over rows and pairs: the hash join of match keys, competition, greedy choice, entities.

They trust their callers' shapes; every one has a naive twin in the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pprl.compiled import compiled


@compiled
def fill_table(values: Any, table: Any) -> None:
    """Put the numbers of distinct tokens into an open hash table of -1, its length a power of two.

    Tokens are keyed hashes, so their own low bits are spread as evenly as any hash of them.
    """
    mask = np.uint64(len(table) - 1)
    for number in range(len(values)):
        slot = values[number] & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = number


@compiled
def look_up(tokens: Any, other: Any, values: Any, table: Any, found: Any, counts: Any) -> None:
    """For each row the number of its token among ``values``, or -1; and how many rows hold each.

    A token of 0 is missing, and one that the row also holds in ``other`` (which may be empty) counts there.
    """
    mask = np.uint64(len(table) - 1)
    for row in range(len(tokens)):
        token = tokens[row]
        found[row] = -1
        if token == 0 or (len(other) > 0 and other[row] == token):
            continue
        slot = token & mask
        while table[slot] >= 0:
            if values[table[slot]] == token:
                found[row] = table[slot]
                counts[table[slot]] += 1
                break
            slot = (slot + np.uint64(1)) & mask


@compiled
def expand(found: Any, starts: Any, lengths: Any, rows: Any, use: Any, later_only: bool, out: Any) -> int:
    """Pairs of built and probing rows that share a used value; gives their number.

    ``found`` is [columns, probing rows]; value v is held by the built rows ``rows[starts[v]:][:lengths[v]]``. With
    ``later_only`` the probing row must come after the built one. ``out`` is [2, room].
    """
    n = 0
    for row in range(found.shape[1]):
        for column in range(found.shape[0]):
            value = found[column, row]
            if value < 0 or not use[value]:
                continue
            for place in range(starts[value], starts[value] + lengths[value]):
                built = rows[place]
                if not later_only or row > built:
                    out[0, n] = built
                    out[1, n] = row
                    n += 1
    return n


@compiled
def merge_sorted(one: Any, two: Any, codes: Any, in_one: Any, in_two: Any) -> int:
    """Union of two ascending arrays without repeats, and where each of its members came from; gives its length."""
    i, j, n = 0, 0, 0
    while i < len(one) or j < len(two):
        first = j >= len(two) or (i < len(one) and one[i] <= two[j])
        second = i >= len(one) or (j < len(two) and two[j] <= one[i])
        codes[n] = one[i] if first else two[j]
        in_one[n], in_two[n] = first, second
        i += first
        j += second
        n += 1
    return n


@compiled
def add_up(rows: Any, values: Any, of_pair: Any, sums: Any) -> None:
    """``sums[rows[p]] += values[of_pair[p]]`` for every pair."""
    for pair in range(len(rows)):
        sums[rows[pair]] += values[of_pair[pair]]


@compiled
def add_up_apart(rows: Any, values: Any, of_pair: Any, numbers: Any, largest: Any, rest: Any) -> None:
    """For each numbered row the largest of its pairs' values, and the sum of the others; -1 is no number.

    Values are positive, ``largest`` and ``rest`` all zero at first.
    """
    for pair in range(len(rows)):
        number = numbers[rows[pair]]
        if number < 0:
            continue
        value = values[of_pair[pair]]
        if value > largest[number]:
            rest[number] += largest[number]
            largest[number] = value
        else:
            rest[number] += value


@compiled
def share_out(
    left: Any,
    right: Any,
    ratio: Any,
    of_pair: Any,
    left_sums: Any,
    right_sums: Any,
    odds: float,
    out: Any,
) -> None:
    """Posterior of each pair among its rivals; a side whose sums are empty does not exclude."""
    for pair in range(len(left)):
        own = ratio[of_pair[pair]]
        rivals = 0.0
        if len(left_sums) > 0:
            rivals += left_sums[left[pair]] - own
        if len(right_sums) > 0:
            rivals += right_sums[right[pair]] - own
        out[pair] = own / (odds + own + max(rivals, 0.0))


@compiled
def choose(left: Any, right: Any, order: Any, left_taken: Any, right_taken: Any, chosen: Any) -> None:
    """Take pairs in order; on a side whose flags are not empty a row is taken once."""
    for place in range(len(order)):
        pair = order[place]
        i, j = left[pair], right[pair]
        if (len(left_taken) > 0 and left_taken[i]) or (len(right_taken) > 0 and right_taken[j]):
            continue
        if len(left_taken) > 0:
            left_taken[i] = True
        if len(right_taken) > 0:
            right_taken[j] = True
        chosen[pair] = True


@compiled
def root_of(parent: Any, record: int) -> int:
    """The record that stands for a record's group; halves the way to it."""
    while parent[record] != record:
        parent[record] = parent[parent[record]]
        record = parent[record]
    return record


@compiled
def join_groups(left: Any, right: Any, order: Any, parent: Any, holds: Any) -> None:
    """Join linked records in order, unless both groups hold a record of one duplicate-free dataset.

    ``holds`` is [records, words]: a bit for each duplicate-free dataset in the group that the record stands for.
    The earliest record stands for its group.
    """
    for place in range(len(order)):
        one = root_of(parent, left[order[place]])
        two = root_of(parent, right[order[place]])
        if one == two:
            continue
        clash = False
        for word in range(holds.shape[1]):
            clash |= (holds[one, word] & holds[two, word]) != 0
        if clash:
            continue
        first, second = min(one, two), max(one, two)
        parent[second] = first
        for word in range(holds.shape[1]):
            holds[first, word] |= holds[second, word]


@compiled
def number_groups(parent: Any, numbers: Any) -> None:
    """Number the groups 0, 1, ... in the order of their first record."""
    n = 0
    for record in range(len(parent)):
        root = root_of(parent, record)
        if root == record:
            numbers[record] = n
            n += 1
        else:
            numbers[record] = numbers[root]


@compiled
def contract(
    starts: Any,
    sites: Any,
    edge_starts: Any,
    one: Any,
    two: Any,
    gain: Any,
    absent: float,
    repeated: float,
    label: Any,
) -> None:
    """Join records of each component, always the two groups whose pairs' gains sum up to most, while that is above 0.

    Component c has the records ``starts[c]`` to ``starts[c + 1]``, and the edges ``edge_starts[c]`` to
    ``edge_starts[c + 1]``, whose ends ``one`` and ``two`` count from its first record; a pair without an edge gains
    ``absent``. Of two groups each pair gains ``repeated`` less for every record of the smaller one but the first.
    Records of one site, not negative, are never joined. ``label`` is, of each record, the first of its group.
    """
    for component in range(len(starts) - 1):
        first = starts[component]
        n = starts[component + 1] - first
        gains = np.full((n, n), absent)
        size = np.ones(n)
        for edge in range(edge_starts[component], edge_starts[component + 1]):
            gains[one[edge], two[edge]] = gain[edge]
            gains[two[edge], one[edge]] = gain[edge]
        for i in range(n):
            label[first + i] = first + i
            for j in range(n):
                if i != j and sites[first + i] >= 0 and sites[first + i] == sites[first + j]:
                    gains[i, j] = -1e12
        while True:
            most, left, right = 0.0, -1, -1
            for i in range(n):
                if label[first + i] != first + i:
                    continue
                for j in range(i + 1, n):
                    if label[first + j] != first + j:
                        continue
                    more = repeated * (min(size[i], size[j]) - 1) * size[i] * size[j]
                    if gains[i, j] - more > most:
                        most, left, right = gains[i, j] - more, i, j
            if left < 0:
                break
            size[left] += size[right]
            for k in range(n):
                gains[left, k] += gains[right, k]
                gains[k, left] += gains[k, right]
                if label[first + k] == first + right:
                    label[first + k] = first + left
