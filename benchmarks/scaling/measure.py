"""One linkage of the first rows of a large package with a small one; prints what it took as JSON.

Rows of a package come in random order, so the first ones are a fair sample of it. Memory is that of this process:
``anonymous`` is what it needs, ``resident`` counts pages of the tokens' scratch file too, which the system takes back
where it needs them.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from broker.intake import Register, take_in
from broker.matching.dataset import Dataset
from broker.matching.pipeline import link
from pprl.package import Identity


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Link and measure.

    Parameters
    ----------
    job : dict
        ``large``, ``small``, ``identity``, ``scratch``: paths; ``rows``: of the large side; ``candidates``.
    """
    folder = Path(job["scratch"])
    memory = Peak()
    began = time.perf_counter()
    packages = [Path(job["large"]), Path(job["small"])]
    identity = Identity.load(Path(job["identity"]))
    register = Register(folder / f"register-{os.getpid()}.json")
    deliveries = take_in(
        packages, identity, trusted=None, register=register, now=datetime.now(UTC), scratch=folder
    )
    large, small = (delivery.dataset for delivery in deliveries)
    intake_s = time.perf_counter() - began
    large = _first(large, int(job["rows"]))
    memory.reset()
    began = time.perf_counter()
    linkage = link([large, small], candidates=job["candidates"])
    link_s = time.perf_counter() - began
    (comparison,) = linkage.comparisons
    return {
        "rows": len(large),
        "columns": len(small),
        "route": comparison.route,
        "filter_comparisons": comparison.n_compared,
        "candidates": comparison.n_candidates,
        "links": len(comparison.links),
        "intake_s": round(intake_s, 2),
        "link_s": round(link_s, 2),
        "seconds": {stage: round(seconds, 2) for stage, seconds in comparison.seconds.items()},
        "anonymous_bytes": memory.stop(),
        "resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _first(dataset: Dataset, n: int) -> Dataset:
    return dataset if n >= len(dataset) else replace(dataset.rows(0, n), name=dataset.name)


class Peak:
    """Largest anonymous memory of this process, looked at twenty times a second."""

    def __init__(self) -> None:
        self._peak, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self._peak = max(self._peak, _anonymous_bytes())

    def reset(self) -> None:
        self._peak = 0

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self._peak


def _anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
