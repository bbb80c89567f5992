"""Columns of values of the usual shape: the same forms as the rules give, and most values among them."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pprl.schema import Kind
from pprl.site.normalise import placeholders, rule_for
from pprl.site.normalise.usual import usual_forms

TODAY = datetime.date(2026, 3, 1)
WORDS = [
    "Anna",
    "baby",
    "BABYGIRL",
    "Unknown",
    "NaN",
    "nan",
    "xxx",
    "aa",
    "AaA",
    "z",
    "O'Brien",
    "Núñez",
    "Null",
]
DAYS = st.dates(datetime.date(1890, 1, 1), datetime.date(2030, 12, 31))
DATES = (
    st.builds(lambda day, form: day.strftime(form), DAYS, st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%d/%m/%Y"]))
    | st.text("0123456789-", max_size=10)
    | st.sampled_from(
        ["1999-02-29", "2000-02-29", "1900-02-29", "2026-03-02", "1901-01-01", "20260301", "1980-13-01"]
    )
)
NUMBERS = st.sampled_from(["1", "11", "007", "7370", "12b", "١٢", ""])
RESTS = [
    "Main Street",
    "North 5th Ave # 3",
    "11",
    "1 1",
    "#",
    "P.O. Box 9",
    "apt unit 4",
    "'S Lane",
    " 5",
    "ß",
    "",
    "\t",
]
STREETS = st.builds("{}{}{}".format, NUMBERS, st.sampled_from([" ", "  ", "-", ""]), st.sampled_from(RESTS))
USUAL = {
    Kind.GIVEN_NAME: st.sampled_from(WORDS) | st.text("aAbz Z-é", max_size=4),
    Kind.MIDDLE_NAME: st.sampled_from(WORDS) | st.text("aAbz", max_size=3),
    Kind.SURNAME: st.sampled_from(WORDS) | st.text("aAbz", max_size=3),
    Kind.BIRTH_DATE: DATES,
    Kind.STREET: STREETS | st.text("1 aA#", max_size=6),
}


@pytest.mark.parametrize("kind", list(USUAL))
@given(data=st.data())
def test_usual_forms_are_those_of_the_rule(kind, data):
    texts = data.draw(st.lists(st.none() | USUAL[kind], max_size=8))
    first = data.draw(st.integers(0, len(texts)))
    found = usual_forms(pa.array(texts, pa.string()).slice(first), kind, today=TODAY).to_pylist()
    rule = rule_for(kind, date_order="ymd", today=TODAY)
    assert len(found) == len(texts) - first
    for text, form in zip(texts[first:], found, strict=True):
        assert form is None or form == rule(text)


@pytest.mark.parametrize(
    ("kind", "texts", "forms"),
    [
        (Kind.SURNAME, ["Weber", "x", "LI", "De Witt", "Aaa", "Null", "", None], ["weber", "x", "li"]),
        (
            Kind.BIRTH_DATE,
            ["1980-05-03", "20000229", "1900-01-01", "19800500", None],
            ["19800503", "20000229"],
        ),
        (Kind.STREET, ["12 North Street", "1 P O Box 3", "Rose Cottage", "11 1"], ["12 n st", "1 po box 3"]),
        (Kind.POSTCODE, ["12345"], []),
    ],
)
def test_what_is_usual(kind, texts, forms):
    found = usual_forms(pa.array(texts, pa.string()), kind, today=TODAY).to_pylist()
    assert found == forms + [None] * (len(texts) - len(forms))


@given(st.integers(0, 99_999_999))
@example(20260302)
def test_a_date_is_usual_only_where_the_calendar_has_it(number):
    (found,) = usual_forms(pa.array([f"{number:08d}"]), Kind.BIRTH_DATE, today=TODAY).to_pylist()
    try:
        day = datetime.date(number // 10000, number // 100 % 100, number % 100)
        expected = datetime.date(1902, 1, 1) <= day <= TODAY
    except ValueError:
        expected = False
    assert found == (f"{number:08d}" if expected else None)


def test_single_words_are_those_that_stand_for_nothing():
    assert {"unknown", "nan", "baby", "girl", "babygirl", "zztest", "fnu"} <= placeholders.SINGLE_WORDS
    assert all(word.isalpha() and word == word.lower() for word in placeholders.SINGLE_WORDS)
