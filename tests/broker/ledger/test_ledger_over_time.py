"""Any sequence of refreshes, mergers, splits and withdrawals: no GUID that was given is ever left without an answer."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Ledger


def test_over_time(store_template):
    Ledger.template = store_template
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
