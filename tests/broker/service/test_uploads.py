"""Packages on their way, with breaks."""

from __future__ import annotations

import errno
import random

import pytest
from sqlalchemy import select

from broker.service import incoming
from broker.service.context import Settings
from broker.store.tables import Job, Upload

from .hospital import Hospital

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def upload(hospital: Hospital) -> str:
    return hospital.announce("anna", "a", CONTENT).json()["id"]


def head(hospital: Hospital, upload: str):
    return hospital.ask("anna", "HEAD", f"uploads/{upload}").headers["Upload-Offset"]


def file_of(hospital: Hospital, upload: str) -> bytes:
    return (hospital.store.uploads / upload).read_bytes()


def test_piece_by_piece(hospital, upload):
    draw, offset = random.Random(3), 0
    while offset < len(CONTENT):
        n = draw.randint(1, 3000)
        sent = hospital.send("anna", upload, offset, CONTENT[offset : offset + n])
        assert sent.status_code == 204
        offset = min(offset + n, len(CONTENT))
        assert sent.headers["Upload-Offset"] == str(offset)
    told = hospital.ask("anna", "GET", f"uploads/{upload}").json()
    assert (told["state"], told["n_received"]) == ("complete", len(CONTENT))
    assert told["job"]["state"] == "queued"
    assert file_of(hospital, upload) == CONTENT


def test_another_place_than_where_it_stands_is_refused_and_the_right_one_told(hospital, upload):
    hospital.send("anna", upload, 0, CONTENT[:100])
    for offset in (0, 99, 101, len(CONTENT)):
        refused = hospital.send("anna", upload, offset, CONTENT[offset:])
        assert (refused.status_code, refused.json()["code"]) == (409, "offset")
        assert refused.headers["Upload-Offset"] == "100"
    assert head(hospital, upload) == "100"


def test_more_than_was_announced_is_refused_and_what_fits_is_kept(hospital, upload):
    hospital.send("anna", upload, 0, CONTENT[:-10])
    assert hospital.send("anna", upload, len(CONTENT) - 10, bytes(11)).status_code == 413
    assert hospital.send("anna", upload, len(CONTENT) - 10, CONTENT[-10:]).status_code == 204
    assert file_of(hospital, upload) == CONTENT


def test_bytes_that_were_not_on_the_disk_for_certain_are_cut_off(hospital, upload):
    """As after a crash: the file is longer than what the database knows, or shorter."""
    hospital.send("anna", upload, 0, CONTENT[:1000])
    path = hospital.store.uploads / upload
    path.write_bytes(CONTENT[:1000] + b"half-written")
    assert hospital.send("anna", upload, 1000, CONTENT[1000:1500]).status_code == 204
    assert file_of(hospital, upload) == CONTENT[:1500]
    path.write_bytes(CONTENT[:700])
    refused = hospital.send("anna", upload, 1500, CONTENT[1500:])
    assert refused.headers["Upload-Offset"] == "700"
    assert hospital.send("anna", upload, 700, CONTENT[700:]).status_code == 204
    assert file_of(hospital, upload) == CONTENT


def test_one_request_at_a_time(hospital, upload):
    with hospital.store.read() as session:
        row = session.scalars(select(Upload).where(Upload.id == upload)).one()
    first = incoming.Incoming(hospital.store, row)
    refused = hospital.send("anna", upload, 0, CONTENT)
    assert (refused.status_code, refused.json()["code"]) == (409, "busy")
    first.close()
    assert hospital.send("anna", upload, 0, CONTENT).status_code == 204


def test_the_last_byte_queues_one_intake(hospital, upload):
    hospital.send("anna", upload, 0, CONTENT)
    again = hospital.send("anna", upload, len(CONTENT), b"")
    assert again.status_code == 409
    with hospital.store.read() as session:
        assert len(session.scalars(select(Job)).all()) == 1


def test_the_same_announcement_goes_on_where_it_was(hospital, upload):
    hospital.send("anna", upload, 0, CONTENT[:100])
    again = hospital.announce("anna", "a", CONTENT)
    assert (again.status_code, again.json()["id"], again.json()["n_received"]) == (200, upload, 100)
    other = hospital.announce("anna", "a", CONTENT + b"!")
    assert (other.status_code, other.json()["n_received"]) == (201, 0)


def test_an_upload_that_is_given_up(hospital, upload):
    hospital.send("anna", upload, 0, CONTENT[:100])
    assert hospital.ask("anna", "DELETE", f"uploads/{upload}").status_code == 204
    assert not list(hospital.store.uploads.iterdir())
    assert hospital.send("anna", upload, 100, CONTENT[100:]).status_code == 409
    assert hospital.announce("anna", "a", CONTENT).status_code == 201


def test_limits(hospital):
    object.__setattr__(hospital.broker, "settings", Settings(most_upload_bytes=1000, most_uploads=2))
    assert hospital.announce("anna", "a", CONTENT).status_code == 413
    for number in range(2):
        assert hospital.announce("anna", "a", bytes([number])).status_code == 201
    refused = hospital.announce("anna", "a", b"one more")
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many")
    assert hospital.announce("bert", "b", b"another dataset").status_code == 201


def test_nobody_else_sends_to_it_or_sees_it(hospital, upload):
    for who in ("bert", "rita", "otto"):
        assert hospital.send(who, upload, 0, CONTENT).status_code in (403, 404)
        assert hospital.ask(who, "GET", f"uploads/{upload}").status_code == 404
        assert hospital.announce(who, "a", CONTENT).status_code in (403, 404)


def test_a_full_disk_is_told_and_what_came_before_is_kept(hospital, upload, monkeypatch):
    hospital.send("anna", upload, 0, CONTENT[:100])

    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(incoming.os, "write", full)
        refused = hospital.send("anna", upload, 100, CONTENT[100:])
    assert (refused.status_code, refused.json()["code"]) == (507, "full")
    assert head(hospital, upload) == "100"
    assert hospital.send("anna", upload, 100, CONTENT[100:]).status_code == 204
    assert file_of(hospital, upload) == CONTENT


def test_another_type_of_body_is_refused(hospital, upload):
    refused = hospital.ask(
        "anna", "PATCH", f"uploads/{upload}", content=CONTENT, headers={"Upload-Offset": "0"}
    )
    assert refused.status_code == 415
