"""SQLite's file is locked by somebody else for longer than anybody waits."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .town import Asker


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_long_lock(place, service, asker, ends, is_sound):
    jobs = [ends(asker.deliver(name, place.package(name)))["id"] for name in "ab"]
    jobs.append(asker.link())
    other = sqlite3.connect(f"{place.where}/store.sqlite3", isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()

    def write(number: int):
        with Asker(place, service.url).client as client:
            client.timeout = 120
            client.headers["Authorization"] = f"Bearer {place.tokens['stella']}"
            return client.post(f"/api/v1/projects/{place.project.id}/runs", json={"seed": number})

    try:
        with ThreadPoolExecutor(60) as pool:  # more than there are connections and threads
            asked = [pool.submit(write, number) for number in range(60)]
            time.sleep(3)
            before = time.perf_counter()
            assert asker.client.get("/healthz").status_code == 200
            assert time.perf_counter() - before < 1
            answers = [one.result() for one in asked]
    finally:
        other.rollback()
        other.close()
    lasted = time.monotonic() - began
    assert {one.status_code for one in answers} == {503}, {one.text for one in answers}
    assert all(one.headers["Retry-After"] for one in answers)
    done = ends(jobs[-1])
    assert done["state"] == "done", done
    print(f"locked for {lasted:.0f} s; all 60 writers were told 503")
    is_sound()
