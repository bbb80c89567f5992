"""The database goes away, breaks off connections, or is locked by somebody else."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from broker.store import init_store, open_store

from ..broker import postgres
from .conftest import BACKENDS, N_ROUNDS
from .invariants import check_invariants
from .service import Service
from .town import Asker, Place

on_postgresql = pytest.mark.skipif("postgresql" not in BACKENDS, reason="there is no PostgreSQL here")


@pytest.fixture
def place(request, tmp_path, postgres_server):
    """In PostgreSQL alone; the other tests ask for another one."""
    database = postgres.create(postgres_server, template=request.getfixturevalue("postgres_template"))
    made = Place(postgres.url(postgres_server, database), tmp_path / "store-files", tmp_path)
    with open_store(made.where, files=made.files) as store:
        made.populate(store)
    return made


@on_postgresql
def test_connections_are_broken_off(place, postgres_server, asker, ends, is_sound, draw):
    """At random, while jobs run and requests come."""
    over = threading.Event()
    n_broken = 0

    def break_off() -> None:
        nonlocal n_broken
        with psycopg.connect(postgres.url(postgres_server, "postgres"), autocommit=True) as connection:
            while not over.wait(draw.uniform(0.2, 1.0)):
                rows = connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname <> 'postgres' AND backend_type = 'client backend' "
                    "ORDER BY random() LIMIT 2"
                ).fetchall()
                n_broken += len(rows)

    thread = threading.Thread(target=break_off)
    thread.start()
    statuses = set()

    def patiently(method: str, who: str, path: str, **more):
        while (answer := asker.ask(who, method, path, **more)).status_code == 503:
            statuses.add(503)
            assert answer.headers["Retry-After"]
            assert answer.json()["code"] == "busy"
            time.sleep(0.05)
        statuses.add(answer.status_code)
        assert answer.status_code < 500, answer.text
        return answer

    def end(job_id: str) -> dict:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            job = patiently("GET", "olga", f"jobs/{job_id}").json()
            if job["state"] in ("done", "failed"):
                return job
            time.sleep(0.05)
        raise AssertionError(job)

    try:
        project = f"projects/{place.project.id}"
        for name, site in (("a", "anna"), ("b", "bert")):
            upload = deliver_patiently(place, asker, patiently, name, site)
            job = patiently("GET", site, f"uploads/{upload}").json()["job"]
            assert end(job["id"])["result"]["state"] == "accepted"
        for number in range(N_ROUNDS):
            headers = {"Idempotency-Key": f"run {number}"}
            job = patiently("POST", "stella", f"{project}/runs", json={}, headers=headers).json()
            assert end(job["id"])["state"] == "done"
            body = {"recipient": place.parties["rita"].id}
            headers = {"Idempotency-Key": f"release {number}"}
            job = patiently("POST", "stella", f"{project}/releases", json=body, headers=headers).json()
            assert end(job["id"])["state"] == "done"
    finally:
        over.set()
        thread.join()
    print(f"{n_broken} connections broken off, statuses {sorted(statuses)}")
    is_sound()
    asker.check_release(asker.get("rita", "releases?limit=500")["items"][-1]["id"])


def deliver_patiently(place, asker, patiently, name, site) -> str:
    content = place.package(name)
    body = {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    path = f"datasets/{place.datasets[name].id}/uploads"
    upload = patiently("POST", site, path, json=body).json()["id"]
    while True:
        told = patiently("GET", site, f"uploads/{upload}").json()
        if told["state"] == "complete":
            return upload
        asker.send(name, upload, told["n_received"], content[told["n_received"] :])


@on_postgresql
def test_the_server_is_stopped_for_a_while(tmp_path):
    """It gets a server of its own."""
    with postgres.server() as folder:
        url = postgres.url(folder, postgres.create(folder))
        init_store(url, files=tmp_path / "files").close()
        place = Place(url, tmp_path / "files", tmp_path)
        with open_store(place.where, files=place.files) as store:
            place.populate(store)
        service = Service(place)
        service.start()
        asker = Asker(place, service.url)
        try:
            jobs = [asker.deliver(name, place.package(name)) for name in "ab"]
            time.sleep(0.3)
            with gone(folder):
                answer = asker.ask("olga", "GET", "projects")
                assert answer.status_code == 503, answer.text
                assert answer.headers["Retry-After"]
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert asker.client.get("/healthz").status_code == 200
                assert asker.client.get("/readyz").status_code == 503
                time.sleep(3)
            until = time.monotonic() + 240
            while any(asker.job(job)["state"] != "done" for job in jobs):
                assert time.monotonic() < until, [asker.job(job) for job in jobs]
                time.sleep(0.2)
            with open_store(place.where, files=place.files) as store:
                assert check_invariants(store) == []
        finally:
            asker.client.close()
            service.stop()


@contextmanager
def gone(folder) -> Iterator[None]:
    """No connection is taken, and all there are end."""
    socket = next(folder.glob(".s.PGSQL.*[0-9]"))
    aside = socket.with_name("aside")
    with psycopg.connect(postgres.url(folder, "postgres"), autocommit=True) as connection:
        socket.rename(aside)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    yield
    aside.rename(socket)
