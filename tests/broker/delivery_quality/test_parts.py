"""The parts against slow twins: groups of equal keys, like records by all pairs, moments, what may be shown."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.delivery_quality import frequent, repeated, survey
from broker.delivery_quality.drift import fill_distance, share_differs
from broker.delivery_quality.frequent import _keys_with_whole, frequent_values, mixed_rows
from broker.delivery_quality.repeated import repeated_records
from broker.delivery_quality.shown import shown_part, shown_patterns
from broker.delivery_quality.survey import Bits
from broker.matching.dataset import Dataset

from ..population import Town
from ..tokens import a_dataset, a_schema


@pytest.fixture(scope="module")
def twice() -> Dataset:
    """500 people, 40 of them written down twice by careless clerks, and 60 with one birth date."""
    records = Town(3, n_people=500, holds=((0, 1),), n_twice=(40,)).records[0]
    for record in records[:60]:
        record["birth_date"] = "19540701"
    return a_dataset(a_schema(), records)


def test_the_pass_over_the_rows_in_chunks(twice: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_ROWS_AT_ONCE", 77)
    found = survey.survey(twice)
    wanted = Counter(twice.presence.tolist())
    assert dict(zip(found.masks.tolist(), found.counts.tolist(), strict=True)) == wanted
    for number, name in enumerate(twice.schema.field_names):
        assert found.present(number) == twice.has(name).sum()
    bits = np.bitwise_count(twice.filters["record"]).sum(axis=1, dtype=np.int64)
    place = int(np.argmax(found.counts))
    some = bits[twice.presence == found.masks[place]]
    got = found.bits("record", place)
    assert got is not None
    assert (got.n, got.mean) == (len(some), pytest.approx(some.mean()))
    assert got.sd == pytest.approx(some.std(ddof=1))


def test_groups_of_one_birth_date_are_those_that_hang_together(twice: Dataset) -> None:
    group = list(range(len(twice)))
    names = _keys_with_whole(twice.schema, "birth_date")
    assert names  # all with the whole date, none with its year alone
    columns = dict(
        zip((f"key:{key.name}" for key in twice.schema.match_keys), (c[0] for c in twice.keys), strict=True)
    )
    assert set(names) == {name for name in columns if "birth_date" in name and "year" not in name}
    for name in names:
        first: dict[int, int] = {}
        for row, token in enumerate(columns[name].tolist()):
            if token:
                old, new = group[row], group[first.setdefault(token, row)]
                group = [new if one == old else one for one in group]
    largest = Counter(group).most_common(2)
    looked_at, (found,) = frequent_values(twice, smallest=11)
    assert looked_at == len(twice)
    assert (found.of, found.name, found.n_values) == ("field", "birth_date", 1)
    assert (found.n_records, found.n_next) == (largest[0][1], largest[1][1])


def test_a_sample_of_rows_tells_much_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    records = Town(1, n_people=6000, holds=((0, 1),), n_twice=(0,)).records[0]
    for record in records[::10]:
        record["birth_date"] = "19540701"
    dataset = a_dataset(a_schema(), records)
    _, (whole,) = frequent_values(dataset, smallest=11)
    monkeypatch.setattr(frequent, "MOST_ROWS", 3001)
    looked_at, (part,) = frequent_values(dataset, smallest=11)
    assert looked_at == 3001
    assert part.n_records / looked_at == pytest.approx(whole.n_records / len(dataset), abs=0.015)


def test_mixed_rows_tell_rows_apart() -> None:
    words = np.random.default_rng(0).integers(0, 4, (3000, 3), dtype=np.uint64)
    mixed = mixed_rows(words)
    assert len(np.unique(mixed)) == len(np.unique(words, axis=0))
    np.testing.assert_array_equal(mixed == 0, (words == 0).all(axis=1))


@pytest.mark.parametrize("rows_at_once", [64, 1 << 20])
def test_like_records_are_those_of_all_pairs(
    twice: Dataset, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated, "_ROWS_AT_ONCE", rows_at_once)
    keys = np.stack([columns[0] for columns in twice.keys], axis=1)
    alike = set()
    for one, other in combinations(range(len(twice)), 2):
        if ((keys[one] == keys[other]) & (keys[one] != 0)).sum() >= 0.75 * keys.shape[1]:
            alike |= {one, other}
    found = repeated_records(twice)
    assert (found.n_records, found.one_in, found.telling) == (len(alike), 1, True)
    assert len(alike) > 20


def test_like_records_are_estimated_from_some_values(monkeypatch: pytest.MonkeyPatch) -> None:
    records = Town(1, n_people=3000, holds=((0, 1),), n_twice=(0,)).records[0]
    dataset = a_dataset(a_schema(), [*records, *records[:1000]])
    monkeypatch.setattr(repeated, "MOST_ROWS", 1000)
    found = repeated_records(dataset)
    assert found.one_in == 4
    assert found.n_records == pytest.approx(2000, rel=0.15)


def test_namesakes_tell_nothing_without_a_birth_date() -> None:
    schema = a_schema(fields=("given_name", "surname", "sex"))
    dataset = a_dataset(schema, Town(0, n_people=500, holds=((0, 1),), n_twice=(0,)).records[0])
    assert not repeated_records(dataset).telling


@pytest.mark.parametrize(
    ("share", "n", "last", "n_last", "differs"),
    [
        (0.5, 22_000_000, 0.5001, 22_000_000, False),  # significant, and nothing to anybody
        (0.5, 22_000_000, 0.53, 22_000_000, True),
        (0.5, 200, 0.53, 200, False),
        (0.0, 20_000, 0.01, 20_000, True),  # all of a rare field
        (0.004, 20_000, 0.006, 20_000, False),
        (0.0, 0, 0.5, 100, False),
        (0.0, 100, 0.0, 100, False),
    ],
)
def test_shares_differ_beyond_chance_and_enough_to_matter(share, n, last, n_last, differs) -> None:
    assert share_differs(share, n, last, n_last) is differs
    assert share_differs(last, n_last, share, n) is differs


def test_fill_distance_of_normal_distributions() -> None:
    here, last = Bits(10**9, 500.0, 16.0), Bits(10**9, 520.0, 20.0)
    x = np.linspace(300, 700, 40_001)
    density = [np.exp(-((x - one.mean) ** 2) / 2 / one.sd**2) / one.sd for one in (here, last)]
    overlap = np.sqrt(density[0] * density[1]).sum() * (x[1] - x[0]) / np.sqrt(2 * np.pi)
    assert fill_distance([(here, last)]) == (pytest.approx(np.sqrt(1 - overlap)), 0.02)
    assert fill_distance([(here, here)])[0] == 0
    assert fill_distance([(here, last)])[0] == fill_distance([(last, here)])[0]


def test_fill_threshold_is_exceeded_by_chance_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.delivery_quality.drift._CHANCE_OF_FILL", 0.05)
    random = np.random.default_rng(0)

    def drawn(n: int, mean: float) -> Bits:
        values = random.normal(mean, 16, n)
        return Bits(n, float(values.mean()), float(values.std(ddof=1)))

    above = 0
    for _ in range(1000):
        distance, threshold = fill_distance([(drawn(300, m), drawn(500, m)) for m in (500, 505)])
        above += distance > threshold
    assert 25 < above < 80


@given(
    st.dictionaries(st.integers(0, 15), st.integers(1, 60), min_size=1),
    st.sampled_from([0, 5, 11]),
)
@settings(max_examples=200, deadline=None)
def test_shown_patterns_leave_nothing_small(patterns: dict[int, int], smallest: int) -> None:
    masks, counts = np.array(sorted(patterns)), np.array([patterns[mask] for mask in sorted(patterns)])
    shown = shown_patterns(masks, counts, n_fields=4, at_most=5, smallest=smallest)
    assert len(shown) <= 5
    assert all(counts[place] >= smallest for place in shown)
    assert list(counts[shown]) == sorted(counts[shown], reverse=True)
    if smallest == 0:
        assert len(shown) == min(5, len(masks))
    if not len(shown):
        return
    left = np.ones(len(masks), dtype=bool)
    left[shown] = False
    for some in [np.ones_like(masks), *((masks >> bit & 1) ^ flip for bit in range(4) for flip in (0, 1))]:
        rest, whole = int((counts * some)[left].sum()), int((counts * some).sum())
        assert rest == 0 or rest >= smallest or whole < smallest


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (50, 100, (50, 0.5)),
        (0, 100, (0, 0.0)),
        (100, 100, (100, 1.0)),
        (3, 100, (None, 0.0)),
        (97, 100, (None, 1.0)),
        (8, 16, (None, None)),
        (0, 0, (0, None)),
    ],
)
def test_shown_part(part: int, whole: int, shown: tuple[int | None, float | None]) -> None:
    assert shown_part(part, whole, 11) == shown
