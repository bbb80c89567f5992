"""Workers that die: ``python -m tests.faults.dying WHERE FILES KEYS`` reads numbers from stdin, one a line.

For each it starts a worker that is killed at its n-th point, or does all there is to do (0), and answers how that ended
and how many points were passed.

Points are where a kill could leave a half: before and after each transaction that writes, between the parts of storing
and deleting a file, and where a stage begins.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager

import broker.store.files as files
import broker.work.kinds  # noqa: F401 - what jobs need is there before the first fork
from broker.store import Store, open_store
from broker.work import BrokerKeys, Worker
from broker.work.progress import Keeper


def main(where: str, files_folder: str, keys_folder: str) -> None:
    from pathlib import Path

    keys = BrokerKeys.load(Path(keys_folder))
    print("ready", flush=True)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _work(where, files_folder or None, keys, int(line), writing)
            os._exit(0)
        os.close(writing)
        told = b""
        while part := os.read(reading, 65536):
            told += part
        os.close(reading)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(f"{'killed' if killed else status} {len(told)}", flush=True)


def _work(where, files_folder, keys, die_at: int, told: int) -> None:
    n_points, me = 0, threading.get_ident()

    def point() -> None:
        nonlocal n_points
        if threading.get_ident() != me:  # that of the lease
            return
        n_points += 1
        os.write(told, b".")
        if n_points == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    begin, sync, stage = Store.begin, files._sync, Keeper.__call__

    @contextmanager
    def dying_begin(self):
        with begin(self) as session:
            yield session
            point()
        point()

    def dying_sync(folder):
        sync(folder)
        point()

    @contextmanager
    def dying_stage(self, label, total, *, unit=""):
        point()
        with stage(self, label, total, unit=unit) as advance:
            yield advance

    Store.begin, files._sync, Keeper.__call__ = dying_begin, dying_sync, dying_stage
    stopping = threading.Event()
    with open_store(where, files=files_folder) as store:
        Worker(store, keys, stopping=stopping).run(between=stopping.set)


if __name__ == "__main__":
    main(*sys.argv[1:])
