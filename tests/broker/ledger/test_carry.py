"""The rule by which entities keep their identity, against its words taken literally."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.ledger.carry import NEW, carry_over


def carried(before, group, living=None):
    before, group = np.array(before, np.int64), np.array(group, np.int64)
    known = np.unique(before[before != NEW])
    return carry_over(before, group, known if living is None else np.array(living, np.int64))


def moves(result):
    return list(
        zip(
            result.moved_from.tolist(),
            result.moved_to.tolist(),
            result.n_moved.tolist(),
            result.merged.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("before", "group", "identity", "moved", "ended"),
    [
        ([1, 1, 2], [0, 0, 1], [1, 2], [], []),
        ([1, 1, NEW], [0, 0, 1], [1, NEW], [], []),
        ([1, 1, NEW], [0, 0, 0], [1], [], []),
        # A merger: most records, then the older one.
        ([1, 2, 2], [0, 0, 0], [2], [(1, 0, 1, True)], [1]),
        ([2, 1], [0, 0], [1], [(2, 0, 1, True)], [2]),
        # A split: most records, then the part with the first record.
        ([1, 1, 1], [0, 1, 1], [NEW, 1], [(1, 0, 1, False)], []),
        ([1, 1], [1, 0], [NEW, 1], [(1, 0, 1, False)], []),
        # Entity 1 has most of its records where entity 2 has more: it lives on in its second part.
        ([1, 1, 1, 2, 2, 2, 2, 1], [0, 0, 1, 0, 0, 0, 0, 0], [2, 1], [(1, 0, 3, False)], []),
        # All parts of entity 1 go to others: it has ended, split.
        ([1, 1, 2, 2, 3, 3], [0, 1, 0, 0, 1, 1], [2, 3], [(1, 0, 1, False), (1, 1, 1, False)], [1]),
        # Two people who had swapped a record.
        ([1, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 0], [1, 2], [(1, 1, 1, False), (2, 0, 1, False)], []),
        ([], [], [], [], []),
    ],
)
def test_examples(before, group, identity, moved, ended):
    result = carried(before, group)
    assert result.identity.tolist() == identity
    assert moves(result) == moved
    assert result.ended.tolist() == ended
    assert result.emptied.tolist() == []


def test_entities_without_a_record():
    result = carried([2, NEW], [0, 1], living=[1, 2, 5])
    assert result.identity.tolist() == [2, NEW]
    assert result.ended.tolist() == result.emptied.tolist() == [1, 5]


STATES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=25)


def numbered(labels):
    names = {}
    return [names.setdefault(label, len(names)) for label in labels]


def literally(before, group):
    """The rule as it is written."""
    overlaps = {}
    for position, pair in enumerate(zip(before, group, strict=True)):
        if pair[0] != NEW:
            overlaps.setdefault(pair, []).append(position)
    identity = {}
    for entity, to in sorted(overlaps, key=lambda pair: (-len(overlaps[pair]), pair[0], overlaps[pair][0])):
        if to not in identity and entity not in identity.values():
            identity[to] = entity
    return identity, overlaps


@given(STATES)
def test_as_the_rule_says(rows):
    before, group = [row[0] for row in rows], numbered(row[1] for row in rows)
    result = carried(before, group)
    identity, overlaps = literally(before, group)
    assert result.identity.tolist() == [identity.get(to, NEW) for to in range(len(set(group)))]
    assert {(a, b): n for a, b, n, _ in moves(result)} == {
        pair: len(at) for pair, at in overlaps.items() if identity.get(pair[1]) != pair[0]
    }
    assert set(result.ended.tolist()) == {entity for entity, _ in overlaps} - set(identity.values())
    for entity, _, _, merged in moves(result):
        n_parts = sum(pair[0] == entity for pair in overlaps)
        assert merged == (entity in result.ended and n_parts == 1)


@given(STATES, st.randoms(use_true_random=False))
def test_how_groups_are_numbered_plays_no_part(rows, random):
    before, group = [row[0] for row in rows], numbered(row[1] for row in rows)
    names = list(range(len(set(group))))
    random.shuffle(names)
    plain, renamed = carried(before, group), carried(before, [names[number] for number in group])
    assert [renamed.identity[names[number]] for number in group] == [plain.identity[n] for n in group]


@given(STATES)
def test_the_same_groups_again_change_nothing(rows):
    """A refresh that finds what was found before keeps every entity."""
    group = numbered(row[1] for row in rows)
    entities = [7 * number + 3 for number in group]
    result = carried(entities, group)
    assert [result.identity[number] for number in group] == entities
    assert moves(result) == []
    assert result.ended.tolist() == []
