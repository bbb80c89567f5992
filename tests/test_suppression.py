"""Which cells of a table are hidden, and that a hidden one cannot be told."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.suppression import SMALL, cells_to_hide, shown_counts


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ((500, 480, 0), (500, 480, 0)),
        ((500, 480, 3), (500, None, None)),
        ((4, 9, 300, 200), (None, None, 300, 200)),
        ((1, 2, 300, 200), (None, None, 300, None)),  # together 3
        ((10, 10, 300, 200), (None, None, 300, None)),  # 20 is 10 and 10 in one way only
        ((4, 30, 30), (None, None, None)),
        ((10, 10), (None, None)),
        ((3, 0), (None, None)),
        ((0, 0), (0, 0)),
        ((), ()),
    ],
)
def test_which_counts_are_shown(counts, shown):
    assert shown_counts(counts) == shown


@given(st.lists(st.integers(0, 60), min_size=2, max_size=32))
def test_no_small_count_is_shown_and_none_is_hidden_alone(counts):
    shown = shown_counts(counts)
    assert not [count for count in shown if count is not None and 0 < count < SMALL]
    assert all(seen in (None, count) for seen, count in zip(shown, counts, strict=True))
    assert shown.count(None) != 1


def test_cells_hidden_for_other_reasons_stay_so_and_take_others_along():
    assert cells_to_hide((40, 300, 20), hidden={0}) == {0, 2}
    assert cells_to_hide((40, 300, 20), hidden={0, 1}) == {0, 1}
    assert cells_to_hide((0, 300, 20), hidden={0}, hidden_total=4) == {0, 2}
    assert cells_to_hide((3, 4)) is None


def test_nobody_can_tell_a_hidden_count_even_knowing_the_rule():
    """All tables there are: every hidden cell has at least two values among the tables that look the same."""
    alike = defaultdict(list)
    for counts in itertools.product(range(13), repeat=3):
        hidden = cells_to_hide(counts, 4)
        if hidden:
            seen = tuple(None if cell in hidden else count for cell, count in enumerate(counts))
            alike[seen, sum(counts)].append(counts)
    for (seen, total), tables in alike.items():
        if total > 12:
            continue  # counts above 12 were not tried
        for cell, count in enumerate(seen):
            assert count is not None or len({counts[cell] for counts in tables}) >= 2
