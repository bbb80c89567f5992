"""A broker that answers in the same process, with a project in which everybody may what they may."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from broker.store import Store

from .hospital import Hospital


@pytest.fixture
def hospital(store: Store, tmp_path) -> Iterator[Hospital]:
    """Two sites, a steward, a researcher and an operator, each with a client of its own."""
    with Hospital(store, tmp_path) as made:
        yield made
