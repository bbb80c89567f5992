"""Spellings of race and ethnicity, and the categories they mean."""

from __future__ import annotations

import pytest

from pprl.labels import label_key, omb_categories


def test_a_key_knows_no_case_and_single_blanks():
    assert label_key("  Two  or\tmore RACES ") == "two or more races"


@pytest.mark.parametrize(
    ("attribute", "label", "category"),
    [
        ("race", "caucasian", "White"),
        ("race", "2054-5", "Black or African American"),
        ("race", "8515", "Asian"),
        ("race", "More than one race", "Multiple"),
        ("ethnicity", "non-hispanic", "Not Hispanic or Latino"),
        ("ethnicity", "38003563", "Hispanic or Latino"),
        ("sex", "F", "Female"),
    ],
)
def test_known_spellings(attribute, label, category):
    assert omb_categories(attribute)[label_key(label)] == category


def test_every_category_is_a_spelling_of_itself():
    for attribute in ("sex", "race", "ethnicity"):
        categories = omb_categories(attribute)
        assert all(categories[label_key(category)] == category for category in set(categories.values()))


def test_other_attributes_have_none():
    assert not omb_categories("region")
