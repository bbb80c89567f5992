"""Batches: the rules applied to Arrow columns of any layout, and the counts."""

from __future__ import annotations

import datetime
import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.schema import Kind, parse_schema
from pprl.site.normalise import Absent, FieldCounts, normalise, rule_for

TODAY = datetime.date(2026, 3, 1)
FIELDS = '["given_name", "surname", "birth_date", "sex", "postcode"]'
SCHEMA = parse_schema(f'[linkage]\nproject = "p"\nepoch = "1"\nfields = {FIELDS}\n')
ROWS = [
    {
        "given_name": "José",
        "surname": "O'Brien",
        "birth_date": "1980-05-03",
        "sex": "M",
        "postcode": "02139-1234",
    },
    {
        "given_name": "BABY GIRL",
        "surname": "Smith Jr",
        "birth_date": "1900-01-01",
        "sex": "U",
        "postcode": "00000",
    },
    {"given_name": None, "surname": "", "birth_date": "  ", "sex": None, "postcode": None},
    {"given_name": "123", "surname": "李", "birth_date": "3/5/1980", "sex": "?!", "postcode": "12"},
]
CLEAN = [
    {"given_name": "jose", "surname": "obrien", "birth_date": "19800503", "sex": "m", "postcode": "02139"},
    {"given_name": None, "surname": "smith", "birth_date": None, "sex": None, "postcode": None},
    {"given_name": None, "surname": None, "birth_date": None, "sex": None, "postcode": None},
    {"given_name": None, "surname": "李", "birth_date": None, "sex": None, "postcode": None},
]


VALUES = st.none() | st.text(max_size=8) | st.sampled_from(["Unknown", "1980", "M"])


def batch_of(rows):
    columns = {"local_id": [str(number) for number in range(len(rows))]}
    columns |= {name: [row[name] for row in rows] for name in SCHEMA.field_names}
    return pa.RecordBatch.from_pydict(
        {name: pa.array(values, pa.string()) for name, values in columns.items()}
    )


def fields_of(batch):
    return batch.select(list(SCHEMA.field_names)).to_pylist()


def clean(batch, **settings):
    return normalise(batch, SCHEMA, **({"date_order": "ymd", "today": TODAY} | settings))


def test_values_become_their_normal_form_or_null():
    found = clean(batch_of(ROWS))
    assert fields_of(found.batch) == CLEAN
    assert found.batch.schema.names == ["local_id", *SCHEMA.field_names]
    assert found.batch.column("local_id").to_pylist() == ["0", "1", "2", "3"]
    assert all(field.type == pa.string() for field in found.batch.schema)


def test_counts_say_what_became_of_every_value():
    assert clean(batch_of(ROWS)).counts == {
        "given_name": FieldCounts(present=1, missing=1, placeholder=1, invalid=1),
        "surname": FieldCounts(present=3, missing=1),
        "birth_date": FieldCounts(present=1, missing=1, placeholder=1, invalid=1),
        "sex": FieldCounts(present=1, missing=1, placeholder=2),
        "postcode": FieldCounts(present=1, missing=1, placeholder=1, invalid=1),
    }


def test_counts_of_chunks_add_up():
    whole = clean(batch_of(ROWS * 3)).counts
    parts = [clean(batch_of(ROWS[:1])).counts, clean(batch_of(ROWS[1:] + ROWS * 2)).counts]
    for name in SCHEMA.field_names:
        assert parts[0][name] + parts[1][name] == whole[name]


def test_the_date_order_is_that_of_the_argument():
    column = clean(batch_of(ROWS[3:]), date_order="dmy").batch.column("birth_date")
    assert column.to_pylist() == ["19800503"]
    column = clean(batch_of(ROWS[3:]), date_order="mdy").batch.column("birth_date")
    assert column.to_pylist() == ["19800305"]


def test_an_empty_batch_stays_empty():
    found = clean(batch_of([]))
    assert found.batch.num_rows == 0
    assert set(found.counts.values()) == {FieldCounts()}


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.null()])
def test_any_layout_of_text_will_do(kind):
    batch = batch_of(ROWS)
    values = pa.nulls(len(ROWS)) if pa.types.is_null(kind) else batch.column("given_name").cast(kind)
    batch = batch.set_column(1, "given_name", values)
    expected = [None] * 4 if pa.types.is_null(kind) else [row["given_name"] for row in CLEAN]
    column = clean(batch).batch.column("given_name")
    assert column.type == pa.string()
    assert column.to_pylist() == expected


@given(start=st.integers(0, 12), length=st.integers(0, 12))
def test_slices_with_an_offset_give_the_rows_of_the_slice(start, length):
    found = clean(batch_of(ROWS * 3).slice(start, length))
    assert fields_of(found.batch) == (CLEAN * 3)[start : start + length]


@given(seed=st.integers(0, 2**32))
def test_the_order_of_rows_does_not_matter(seed):
    order = list(range(8))
    random.Random(seed).shuffle(order)
    rows = (ROWS * 2)[:8]
    found = clean(batch_of([rows[at] for at in order]))
    assert fields_of(found.batch) == [(CLEAN * 2)[at] for at in order]
    assert found.counts == clean(batch_of(rows)).counts


@given(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(SCHEMA.field_names, VALUES)),
        max_size=10,
    )
)
def test_a_batch_is_cleaned_as_its_values_one_by_one(rows):
    found = clean(batch_of(rows))
    for field in SCHEMA.fields:
        rule = rule_for(field.kind, date_order="ymd", today=TODAY)
        singly = [Absent.MISSING if row[field.name] is None else rule(row[field.name]) for row in rows]
        assert found.batch.column(field.name).to_pylist() == [
            v if isinstance(v, str) else None for v in singly
        ]
        counts = found.counts[field.name]
        for reason in Absent:
            assert getattr(counts, reason.value) == singly.count(reason)
        assert counts.present + counts.missing + counts.placeholder + counts.invalid == len(rows)
    again = clean(found.batch)
    assert again.batch == found.batch
    assert all(counts.placeholder == counts.invalid == 0 for counts in again.counts.values())


def test_every_kind_has_a_rule():
    for kind in Kind:
        assert rule_for(kind, date_order="ymd", today=TODAY)("") is Absent.MISSING
