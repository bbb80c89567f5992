"""Overlaps: what is shown, and what could be told from it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.governance import Overlap, grant, show, show_overlap
from broker.journal import LOCAL
from broker.store.tables import Entity, LedgerRecord, Use
from pprl.errors import GovernanceError

from .world import World

COUNTS = st.integers(0, 40)


@pytest.mark.parametrize(
    ("overlap", "shown"),
    [
        (Overlap(100, 50, 100), True),
        (Overlap(11, 11, 11), True),
        (Overlap(100, 0, 100), True),
        (Overlap(100, 10, 100), False),
        (Overlap(10, 50, 100), False),
        (Overlap(100, 50, 1), False),
        (Overlap(0, 50, 100), False),
        (Overlap(100, 50, 0), False),
        (Overlap(0, 0, 0), True),
    ],
)
def test_what_is_shown(overlap, shown):
    assert show(overlap, 11) == (overlap if shown else None)


@given(COUNTS, COUNTS, COUNTS, st.integers(2, 15))
def test_no_small_count_is_shown_or_told_by_subtraction(left, both, right, smallest):
    shown = show(Overlap(left, both, right), smallest)
    small = any(0 < count < smallest for count in (left, both, right))
    assert not (small and shown)
    if shown:
        assert not both or min(left, right) >= smallest


@given(COUNTS, COUNTS, COUNTS)
def test_where_nothing_is_small_all_is_shown(left, both, right):
    overlap = Overlap(left, both, right)
    assert show(overlap, 0) == show(overlap, 1) == overlap


@given(*[COUNTS] * 6, st.integers(2, 15))
def test_two_answers_do_not_differ_by_a_few(
    left, both, right, left_before, both_before, right_before, smallest
):
    before = show(Overlap(left_before, both_before, right_before), smallest)
    now = show(Overlap(left, both, right), smallest, before=before)
    if before and now:
        for one, other in ((before.left, now.left), (before.both, now.both), (before.right, now.right)):
            assert one == other or abs(one - other) >= smallest


def fill(session, one, left, both, right):
    """Records for entities in either dataset and in both; the first entity in both has two records in the left."""
    for name, n in (("left", left), ("both", both), ("right", right)):
        for number in range(n):
            entity = Entity(project_key=one.project.key, created_at=one.now)
            session.add(entity)
            session.flush()
            datasets = {
                "left": [one.dataset],
                "both": [one.dataset, one.other_dataset],
                "right": [one.other_dataset],
            }
            copies = [*datasets[name], *([one.dataset] if name == "both" and not number else [])]
            for copy, dataset in enumerate(copies):
                session.add(
                    LedgerRecord(
                        dataset_key=dataset.key,
                        guid=f"{name[0]}{number:06}{entity.key:08}{copy}".encode(),
                        row_digest=bytes(32),
                        entity_key=entity.key,
                        delivery_key=one.delivery.key,
                        changed_at=one.now,
                    )
                )


def test_people_are_counted_not_records(store):
    with store.begin() as session:
        one = World(session, store)
        assert show_overlap(session, one.permission, now=one.now) == Overlap(0, 0, 0)
        fill(session, one, 12, 20, 15)
        assert show_overlap(session, one.permission, now=one.now) == Overlap(12, 20, 15)
        fill(session, one, 0, 1, 0)
        assert show_overlap(session, one.permission, now=one.now) == Overlap(12, 20, 15)
        again = grant(
            session,
            Use.COUNT,
            one.other_dataset,
            one.dataset,
            approver=one["steward"],
            expires_at=one.now + timedelta(days=1),
            by=LOCAL,
            now=one.now,
        )
        session.flush()
        # Another permission is no way round.
        assert show_overlap(session, again, now=one.now) == Overlap(12, 20, 15)
        fill(session, one, 0, 10, 0)
        assert show_overlap(session, again, now=one.now) == Overlap(12, 31, 15)


def test_small_counts_and_other_permissions(store):
    with store.begin() as session:
        one = World(session, store)
        fill(session, one, 12, 3, 15)
        assert show_overlap(session, one.permission, now=one.now) is None
        with pytest.raises(GovernanceError, match="not for counts"):
            show_overlap(session, one.allow(session, Use.LINK), now=one.now)
