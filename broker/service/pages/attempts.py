"""How often somebody may try to sign in."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

MOST = 10
WITHIN = timedelta(minutes=10)
MOST_ADDRESSES = 10_000


class Attempts:
    """Counts attempts to sign in by the address they come from; those that succeed are not counted.

    Nobody guesses 256 bits: this keeps one who tries from keeping the database busy, and the log readable.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_address: OrderedDict[str, list[datetime]] = OrderedDict()

    def attempt(self, address: str, *, now: datetime) -> timedelta | None:
        """Count an attempt.

        Returns
        -------
        timedelta or None
            How long to wait where there were too many; None: go on.
        """
        who = _who(address)
        with self._lock:
            times = [one for one in self._by_address.pop(who, []) if now - one < WITHIN]
            wait = None
            if len(times) >= MOST:
                wait = times[0] + WITHIN - now
            else:
                times.append(now)
            self._by_address[who] = times
            while len(self._by_address) > MOST_ADDRESSES:
                self._by_address.popitem(last=False)
        return wait

    def succeeded(self, address: str) -> None:
        """Take the last attempt back: it was right."""
        with self._lock:
            times = self._by_address.get(_who(address))
            if times:
                times.pop()


def _who(address: str) -> str:
    """An address; of IPv6 the network, of which one customer has all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 6:
        return str(ipaddress.ip_network(f"{parsed}/64", strict=False))
    return str(parsed)
