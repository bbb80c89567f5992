"""A job's progress, kept in memory and written down with the lease; and where a job notices its cancelling."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from broker.store import Store
from broker.work.queue import LEASE, Cancelled, Lease, LeaseLost, renew
from pprl.console import Advance
from pprl.errors import StoreError

RENEW_EVERY_S = 2.0

_log = logging.getLogger("broker.work")


class Keeper:
    """Renews a lease every few seconds from a thread of its own, while the block runs.

    It is a `pprl.console.Progress` as well: stages that are shown to it are what the job's row tells, and end with an
    exception where the job was cancelled or lost.

    Parameters
    ----------
    store : Store
        Which holds the job.
    lease : Lease
        On it.
    stopping : Event
        Set where the worker is to stop; the job ends as if it was lost, and is put back.
    """

    def __init__(self, store: Store, lease: Lease, *, stopping: threading.Event) -> None:
        self._store, self._lease, self._stopping = store, lease, stopping
        self._stage, self._n_done, self._n_total = "beginning", 0, 0
        self._cancelled, self._lost, self._over = False, False, threading.Event()
        self._thread = threading.Thread(target=self._keep, name="pprl-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def __call__(self, label: str, total: int | None, *, unit: str = "") -> Iterator[Advance]:
        """Show a stage."""
        del unit
        self.check()
        self._stage, self._n_done, self._n_total = label[:100], 0, total or 0
        yield self._advance
        self.check()

    def check(self) -> None:
        """Stop here where the job is not to go on.

        Raises
        ------
        Cancelled, LeaseLost
        """
        if self._cancelled:
            raise Cancelled("the job was cancelled")
        if self._lost or self._stopping.is_set():
            raise LeaseLost("the job is to be done by another worker")

    def _advance(self, n: int) -> None:
        self._n_done += n
        self.check()

    def _keep(self) -> None:
        failed_for_s = 0.0
        while not self._over.wait(RENEW_EVERY_S):
            try:
                self._cancelled = renew(
                    self._store, self._lease, stage=self._stage, n_done=self._n_done, n_total=self._n_total
                )
                failed_for_s = 0.0
            except LeaseLost:
                self._lost = not self._over.is_set()
                return
            except StoreError:
                # Others hold the database, or it is away for a moment; the lease bridges that.
                failed_for_s += RENEW_EVERY_S
                if failed_for_s > LEASE.total_seconds():
                    _log.warning("the store cannot be reached; a job is left to another worker")
                    self._lost = True
                    return
