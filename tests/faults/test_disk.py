"""The disk is full: at an upload, an intake, a run and a release. Nothing is half written, and it goes on with room."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from broker.store import init_store, open_store

from .invariants import check_invariants
from .service import Service
from .town import Asker, Place

DISK_BYTES = 192 * 1024 * 1024


@pytest.fixture
def disk(tmp_path):
    """A small disk in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a disk cannot be mounted here; it takes root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def place(disk, tmp_path):
    where = str(disk / "store")
    init_store(where).close()
    made = Place(where, None, tmp_path)
    with open_store(where) as store:
        made.populate(store)
    return made


class Ballast:
    """Takes the room of a disk away."""

    def __init__(self, disk: Path) -> None:
        self.disk, self.path = disk, disk / "ballast"

    def leave(self, n_bytes: int) -> None:
        """Leave so much room."""
        with self.path.open("ab") as file:
            while (more := shutil.disk_usage(self.disk).free - n_bytes) > 0:
                try:
                    os.posix_fallocate(file.fileno(), self.path.stat().st_size, more)
                except OSError:  # others write as well
                    time.sleep(0.01)

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)


def test_a_full_disk(disk, place, service, asker, ends):
    ballast = Ballast(disk)

    def sound(**more) -> None:
        with open_store(place.where) as store:
            assert check_invariants(store, **more) == []

    # an upload
    content = os.urandom(8 * 1024 * 1024)
    upload = asker.announce("a", content)["id"]
    ballast.leave(3 * 1024 * 1024)
    answer = asker.send("a", upload, 0, content)
    assert answer.status_code == 507, answer.text
    assert answer.json()["code"] == "full"
    assert asker.client.get("/readyz").status_code == 507
    assert asker.client.get("/healthz").status_code == 200
    ballast.drop()
    offset = asker.offset("a", upload)
    assert 0 <= offset < len(content)
    assert (Path(place.where) / "uploads" / upload).read_bytes()[:offset] == content[:offset]
    assert asker.send("a", upload, offset, content[offset:]).status_code == 204
    job = ends(asker.get("anna", f"uploads/{upload}")["job"]["id"])
    assert "SHA-256" not in job["result"]["refusal"]
    sound()
    # jobs, with some room or none
    for start in (
        lambda: asker.deliver("a", place.package("a")),
        lambda: asker.deliver("b", place.package("b")),
        asker.link,
        asker.release,
        asker.withdraw,
    ):
        job, room = None, 0
        for kilobytes in (0, 16, 64):
            if job is None:
                service.kill(
                    "worker"
                )  # so that the job waits for the next one, and for what is left of the disk
                service.kill("worker")
                job = start()
            ballast.leave(kilobytes * 1024)
            time.sleep(4)
            told = look(asker, job)
            if told is not None and told["state"] == "done":
                break
            room = kilobytes
            ballast.drop()
            sound(quiet=False)
        ballast.drop()
        done = ends(job, within_s=300)
        assert done["state"] == "done", (room, done)
        print(f"{done['kind']}: done, {done['attempts']} attempts")
        sound()
    asker.check_release(asker.get("rita", "releases?limit=500")["items"][-1]["id"])


def look(asker: Asker, job: str) -> dict | None:
    answer = asker.ask("olga", "GET", f"jobs/{job}")
    return answer.json() if answer.status_code == 200 else None


@pytest.fixture
def service(place):
    made = Service(place)
    made.start()
    yield made
    made.stop()
