"""Faults: `make test-faults`, which is none of what `make test` runs.

``ROUNDS`` is how often something is killed in each case, ``GIGABYTES`` the size of the large upload, ``EXAMPLES`` how
many requests are made up for each operation, ``SEED`` what random moments come from.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from broker.clock import system_clock
from broker.store import Store, open_store

from ..broker import postgres
from ..broker.conftest import (  # noqa: F401 - fixtures
    BACKENDS,
    clock,
    nowhere,
    own_database,
    postgres_server,
    postgres_shared,
    postgres_template,
    store_template,
    where,
)
from .invariants import check_invariants
from .service import Service
from .town import Asker, Place

N_ROUNDS = int(os.environ.get("ROUNDS") or 4)
N_GIGABYTES = float(os.environ.get("GIGABYTES") or 1)
N_EXAMPLES = int(os.environ.get("EXAMPLES") or 40)
SEED = int(os.environ.get("SEED") or 0)
JOB_ENDS_WITHIN_S = 180


@pytest.fixture
def draw() -> random.Random:
    return random.Random(SEED)


@pytest.fixture(params=BACKENDS)
def place(request, tmp_path) -> Place:
    """A store with everybody in it, and nothing else, in either database."""
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("store_template"), tmp_path / "store")
        at = (str(tmp_path / "store"), None)
    else:
        folder = request.getfixturevalue("postgres_server")
        database = postgres.create(folder, template=request.getfixturevalue("postgres_template"))
        at = (postgres.url(folder, database), tmp_path / "store-files")
    made = Place(*at, tmp_path)
    with open_store(at[0], files=at[1], clock=yesterday) as store:
        made.populate(store)
    return made


def yesterday() -> datetime:
    """When everybody came: so that clocks which go wrong by some hours find them there."""
    return system_clock() - timedelta(days=1)


@pytest.fixture
def store(place) -> Iterator[Store]:
    """The place's store, for looking."""
    with open_store(place.where, files=place.files) as opened:
        yield opened


@pytest.fixture
def service(place) -> Iterator[Service]:
    made = Service(place)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def asker(place, service) -> Iterator[Asker]:
    made = Asker(place, service.url)
    yield made
    made.client.close()


@pytest.fixture
def ends(asker) -> Callable[..., dict]:
    """``ends(job_id)``: the job once it is over."""

    def wait(job_id: str, *, within_s: float = JOB_ENDS_WITHIN_S) -> dict:
        end = time.monotonic() + within_s
        while True:
            job = asker.job(job_id)
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            assert time.monotonic() < end, job
            time.sleep(0.02)

    return wait


@pytest.fixture
def is_sound(store) -> Callable[[], None]:
    def check(**more) -> None:
        assert check_invariants(store, **more) == []

    return check


__all__ = ["N_EXAMPLES", "N_GIGABYTES", "N_ROUNDS", "Path"]
