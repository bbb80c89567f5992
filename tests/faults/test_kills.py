"""The service, its workers or all of it are killed at random moments, over and over, on one store."""

from __future__ import annotations

import os
import time

import httpx
import pytest

from .conftest import N_ROUNDS

KINDS = ("upload", "intake", "link", "release", "withdraw")
VICTIMS = ("worker", "service", "all")
UPLOAD_BYTES, PIECE_BYTES = 6 * 1024 * 1024, 256 * 1024


def test_killed_at_random_moments(place, service, asker, ends, store, is_sound, draw):
    for name in "ab":
        assert ends(asker.deliver(name, place.package(name)))["result"]["state"] == "accepted"
    ends(asker.link())
    ends(asker.release())
    lasted = dict.fromkeys(KINDS, 1.0)
    for number in range(N_ROUNDS):
        kind, victim = KINDS[number % len(KINDS)], draw.choice(VICTIMS)
        began, told = time.monotonic(), f"round {number}: {kind}, {victim}"
        if kind == "upload":
            interrupted_upload(place, service, asker, ends, store, draw)
        else:
            job = start(kind, place, asker)
            time.sleep(draw.uniform(0, 1.2 * lasted[kind]))
            service.kill(victim)
            if victim != "worker":
                time.sleep(draw.choice([0, 0, 0.5]))
                service.start()
            done = ends(job)
            assert done["state"] == "done", (told, done)
            if kind == "intake":
                assert done["result"]["state"] == "accepted", (told, done)
            if done["attempts"] == 1:
                lasted[kind] = 0.7 * lasted[kind] + 0.3 * min(time.monotonic() - began, 5)
        try:
            is_sound()
        except AssertionError as error:
            raise AssertionError(told) from error
        if kind in ("release", "withdraw"):
            asker.check_release(asker.get("rita", "releases?limit=500")["items"][-1]["id"])
        if number % 20 == 19:
            print(f"{number + 1} rounds")


def start(kind: str, place, asker) -> str:
    if kind == "intake":
        return asker.deliver("a", place.package("a"))
    return {"link": asker.link, "release": asker.release, "withdraw": asker.withdraw}[kind]()


def interrupted_upload(place, service, asker, ends, store, draw) -> None:
    """Every byte that was acknowledged is there after a kill, and goes on from there."""
    content = os.urandom(UPLOAD_BYTES)
    upload = asker.announce("b", content)["id"]
    acknowledged, last = 0, draw.randrange(1, UPLOAD_BYTES // PIECE_BYTES)
    for _ in range(last):
        piece = content[acknowledged : acknowledged + PIECE_BYTES]
        answer = asker.send("b", upload, acknowledged, piece)
        assert answer.status_code == 204, answer.text
        acknowledged = int(answer.headers["Upload-Offset"])

    def half() -> object:
        yield content[acknowledged : acknowledged + PIECE_BYTES // 2]
        service.kill("service")
        yield content[acknowledged + PIECE_BYTES // 2 : acknowledged + PIECE_BYTES]

    with pytest.raises(httpx.HTTPError):
        asker.send("b", upload, acknowledged, half())
    service.start()
    offset = asker.offset("b", upload)
    assert offset >= acknowledged
    assert (store.uploads / upload).read_bytes()[:offset] == content[:offset]
    assert asker.send("b", upload, offset, content[offset:]).status_code == 204
    done = ends(asker.get("bert", f"uploads/{upload}")["job"]["id"])
    # The digest was right, so all bytes are; only then is it looked into.
    assert "not a" in done["result"]["refusal"], done
    assert "SHA-256" not in done["result"]["refusal"]


def test_a_worker_that_is_killed_does_not_hold_its_job_up(service, asker, ends, place):
    """Its lease would last for a minute."""
    for name in "ab":
        ends(asker.deliver(name, place.package(name)))
    for _ in range(5):
        job = asker.link()
        while asker.job(job)["state"] == "queued":
            time.sleep(0.01)
        for worker in service.workers():
            worker.kill()
        began, done = time.monotonic(), ends(job)
        if done["attempts"] > 1:
            assert time.monotonic() - began < 45
            break
    else:
        pytest.fail("no job was hit in the middle")
