"""Birth dates and birth years: ``YYYYMMDD`` with ``00`` for a part that is not known, and ``YYYY``."""

from __future__ import annotations

import calendar
import datetime
import re
from typing import Literal

from pprl.site.normalise import placeholders
from pprl.site.normalise.fold import has_letter, plain, words
from pprl.site.normalise.outcome import Absent

DateOrder = Literal["ymd", "dmy", "mdy"]
"""How a site writes dates in figures whose year does not come first."""

EARLIEST_YEAR = 1870
_NO_YEAR = "0000"
_YEARS_AHEAD = 20
"""Later ones are slips; a nearer date to come is a date of something else, such as an appointment or an expiry."""

_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?m\.?)?\s*(?:z|utc|gmt|[+-]\d{2}:?\d{2})?"
_TIME = rf"(?:(?:t|\s+|:){_CLOCK})?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})(?:[-/. ](\d{{1,2}})(?:[-/. ](\d{{1,2}}){_TIME})?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:t?\d{4}(?:\d{2}(?:\.\d+)?)?(?:z|[+-]\d{4})?)?")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})[-/. ](\d{{1,2}})[-/. ](\d{{4}}){_TIME}")
_DAY_MONTH_YEAR = re.compile(
    rf"(?:(\d{{1,2}})(?:st|nd|rd|th)?[-/., ]*)?([a-z]{{3,9}})[-/., ]*(\d{{4}}){_TIME}"
)
_MONTH_DAY_YEAR = re.compile(rf"([a-z]{{3,9}})[-/. ]*(\d{{1,2}})(?:st|nd|rd|th)?[-/., ]+(\d{{4}}){_TIME}")
_YEAR_MONTH_DAY = re.compile(r"(\d{4})[-/., ]*([a-z]{3,9})(?:[-/. ]*(\d{1,2}))?")
_POINT_ZERO = re.compile(r"\.0+$")

_MISREAD = str.maketrans("oil|", "0111")
"""Letters that scanners and typists give for digits."""
_LEAST_FIGURES = 5  # of a date in which others were misread

_MONTHS = {
    name.lower(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}


def birth_date(text: str, *, date_order: DateOrder, today: datetime.date) -> str | Absent:
    """A birth date as ``YYYYMMDD``.

    Parameters
    ----------
    text : str
        Figures with the year first, or last by ``date_order``; or with an English month in words. A time is
        ignored.
    date_order : {"ymd", "dmy", "mdy"}
        How figures with the year last are read; under ``"ymd"`` they are invalid.
    today : datetime.date
        Later dates are invalid; years more than twenty ahead and those before 1870 cannot be.

    Returns
    -------
    str or Absent
        Eight digits. A year that cannot be becomes ``0000`` where month and day can, a month that cannot be ``00``
        with its day, a day that cannot be ``00``: what is left is still evidence. Where the year comes last, a month
        above 12 beside a day that could be one makes the whole invalid, for the order may be wrong.
    """
    found = plain(text)
    if not found:
        return Absent.MISSING
    parts = _parts(found, date_order) or _parts(_read_again(found), date_order)
    if parts is None:
        spelt = words(found)
        return (
            Absent.PLACEHOLDER
            if not spelt or spelt in placeholders.WORDS or spelt == "nan"
            else Absent.INVALID
        )
    return _settle(*parts, today=today)


def birth_year(text: str, *, date_order: DateOrder, today: datetime.date) -> str | Absent:
    """A birth year as ``YYYY``, from a year or a whole date; see `birth_date`."""
    found = birth_date(text, date_order=date_order, today=today)
    if isinstance(found, Absent):
        return found
    return Absent.INVALID if found.startswith(_NO_YEAR) else found[:4]


def _read_again(text: str) -> str:
    """With digits where letters stand for them; nothing where there are other letters too, or hardly a digit."""
    read = text.translate(_MISREAD)
    is_misread = sum(map(str.isdecimal, text)) >= _LEAST_FIGURES and not has_letter(read)
    return read if is_misread else ""


def _parts(text: str, date_order: DateOrder) -> tuple[int, int, int] | None:
    """Year, month and day as written; 0 where there is none, None where it is no date."""
    if len(text) == 10 and text[4] == text[7] == "-":  # by far the most, and the parts are checked below
        year, month, day = text[:4], text[5:7], text[8:]
        if year.isdecimal() and month.isdecimal() and day.isdecimal():
            return int(year), int(month), int(day)
    text = _POINT_ZERO.sub("", text) if text.count(".") == 1 else text
    if match := _COMPACT.fullmatch(text) or _YEAR_FIRST.fullmatch(text):
        return int(match[1]), int(match[2] or 0), int(match[3] or 0)
    if match := _YEAR_LAST.fullmatch(text):
        if date_order == "ymd":
            return None
        day, month = (match[1], match[2]) if date_order == "dmy" else (match[2], match[1])
        if int(month) <= 12:
            return int(match[3]), int(month), int(day)
        # A month above 12 beside a possible one is the other order, not a slip: nothing of it can be trusted.
        return (int(match[3]), 0, 0) if int(day) > 12 else None
    for pattern, at in (
        (_DAY_MONTH_YEAR, (3, 2, 1)),
        (_MONTH_DAY_YEAR, (3, 1, 2)),
        (_YEAR_MONTH_DAY, (1, 2, 3)),
    ):
        match = pattern.fullmatch(text)
        if match and match[at[1]] in _MONTHS:
            return int(match[at[0]]), _MONTHS[match[at[1]]], int(match[at[2]] or 0)
    return None


def _settle(year: int, month: int, day: int, *, today: datetime.date) -> str | Absent:
    if not 1 <= month <= 12:
        month = day = 0
    elif day > (29 if month == 2 and _is_leap(year) else _DAYS[month]):
        day = 0
    if year in placeholders.YEARS or (year, month, day) in placeholders.DATES or not (year or day):
        return Absent.PLACEHOLDER
    if not EARLIEST_YEAR <= year <= today.year + _YEARS_AHEAD:
        return f"{_NO_YEAR}{month:02d}{day:02d}" if day else Absent.INVALID
    if (year, month or 1, day or 1) > (today.year, today.month, today.day):
        return Absent.INVALID
    return f"{year:04d}{month:02d}{day:02d}"


_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
