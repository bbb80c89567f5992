"""Columns of text to arrays and back."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pprl.site.text_arrays import string_array, text_arrays

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=12)


@given(texts=TEXTS, first=st.integers(0, 12), n=st.integers(0, 12))
def test_there_and_back(texts, first, n):
    column = pa.array(texts, pa.string()).slice(first, n)
    starts, text, valid = text_arrays(column)
    assert len(starts) == len(valid) + 1 == len(column) + 1
    found = [bytes(text[starts[i] : starts[i + 1]]).decode() if valid[i] else None for i in range(len(valid))]
    assert found == column.to_pylist() == texts[first : first + n]
    assert string_array(starts, text, valid).to_pylist() == found
