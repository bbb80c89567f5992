"""Dates that many records share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from broker.matching import pipeline
from broker.matching.candidates import Pairs
from broker.matching.evidence.fields.dates import DateColumn

from ...tokens import a_dataset, a_schema

HEAPED, N = "19800101", 400


@pytest.fixture
def schema():
    return a_schema("fields", ("surname", "birth_date"))


def dates(n_heaped: int, n: int = N) -> list[dict[str, str | None]]:
    """Records of whom some were born on one day, and the others each on their own."""
    days = np.datetime64("1950-01-01") + np.arange(n - n_heaped)
    return [{"surname": "lee", "birth_date": HEAPED}] * n_heaped + [
        {"surname": "lee", "birth_date": str(day).replace("-", "")} for day in days
    ]


def levels_and_weights(schema, *datasets) -> tuple[list[str], dict[str, float]]:
    """What is said of row 0 of two datasets, row 1 and so on, and what each level weighs without data."""
    column = DateColumn(schema.field("birth_date"), schema, datasets)
    left, right = (replace(data, derived=column.derive(data)) for data in datasets)
    rows = np.arange(len(left))
    levels = column.levels(left, right, Pairs(rows, rows, len(left) ** 2))
    weights = column.weights(np.bincount(np.ones(1, np.int64), minlength=len(column.labels)))
    return [column.labels[level] for level in levels], dict(zip(column.labels, weights, strict=True))


@pytest.mark.parametrize(
    ("n_heaped", "label"),
    [
        (1, "all parts agree"),
        (5, "all parts agree"),  # few enough to be by chance
        (6, "all parts agree, 1 in 256"),
        (8, "all parts agree, 1 in 64"),
        (200, "all parts agree, 1 in 64"),
    ],
)
def test_a_date_is_common_that_many_others_have(schema, n_heaped, label):
    one, two = (a_dataset(schema, dates(n_heaped), name) for name in "ab")
    labels, _ = levels_and_weights(schema, one, two)
    assert labels == [label] * n_heaped + ["all parts agree"] * (N - n_heaped)


def test_a_common_date_weighs_as_much_as_it_is_rare(schema):
    one, two = (a_dataset(schema, dates(40), name) for name in "ab")
    _, weights = levels_and_weights(schema, one, two)
    # A tenth of all have it: one in a hundred pairs of strangers agrees in it, and .75 x .1 of the matches.
    chance = 40 * 39 / (N * (N - 1))
    assert weights["all parts agree, 1 in 64"] == pytest.approx(np.log(0.75 * 0.1 / chance))


def test_dates_known_in_part_are_none(schema):
    records = [
        {"surname": "lee", "birth_date": date} for date in ("00000101", "19800000", None) for _ in range(9)
    ]
    data = a_dataset(schema, records, "a"), a_dataset(schema, records, "b")
    labels, _ = levels_and_weights(schema, *data)
    assert labels == ["known parts agree"] * 9 + ["the year agrees, the rest not known"] * 9 + ["missing"] * 9


def test_who_shares_a_common_date_alone_is_not_linked(schema):
    """A tenth of either side has a default date and is not on the other side; all others are on both."""
    random = np.random.default_rng(1)
    surnames = ["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 9)) for _ in range(N + 40)]
    sides = []
    for side in range(2):
        own = surnames[N:] if side else surnames[:40]
        records = [
            record | {"surname": name}
            for record, name in zip(dates(40), [*own, *surnames[40:N]], strict=True)
        ]
        sides.append(a_dataset(schema, records, "ab"[side]))
    links = pipeline.link(sides).links
    is_true = links.left >= 40
    assert is_true.sum() == N - 40
    assert (links.right[is_true] == links.left[is_true] + N).all()
    assert (~is_true).sum() <= 2  # of 1,600 pairs of random letters some are alike
