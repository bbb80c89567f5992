"""One run of one contestant: a process bound to its cores, its seconds, its memory."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pprl.errors import PprlError

_SAMPLE_EVERY_S = 0.05
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ONE_EACH = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave.

    Attributes
    ----------
    seconds : dict of str to float
        By part, as the contestant says; ``"timed"`` is what counts. A command says nothing: all of it counts.
    cpu_seconds : dict of str to float
        Of processors, by part; without ``"timed"`` where they cannot be told.
    wall_s : float
        Of the whole process, start and imports included.
    peak_mb : float
        Most memory that the process and its children held at one moment, in 10**6 bytes, by samples every 50 ms.
        Pages that processes share count in each.
    load : list of float
        Load averages before the run.
    versions, facts : dict
        As the contestant says.
    """

    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    wall_s: float
    peak_mb: float
    load: list[float] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def bound(command: list[str], cores: list[int]) -> list[str]:
    """Return the command bound to processor cores."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def run(
    command: list[str],
    *,
    cores: list[int],
    folder: Path,
    environment: dict[str, str],
    limit_s: float,
    speaks: bool,
) -> Run:
    """Run a command and measure it.

    Parameters
    ----------
    command : list of str
        A contestant's.
    cores : list of int
        Those it may use; libraries are told to start as many threads.
    folder : Path
        Where it runs; its output goes to ``stdout.txt`` and ``stderr.txt`` below ``logs``.
    environment : dict of str to str
        Variables.
    limit_s : float
        It is ended after this time.
    speaks : bool
        Whether its last line is a report.

    Raises
    ------
    PprlError
        Where it fails or takes longer; the last line it wrote is quoted.
    """
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    threads = dict.fromkeys(_ONE_EACH, str(len(cores)))
    loads = [round(value, 2) for value in os.getloadavg()]
    with (logs / "stdout.txt").open("wb") as out, (logs / "stderr.txt").open("wb") as err:
        begin, cpu_begin = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(
            bound(command, cores),
            cwd=folder,
            env=environment | threads,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        memory = _Memory(process.pid)
        try:
            code = process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise PprlError(f"took more than {limit_s:.0f} s and was ended") from None
        finally:
            wall_s = time.perf_counter() - begin
            peak_mb = memory.stop()
            _end(process)
            cpu_s = _cpu_of_children() - cpu_begin
    if code:
        raise PprlError(f"ended with code {code}: {_last_line(logs / 'stderr.txt')}")
    if not speaks:
        return Run({"timed": wall_s}, {"timed": cpu_s}, wall_s, peak_mb, loads)
    try:
        said = json.loads(_last_line(logs / "stdout.txt"))
    except ValueError:
        raise PprlError("ended without a report") from None
    return Run(said["seconds"], said["cpu_seconds"], wall_s, peak_mb, loads, said["versions"], said["facts"])


def tree_bytes(pid: int) -> int:
    """Return the resident memory of a process and all below it; 0 where it is gone."""
    folder = Path("/proc") / str(pid)
    try:
        pages = int((folder / "statm").read_text().split()[1])
        children = " ".join(path.read_text() for path in folder.glob("task/*/children"))
    except OSError:
        return 0
    return pages * _PAGE_BYTES + sum(tree_bytes(int(child)) for child in children.split())


class _Memory:
    """Samples the memory of a process and its children until stopped."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak = pid, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_EVERY_S):
            self._peak = max(self._peak, tree_bytes(self._pid))

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return self._peak / 1e6


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the contestant and what it may have left running: all of its session, which it alone is in."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
