"""Birth dates on records."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.population.chance import Dice
from benchmarks.population.dates import birth_dates
from benchmarks.population.households import TODAY
from benchmarks.population.noise import Noise

N = 60_000
BIRTH = (TODAY - 1 - (np.arange(N) * 7919) % 30_000).astype(np.int64)
DAY = np.full(N, TODAY, dtype=np.int64)


def dates(noise: Noise, birth=BIRTH, day=DAY, seed=0):
    dice = Dice(seed, 0, purpose="test", n=len(birth))
    return birth_dates(birth, day, noise=noise, care=np.ones(len(birth)), dice=dice).tolist()


CLEAN = dates(Noise())


def test_clean_dates_are_the_dates():
    assert [str(day) for day in BIRTH.astype("datetime64[D]")] == CLEAN


def changed(noise: Noise) -> list[tuple[str, str]]:
    return [(old, new) for old, new in zip(CLEAN, dates(noise), strict=True) if old != new]


def test_day_and_month_exchange_where_they_can():
    found = changed(Noise(day_month_exchanged=0.2))
    possible = sum(int(date[8:]) <= 12 and date[5:7] != date[8:] for date in CLEAN)
    assert len(found) / possible == pytest.approx(0.2, abs=0.01)
    assert all(new == f"{old[:4]}-{old[8:]}-{old[5:7]}" for old, new in found)


def test_one_digit_is_wrong():
    found = changed(Noise(date_digit=0.2))
    assert len(found) / N == pytest.approx(0.2, abs=0.01)
    wrong = [[number for number in range(10) if old[number] != new[number]] for old, new in found]
    # beyond a digit: a month of two digits, a year that would lie ahead, the day of a shorter month
    assert np.mean([len(digits) == 1 for digits in wrong]) > 0.93
    parts = np.array(
        [[min(digits) < 4, any(d in (5, 6) for d in digits), max(digits) > 7] for digits in wrong]
    )
    assert parts.mean(axis=0) == pytest.approx([0.4, 0.2, 0.4], abs=0.06)


def test_years_are_off_by_one():
    found = changed(Noise(year_off=0.2))
    assert len(found) / N == pytest.approx(0.2, abs=0.01)
    step = [int(new[:4]) - int(old[:4]) for old, new in found]
    assert set(step) == {-1, 1}
    assert np.mean(step) == pytest.approx(0, abs=0.05)


def test_defaults_and_parts():
    found = changed(Noise(date_default=0.2))
    assert len(found) / N == pytest.approx(0.2, abs=0.01)
    assert {new[4:] for _, new in found} == {"-01-01"}
    assert np.mean([new == "1900-01-01" for _, new in found]) == pytest.approx(0.5, abs=0.02)
    found = changed(Noise(date_partial=0.2))
    assert len(found) / N == pytest.approx(0.2, abs=0.01)
    assert all(old.startswith(new) for old, new in found)
    assert np.mean([len(new) == 4 for _, new in found]) == pytest.approx(0.4, abs=0.02)


@given(
    st.lists(st.tuples(st.integers(0, 29_000), st.integers(1, 9000)), min_size=1, max_size=40),
    st.integers(0, 2**32),
)
def test_dates_exist_and_lie_before_the_record(cases, seed):
    birth = np.array([TODAY - 9001 - ago for ago, _ in cases])
    day = birth + np.array([after for _, after in cases])
    noise = Noise(day_month_exchanged=0.5, date_digit=0.6, year_off=0.5)
    for text, last in zip(dates(noise, birth, day, seed), day.tolist(), strict=True):
        assert datetime.date.fromisoformat(text) <= datetime.date(1970, 1, 1) + datetime.timedelta(days=last)
