"""Birth dates as they are put down."""

from __future__ import annotations

from functools import cache

import numpy as np

from benchmarks.population.chance import Bools, Dice, Floats, Ints, Text, below
from benchmarks.population.noise import Noise

_FIRST_YEAR = 1900
_LAST_YEAR = 2029


def birth_dates(birth: Ints, day: Ints, *, noise: Noise, care: Floats, dice: Dice) -> Text:
    """Return birth dates, ``YYYY-MM-DD``, ``YYYY-MM`` or ``YYYY``, with a record's errors.

    Parameters
    ----------
    birth, day : int64[n]
        Day of birth and day of the record, from 1970. No recorded date is behind the day of the record.
    noise : Noise
        The rates.
    care : float64[n]
        Factor on them.
    dice : Dice
        The site's and block's.
    """
    year, month, date = _parts(birth)

    exchange = (date <= 12) & (date != month) & dice.chosen("day and month", noise.day_month_exchanged * care)
    exchange &= _days(year, date, month) <= day
    month, date = np.where(exchange, date, month), np.where(exchange, month, date)

    off = dice.chosen("year off", noise.year_off * care)
    step = np.where(dice("year before") < 0.5, -1, 1)
    step = np.where(_days(year + step, month, date) > day, -1, step)
    year = np.where(off, year + step, year)

    slip = dice.chosen("date digit", noise.date_digit * care)
    year, month, date = _digit_slipped(year, month, date, slip, day, dice)
    date = np.minimum(date, _month_length(year, month))

    default = dice.chosen("date default", noise.date_default * care)
    zero = default & (dice("1900") < 0.5)
    year, month, date = (np.where(zero, value, part) for value, part in ((1900, year), (1, month), (1, date)))
    month, date = np.where(default, 1, month), np.where(default, 1, date)

    partial = dice.chosen("date partial", noise.date_partial * care)
    only_year = partial & (dice("year only") < 0.4)
    ending = np.where(only_year, 0, np.where(partial, month, 12 + (month - 1) * 31 + date))
    return np.strings.add(_years()[np.clip(year, _FIRST_YEAR, _LAST_YEAR) - _FIRST_YEAR], _endings()[ending])


def _digit_slipped(
    year: Ints, month: Ints, date: Ints, slip: Bools, day: Ints, dice: Dice
) -> tuple[Ints, Ints, Ints]:
    """Change one digit where ``slip``: of the day in 45 %, the month in 20 %, the year in 35 % if that can be."""
    which, digit = dice("which digit"), below(dice("new digit"), 9)
    new_date = date // 10 * 10 + (date + 1 + digit) % 10
    new_month = np.where(month < 10, 1 + (month + digit % 8) % 9, 10 + (month - 9) % 3)
    new_year = year // 10 * 10 + (year + 1 + digit) % 10
    new_year = np.where(_days(new_year, month, np.minimum(date, 28)) > day - 31, new_year - 10, new_year)
    of_date = (which < 0.45) & (new_date >= 1) & (new_date <= _month_length(year, month))
    of_date &= _days(year, month, np.clip(new_date, 1, 28)) <= day - 3
    of_month = ~of_date & (which < 0.65) & (date <= _month_length(year, new_month))
    of_month &= _days(year, new_month, np.minimum(date, 28)) <= day - 3
    of_year = slip & ~of_date & ~of_month
    return (
        np.where(of_year, new_year, year),
        np.where(slip & of_month, new_month, month),
        np.where(slip & of_date, new_date, date),
    )


def _parts(days: Ints) -> tuple[Ints, Ints, Ints]:
    date = days.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    since = month.astype(np.int64)
    return since // 12 + 1970, since % 12 + 1, (date - month).astype(np.int64) + 1


def _days(year: Ints, month: Ints, date: Ints) -> Ints:
    """Return the day, counted from 1970; days beyond a month's end run into the next."""
    start = ((year - 1970) * 12 + month - 1).astype("datetime64[M]").astype("datetime64[D]")
    return start.astype(np.int64) + date - 1


def _month_length(year: Ints, month: Ints) -> Ints:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length: Ints = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[month] + (
        (month == 2) & leap
    )
    return length


@cache
def _years() -> Text:
    return np.arange(_FIRST_YEAR, _LAST_YEAR + 1).astype(np.str_)


@cache
def _endings() -> Text:
    """Return nothing; a month (1 to 12); or month and day, from 13 on."""
    months = [f"-{month:02d}" for month in range(1, 13)]
    return np.array(["", *months, *(f"{month}-{day:02d}" for month in months for day in range(1, 32))])
