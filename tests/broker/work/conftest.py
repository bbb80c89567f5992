"""The service's world, for what its workers do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from broker.store import Store

from ..service.hospital import Hospital


@pytest.fixture
def hospital(store: Store, tmp_path) -> Iterator[Hospital]:
    with Hospital(store, tmp_path) as made:
        yield made
