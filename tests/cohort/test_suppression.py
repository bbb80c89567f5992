"""Small counts cannot be found again from what is shown."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.cohort.suppression import suppress_small
from pprl.cohort.table import CohortTable, HiddenCount
from pprl.errors import CohortError

REPEATABLE = settings(deadline=None, derandomize=True)


def table(*counts: int, **more: object) -> CohortTable:
    return CohortTable("x", tuple(f"c{i}" for i in range(len(counts) - 1)), counts, **more)


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ((539, 680, 0), ()),
        ((539, 680, 4), (0, 2)),  # one small count takes the smallest other along
        ((5, 9, 300, 200), (0, 1, 3)),  # together 14, still too few
        ((12, 15, 300, 0), (0, 1)),
        ((19, 19, 300, 0), (0, 1, 2)),  # 38 is 19 and 19 in one way only
        ((4, 30, 30, 30), (0, 1, 2, 3)),  # which of three equals was taken would tell that it was the first
        ((25, 5, 0, 0), (0, 1)),
        ((300, 5, 0, 0), (0, 1)),
    ],
)
def test_which_cells_are_hidden(counts: tuple[int, ...], hidden: tuple[int, ...]) -> None:
    shown = suppress_small(table(*counts), 20)
    assert shown.hidden_cells == hidden
    assert shown.n == sum(counts)
    assert all(shown.counts[cell] == (0 if cell in hidden else count) for cell, count in enumerate(counts))


@pytest.mark.parametrize(
    ("k", "threshold", "most"), [(2, 4, 12), (3, 4, 14), (4, 3, 10), (5, 2, 8), (4, 2, 9)]
)
def test_nobody_can_tell_a_hidden_count_even_knowing_the_rule(k: int, threshold: int, most: int) -> None:
    """All tables there are: every hidden cell has at least two values among the tables that look the same."""
    alike = defaultdict(list)
    for counts in itertools.product(range(most + 1), repeat=k):
        if 0 < sum(counts) <= most:
            try:
                shown = suppress_small(table(*counts), threshold)
            except CohortError:
                continue
            alike[shown.counts, shown.hidden, shown.hidden_total].append(counts)
    for (_, hidden, _), tables in alike.items():
        for one in hidden:
            assert len({counts[one.cell] for counts in tables}) >= 2


@REPEATABLE
@given(st.lists(st.integers(0, 60), min_size=2, max_size=8), st.sampled_from([5, 11, 20]))
def test_no_small_count_is_shown(counts: list[int], threshold: int) -> None:
    try:
        shown = suppress_small(table(*counts), threshold)
    except CohortError:
        return
    assert not [count for count in shown.counts if 0 < count < threshold]
    assert len(shown.hidden_cells) != 1
    assert not shown.hidden or shown.pooled_count >= threshold


def test_cells_suppressed_in_the_input_stay_so_and_take_others_along() -> None:
    before = table(0, 26, 1620, 0, 338, 134, hidden=(HiddenCount(0, 19), HiddenCount(3, 19)), hidden_total=6)
    shown = suppress_small(before, 20)
    assert shown.hidden_cells == (0, 1, 3)
    assert shown.hidden_total == 32
    assert suppress_small(before, 5) is before


def test_the_known_part_of_a_hidden_cell_is_not_used_either() -> None:
    before = table(3, 26, 300, hidden=(HiddenCount(0, 19), HiddenCount(1, 19)), hidden_total=12)
    shown = suppress_small(before, 20)
    assert shown.counts[:2] == (0, 0)
    assert shown.hidden_total == 41


def test_too_few_people_are_refused() -> None:
    with pytest.raises(CohortError, match="fewer than 20 people"):
        suppress_small(table(10, 9, 0), 20)
    with pytest.raises(CohortError, match="'x' cannot be hidden"):
        suppress_small(table(19, 19), 20)


@pytest.mark.parametrize("threshold", [0, 1])
def test_off_shows_all(threshold: int) -> None:
    assert suppress_small(table(1, 2, 3), threshold) == table(1, 2, 3)
