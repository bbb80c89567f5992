"""``pprl-broker serve`` as a process, to be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from .town import Place

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_S = 120


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


class Service:
    """A service on a port of its own; the log of all its lives is one file.

    Parameters
    ----------
    place : Place
        Its store.
    workers : bool
        Whether it has workers.
    """

    def __init__(self, place: Place, *, workers: bool = True) -> None:
        self.place, self.workers_wanted = place, workers
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = place.folder / f"service-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.limits = None

    def start(self, *, wait: bool = True) -> None:
        command = [sys.executable, "-c", "from broker.cli import main; main()", "serve"]
        command += ["--store", self.place.where, "--keys", str(self.place.keys_folder)]
        command += ["--port", str(self.port)]
        if self.place.files is not None:
            command += ["--files", str(self.place.files)]
        if not self.workers_wanted:
            command.append("--no-workers")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                preexec_fn=self.limits,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        end = time.monotonic() + STARTS_WITHIN_S
        while True:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def kill(self, what: str) -> None:
        """Kill -9 ``service``, a ``worker``, or ``all``."""
        workers = self.workers()
        if what in ("service", "all"):
            self.process.kill()
            self.process.wait()
        victims = workers if what == "all" else workers[:1] if what == "worker" else []
        for worker in victims:
            worker.kill()
        if what == "service":
            psutil.wait_procs(workers, timeout=60)  # they end by themselves

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            workers = self.workers()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for left in psutil.wait_procs(workers, timeout=30)[1]:
                left.kill()
