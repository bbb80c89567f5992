from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from broker.matching.dataset import Dataset
from broker.matching.pipeline import Linkage, link

from .population import Town
from .tokens import a_dataset, a_schema


@pytest.fixture(scope="session")
def town() -> Town:
    """Two sites of some 500 rows each, 280 people in both."""
    return Town()


@pytest.fixture(scope="session")
def datasets(town: Town) -> Callable[[str], list[Dataset]]:
    """``datasets(profile)``: the two sites' tokens."""

    @cache
    def encoded(profile: str) -> list[Dataset]:
        schema = a_schema(profile)
        return [a_dataset(schema, records, name) for records, name in zip(town.records, "ab", strict=True)]

    return encoded


@pytest.fixture(scope="session")
def linked(datasets: Callable[[str], list[Dataset]]) -> Callable[[str], Linkage]:
    """``linked(profile)``: the two sites linked, once for all tests."""
    return cache(lambda profile: link(datasets(profile)))
