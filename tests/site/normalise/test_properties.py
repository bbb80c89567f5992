"""What holds for every kind and every text."""

from __future__ import annotations

import datetime
import unicodedata
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pprl.schema import Kind
from pprl.site.normalise import Absent, DateOrder, placeholders, rule_for

TODAY = datetime.date(2026, 3, 1)
NAMES = (Kind.GIVEN_NAME, Kind.MIDDLE_NAME, Kind.SURNAME, Kind.CITY)
UNSEEN = "\u200b\u200c\u200d\u200e\u200f\u2066\ufeff\u00ad\ufe0f"

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PIECES = """
NaN nan NA n/a Unknown unknown xxx Dr Rev. Mr JR. Sr III iv M.D. Ph.D. 3rd O'Brien Núñez-García baby GIRL boy
Saint St. Fort street NORTH apt # unit 12 12b P.O. BOX p o ½ ﷺ ŉ İ ß Ⅷ ² １２ ٣ 李 김 Иван विकास مُحَمَّد 🙂 x xx
- , ( ) . @ ` ´ a@b.c +44 +1 00 0 (0) 7946 0958 555-0123 ext 1980 05 31 1980-05-31 5/3/1980 MAR March 3,
T00:00:00 .0 19800503 99999 00000 12345 123-45-6789 ***-**-1234 male F 8507
"""
words = st.lists(st.sampled_from([*PIECES.split(), *UNSEEN, " ", "\t", "\n", "\u00a0"]), max_size=6).flatmap(
    lambda parts: st.sampled_from([" ".join(parts), "".join(parts)])
)
digits = st.text("0123456789-/. +()x", max_size=20)
texts = anything | words | digits


@pytest.mark.parametrize("kind", list(Kind))
@given(text=texts, order=st.sampled_from(get_args(DateOrder)))
@example(text="+49 10512345678", order="ymd")
@example(text="Dr Unknown", order="ymd")
@example(text="pobox p o box", order="ymd")
def test_a_normal_form_is_its_own_normal_form(kind, text, order):
    rule = rule_for(kind, date_order=order, today=TODAY)
    found = rule(text)
    if isinstance(found, str):
        assert found
        assert found == found.strip()
        assert unicodedata.is_normalized("NFC", found)
        assert rule(found) == found


@pytest.mark.parametrize("kind", list(Kind))
@given(
    text=texts,
    before=st.text(" \t\n\u00a0" + UNSEEN, max_size=3),
    after=st.text(" \r\n" + UNSEEN, max_size=3),
)
@example(text="A M.D`", before="", after="\u00ad")
def test_what_cannot_be_seen_at_the_ends_does_not_matter(kind, text, before, after):
    rule = rule_for(kind, date_order="dmy", today=TODAY)
    assert rule(before + text + after) == rule(text)


@pytest.mark.parametrize("kind", NAMES)
@given(text=texts)
def test_a_name_with_a_letter_never_becomes_invalid_or_empty(kind, text):
    found = rule_for(kind, date_order="ymd", today=TODAY)(text)
    # Signs that count as letters in Unicode but are apostrophes or fillers to a reader do not make a name.
    plain = unicodedata.normalize("NFKC", text)
    has_letter = any(unicodedata.category(char) in ("Ll", "Lu", "Lt", "Lo") for char in plain)
    has_filler = any(char in "\u1160\u115f\u3164Ꞌꞌŉﾠ" for char in text + plain)
    if has_letter and not has_filler:
        assert isinstance(found, str) or found is Absent.PLACEHOLDER


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.BIRTH_DATE, Kind.BIRTH_YEAR)])
@given(text=texts)
def test_the_clock_matters_to_birth_dates_only(kind, text):
    early = rule_for(kind, date_order="ymd", today=datetime.date(1990, 1, 1))
    late = rule_for(kind, date_order="mdy", today=TODAY)
    assert early(text) == late(text)


@given(text=texts | st.dates(datetime.date(1880, 1, 1)).map(str), order=st.sampled_from(get_args(DateOrder)))
def test_a_birth_date_is_eight_digits_and_not_in_the_future(text, order):
    found = rule_for(Kind.BIRTH_DATE, date_order=order, today=TODAY)(text)
    if isinstance(found, str):
        assert len(found) == 8
        assert found.isascii()
        assert found.isdigit()
        year, month, day = int(found[:4]), int(found[4:6]), int(found[6:])
        assert month or not day
        assert datetime.date(year or 1904, month or 1, day or 1) <= TODAY
        birth_year = rule_for(Kind.BIRTH_YEAR, date_order=order, today=TODAY)(text)
        if year:
            assert year >= 1870
            assert birth_year == found[:4]
        else:
            assert day
            assert birth_year is Absent.INVALID


@given(day=st.dates(datetime.date(1870, 1, 1), TODAY))
@example(day=datetime.date(1901, 1, 1))
def test_all_ways_to_write_a_date_agree(day):
    def read(text, order="ymd"):
        return rule_for(Kind.BIRTH_DATE, date_order=order, today=TODAY)(text)

    digits = day.strftime("%Y%m%d")
    is_placeholder = (day.year, day.month, day.day) in placeholders.DATES
    expected = Absent.PLACEHOLDER if is_placeholder else digits
    month = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"]
    month = [*month, "November", "December"][day.month - 1]
    y, m, d = day.year, day.month, day.day
    assert {
        read(str(day)),
        read(digits),
        read(f"{digits}.0"),
        read(f"{y}/{m}/{d}"),
        read(f"{day}T00:00:00Z"),
        read(f"{day} 13:45:10.25+02:00"),
        read(f"{digits}134510"),
        read(f"{d}.{m}.{y}", "dmy"),
        read(f"{d:02}/{m:02}/{y} 00:00", "dmy"),
        read(f"{m}-{d}-{y}", "mdy"),
        read(f"{m}/{d}/{y} 12:00:00 AM", "mdy"),
        read(f"{d} {month} {y}"),
        read(f"{month} {d}, {y}"),
        read(f"{d:02}-{month[:3].upper()}-{y}"),
        read(f"{d:02}{month[:3].upper()}{y}"),
        read(f"{month[:3]}. {d} {y}"),
    } == {expected}
