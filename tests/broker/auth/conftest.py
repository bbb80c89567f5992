from __future__ import annotations

import pytest

from broker.governance import create_party
from broker.journal import LOCAL
from broker.store import Store
from broker.store.tables import PartyKind

from ..clocks import SetClock
from .service import Service


@pytest.fixture
def how(clock: SetClock) -> dict[str, object]:
    return {"by": LOCAL, "now": clock()}


@pytest.fixture
def parties(store: Store, how: dict[str, object]) -> dict[str, str]:
    """A party of each kind: its name, which is its kind, to its id."""
    with store.begin() as session:
        return {kind.value: create_party(session, kind, name=kind.value, **how).id for kind in PartyKind}


@pytest.fixture
def service(clock: SetClock) -> Service:
    return Service(clock)
