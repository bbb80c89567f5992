"""Many uploads at once with breaks, and one that is larger than the memory."""

from __future__ import annotations

import hashlib
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil

from broker.governance import create_dataset
from broker.journal import LOCAL
from broker.store.tables import Upload, UploadState

from .conftest import N_GIGABYTES
from .town import Asker

N_CLIENTS = 50
CLIENT_BYTES = 3 * 1024 * 1024
PIECE_BYTES = 512 * 1024


def test_fifty_clients_at_once(place, service, store, ends, asker):
    with store.begin() as session:  # a dataset takes some at a time only
        for number in range(N_CLIENTS):
            made = create_dataset(
                session, place.project, place.parties["anna"], name=f"d{number}", by=LOCAL, now=store.clock()
            )
            session.flush()
            place.datasets[f"d{number}"] = made
    waited, over = [], threading.Event()

    def look() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            while not over.wait(0.05):
                began = time.perf_counter()
                assert client.get("/healthz").status_code == 200
                waited.append(time.perf_counter() - began)

    with ThreadPoolExecutor(N_CLIENTS + 1) as pool:
        looking = pool.submit(look)
        uploads = list(pool.map(lambda number: send_with_breaks(place, service, number), range(N_CLIENTS)))
        over.set()
        looking.result()
    for upload, content in uploads:
        with store.read() as session:
            row = session.query(Upload).where(Upload.id == upload).one()
            # Failed: looked into already, and no package.
            assert row.state in (UploadState.COMPLETE, UploadState.FAILED)
            assert row.n_received == len(content)
    for upload, _ in uploads:
        done = ends(asker.get("anna", f"uploads/{upload}")["job"]["id"])
        assert "SHA-256" not in done["result"]["refusal"]  # so all bytes were right
    median, most = statistics.median(waited), max(waited)
    print(f"/healthz meanwhile: median {1000 * median:.0f} ms, most {1000 * most:.0f} ms of {len(waited)}")
    assert median < 1


def send_with_breaks(place, service, number: int) -> tuple[str, bytes]:
    """Send a file in pieces, of which every third breaks in the middle."""
    content = os.urandom(CLIENT_BYTES)
    body = {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    with Asker(place, service.url).client as client:
        client.headers["Authorization"] = f"Bearer {place.tokens['anna']}"
        path = f"/api/v1/datasets/{place.datasets[f'd{number}'].id}/uploads"
        while (answer := client.post(path, json=body)).status_code == 503:
            time.sleep(1)
        assert answer.status_code == 201, answer.text
        upload, offset, n_sent = answer.json()["id"], 0, 0
        while offset < len(content):
            n_sent += 1
            piece = content[offset : offset + PIECE_BYTES]
            headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            answer = None
            try:
                sent = breaking(piece) if n_sent % 3 == 0 else piece
                answer = client.patch(f"/api/v1/uploads/{upload}", content=sent, headers=headers)
            except (Broken, httpx.HTTPError):
                pass
            if answer is not None and answer.status_code == 204:
                offset = int(answer.headers["Upload-Offset"])
                continue
            assert answer is None or answer.status_code in (409, 503), answer.text
            time.sleep(0.1)
            answer = client.head(f"/api/v1/uploads/{upload}")
            if answer.status_code == 200:
                offset = int(answer.headers["Upload-Offset"])
    return upload, content


class Broken(Exception):
    pass


def breaking(piece: bytes):
    yield piece[: len(piece) // 2]
    raise Broken


def test_a_large_upload_takes_no_memory(place, service, asker, store):
    n_bytes = int(N_GIGABYTES * 10**9)
    block = os.urandom(1024 * 1024)

    def blocks():
        left = n_bytes
        while left:
            yield block[:left]
            left -= min(left, len(block))

    digest = hashlib.sha256()
    for one in blocks():
        digest.update(one)
    body = {"sha256": digest.hexdigest(), "n_bytes": n_bytes}
    path = f"datasets/{place.datasets['a'].id}/uploads"
    upload = asker.ask("anna", "POST", path, json=body).json()["id"]
    server = psutil.Process(service.process.pid)
    before, most, over = server.memory_info().rss, [], threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            most.append(server.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    began = time.monotonic()
    answer = asker.client.patch(
        f"/api/v1/uploads/{upload}",
        content=blocks(),
        headers={
            "Authorization": f"Bearer {place.tokens['anna']}",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        },
        timeout=3600,
    )
    seconds = time.monotonic() - began
    over.set()
    looking.join()
    assert answer.status_code == 204, answer.text
    more = max(most) - before
    print(
        f"{n_bytes / 1e9:g} GB in {seconds:.0f} s; memory {before / 1e6:.0f} MB, at most {more / 1e6:.0f} more"
    )
    assert more < 64e6
    job = asker.get("anna", f"uploads/{upload}")["job"]["id"]
    while asker.job(job)["state"] in ("queued", "running"):
        time.sleep(0.2)
    assert "SHA-256" not in asker.job(job)["result"]["refusal"]
    assert max(one.memory_info().rss for one in service.workers()) < 1e9
