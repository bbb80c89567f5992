"""A worker in a process of its own: ``python -m broker.work.process``; and those that look after such processes.

The process ends by itself when the one that started it is gone: it holds the read end of a pipe whose other end nobody
has any more then. So a service that is killed leaves no worker behind.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from broker.logs import set_up
from broker.store import open_store
from broker.work.housekeeping import Housekeeper
from broker.work.keys import BrokerKeys
from broker.work.queue import Kind
from broker.work.worker import Worker

_log = logging.getLogger("broker.work")

STOPS_WITHIN_S = 30
_LONGEST_PAUSE_S = 30.0
_STORE = "PPRL_BROKER_STORE"


def work_until_stopped(
    where: str,
    files: Path | None,
    keys: BrokerKeys,
    *,
    kinds: Collection[Kind],
    stopping: threading.Event | None = None,
) -> None:
    """Do jobs until a signal comes; for a process that does nothing else.

    Parameters
    ----------
    where : str
        The store.
    files : Path or None
        The folder of its files; None for a store in a folder.
    keys : BrokerKeys
        The broker's.
    kinds : collection of Kind
        Which jobs.
    stopping : Event, optional
        Set where it is to stop for another reason.
    """
    stopping = threading.Event() if stopping is None else stopping
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    set_up()
    with open_store(where, files=files) as store:
        housekeeper = Housekeeper(store, keys, monotonic=time.monotonic)
        Worker(store, keys, kinds=kinds, stopping=stopping).run(between=housekeeper.tick)


def main(arguments: Sequence[str]) -> None:
    """Work until the pipe on stdin is closed or a signal comes.

    Parameters
    ----------
    arguments : sequence of str
        Folder of the store's files or nothing, folder of the keys, kinds of jobs with commas between them. The store,
        whose URL may hold a password, comes by the environment variable ``PPRL_BROKER_STORE``.
    """
    files, keys_folder, kinds = arguments
    stopping = threading.Event()
    threading.Thread(target=_wait_for_parent, args=(stopping,), daemon=True).start()
    work_until_stopped(
        os.environ[_STORE],
        Path(files) if files else None,
        BrokerKeys.load(Path(keys_folder)),
        kinds=[Kind(kind) for kind in kinds.split(",")],
        stopping=stopping,
    )


class Supervisor:
    """Runs worker processes and starts those anew that end.

    Parameters
    ----------
    where : str
        The store.
    files, keys : Path
        Folders; ``files`` None for a store in a folder.
    kinds : sequence of sequence of Kind
        Of each worker, the jobs that it does.
    """

    def __init__(
        self, where: str, files: Path | None, keys: Path, *, kinds: Sequence[Sequence[Kind]]
    ) -> None:
        arguments = [[str(files or ""), str(keys), ",".join(kind.value for kind in some)] for some in kinds]
        self._environment = {**os.environ, _STORE: where}
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._look_after, args=(some,), name=f"pprl-worker-{number}")
            for number, some in enumerate(arguments)
        ]

    def start(self) -> None:
        """Start all workers."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let all workers stop: at the next stage of what they do, which is put back; after a while by force."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _look_after(self, arguments: Sequence[str]) -> None:
        pause_s = 1.0
        while not self._stopping.is_set():
            began = time.monotonic()
            command = [sys.executable, "-m", "broker.work.process", *arguments]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, env=self._environment)
            while process.poll() is None and not self._stopping.wait(0.2):
                pass
            if self._stopping.is_set():
                process.terminate()
                try:
                    process.wait(STOPS_WITHIN_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                return
            # One that ends at once, again and again, is not to keep the machine busy.
            pause_s = 1.0 if time.monotonic() - began > 60 else min(2 * pause_s, _LONGEST_PAUSE_S)
            _log.error("a worker ended with status %s and is started anew", process.returncode)
            self._stopping.wait(pause_s)


def _wait_for_parent(stopping: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stopping.set()


if __name__ == "__main__":
    main(sys.argv[1:])
