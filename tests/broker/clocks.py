"""Clocks that tests set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **units: float) -> datetime:
        """Move it on by ``days=1`` and the like."""
        self.now += timedelta(**units)
        return self.now
