"""A worker: takes up one job after the other, and sees to what is due between them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import select

from broker.logs import place_of
from broker.store import Store
from broker.store.files import is_full
from broker.store.tables import Job, JobState
from broker.work.keys import BrokerKeys
from broker.work.presence import present, take_from_the_gone
from broker.work.progress import Keeper
from broker.work.queue import (
    Cancelled,
    Kind,
    Lease,
    LeaseLost,
    claim,
    end_cancelled,
    fail,
    put_back,
    release_all,
)
from pprl.errors import ConflictError, PprlError, StoreBusyError, StoreFullError
from pprl.guid import RandomBytes, new_guid

IDLE_S = 0.5
"""Between two looks into the queue."""

_log = logging.getLogger("broker.work")


@dataclass(frozen=True, slots=True)
class Task:
    """What a job is done with.

    Attributes
    ----------
    store : Store
    keys : BrokerKeys
    job : Job
        As it was when it was taken up.
    lease : Lease
    progress : Keeper
        Shows stages, and stops the job where it is cancelled.
    random_bytes : callable
    """

    store: Store
    keys: BrokerKeys
    job: Job
    lease: Lease
    progress: Keeper
    random_bytes: RandomBytes


class Worker:
    """Takes up jobs of a store until it is told to stop.

    Parameters
    ----------
    store : Store
        Open.
    keys : BrokerKeys
        The broker's.
    kinds : collection of Kind
        Which jobs it does.
    stopping : Event
        Set from outside; a job in progress stops at its next stage and is put back.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.
    """

    def __init__(
        self,
        store: Store,
        keys: BrokerKeys,
        *,
        kinds: Collection[Kind] = tuple(Kind),
        stopping: threading.Event | None = None,
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        self.store, self.keys, self.kinds = store, keys, tuple(kinds)
        self.stopping = threading.Event() if stopping is None else stopping
        self.random_bytes = random_bytes
        self.name = f"{os.getpid()}-{new_guid(random_bytes)}"

    def run(self, *, between: Callable[[], None] = lambda: None) -> None:
        """Work until told to stop.

        Parameters
        ----------
        between : callable
            Called while there is nothing to do; such as `broker.work.housekeeping.Housekeeper.tick`.
        """
        with present(self.store, self.name):
            while not self.stopping.is_set():
                self._step(between)

    def _step(self, between: Callable[[], None]) -> None:
        try:
            if not self.work_off(1) and not take_from_the_gone(self.store):
                between()
                self.stopping.wait(IDLE_S)
        except (StoreBusyError, StoreFullError) as error:
            _log.warning("waiting for the store: %s", error)
            self.stopping.wait(5 * IDLE_S)
        except PprlError as error:
            _log.error("between jobs: %s", error)
            self.stopping.wait(5 * IDLE_S)
        except OSError as error:
            _log.error("between jobs: %s", error.strerror)
            self.stopping.wait(5 * IDLE_S)

    def work_off(self, most: int) -> int:
        """Do up to so many jobs that wait; gives how many were begun."""
        for n_done in range(most):
            claimed = claim(self.store, self.name, kinds=self.kinds)
            if claimed is None:
                return n_done
            self._do(*claimed)
        return most

    def _do(self, lease: Lease, job: Job) -> None:
        from broker.work.kinds import DOERS

        began = time.perf_counter()
        _log.info("job begun", extra={"job": job.id, "kind": job.kind, "attempt": job.attempts})
        try:
            with Keeper(self.store, lease, stopping=self.stopping) as keeper:
                task = Task(self.store, self.keys, job, lease, keeper, self.random_bytes)
                DOERS[Kind(job.kind)](task)
            with self.store.read() as session:
                state = session.scalars(select(Job.state).where(Job.key == job.key)).one()
            if state is JobState.RUNNING:
                raise RuntimeError(f"a job of kind {job.kind} ended without an outcome")
            outcome = state.value
        except Cancelled:
            outcome = "cancelled"
            end_cancelled(self.store, lease)
        except LeaseLost:
            outcome = "left to another worker"
            release_all(self.store, self.name)
        except (StoreBusyError, StoreFullError, ConflictError) as error:
            # What stands against it now may be over when it is tried again.
            outcome = "put back"
            put_back(self.store, lease, str(error))
        except (PprlError, OSError) as error:
            if _for_want_of_room(error):
                outcome = "put back"
                put_back(self.store, lease, "the broker's disk is full")
            else:
                outcome = "failed"
                told = (
                    str(error).replace(f"{self.store.location.folder}/", "")
                    if isinstance(error, PprlError)
                    else f"a file cannot be used ({error.strerror})"
                )
                fail(self.store, lease, told)
        except MemoryError:
            outcome = "failed"
            fail(self.store, lease, "there is not enough memory for it on this machine")
        except Exception as error:
            # A fault of the program. Its text may hold anything, so it is told by its kind alone.
            outcome = "failed"
            _log.error("job ended by %s at %s", type(error).__name__, place_of(error), extra={"job": job.id})
            fail(self.store, lease, f"a fault of the program ended it ({type(error).__name__})")
        seconds = round(time.perf_counter() - began, 3)
        _log.info(
            "job ended", extra={"job": job.id, "kind": job.kind, "outcome": outcome, "seconds": seconds}
        )


def _for_want_of_room(error: BaseException | None) -> bool:
    """Whether a full disk is behind an error, however it was told on its way here."""
    while error is not None:
        if isinstance(error, OSError) and is_full(error):
            return True
        error = error.__cause__ or error.__context__
    return False
