"""`pprl.client` and the commands' way of working, against the service itself."""

from __future__ import annotations

import random

import httpx
import pytest

from pprl.client import Client
from pprl.errors import ReplayedError, ServiceError
from pprl.guid import to_text
from pprl.release import open_release

from ..population import Town
from ..tokens import guids_of, site_key
from .hospital import KEYS, Hospital


class Line(httpx.BaseTransport):
    """To the service in the same process; answers are lost on the way, drawn at random."""

    def __init__(self, hospital: Hospital, *, loss: float) -> None:
        self.hospital, self.loss, self.draw, self.n_lost = hospital, loss, random.Random(5), 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.hospital.client.request(
            request.method,
            request.url.raw_path.decode(),
            headers=dict(request.headers),
            content=b"".join(request.stream),
        )
        if self.draw.random() < self.loss:
            self.n_lost += 1
            raise httpx.ReadError("lost")
        return httpx.Response(
            answer.status_code, headers=dict(answer.headers), stream=httpx.ByteStream(answer.content)
        )


@pytest.fixture
def as_(hospital):
    """``as_(name)``: the client of a party, whose pauses are the worker's time."""
    began = hospital.store.clock()

    def sleep(seconds):
        hospital.store.clock.forward(seconds=seconds)
        hospital.work()

    def connect(name, *, loss=0.0):
        return Client(
            "https://broker.example.org",
            hospital.tokens[name],
            transport=Line(hospital, loss=loss),
            clock=lambda: (hospital.store.clock() - began).total_seconds(),
            sleep=sleep,
            random_bytes=hospital.draw,
            piece_bytes=20_000,
        )

    return connect


def test_the_whole_round(hospital: Hospital, town: Town, tmp_path, as_):
    for who, name in (("anna", "a"), ("bert", "b")):
        client = as_(who, loss=0.3)
        sent = client.submit(hospital.pack(name, town))
        assert (sent.state, sent.n_records) == ("accepted", len(town.records["ab".index(name)]))
        assert client.connection._http._transport.n_lost > 3
        with pytest.raises(ReplayedError, match="accepted this one"):
            client.submit(hospital.folder / f"{name}.pprl")
    anna, rita, stella = as_("anna"), as_("rita", loss=0.3), as_("stella")
    overview = anna.overview()
    assert [(one.dataset.name, one.delivery.state) for one in overview.datasets] == [("a", "accepted")]
    assert overview.datasets[0].dataset.current_delivery.id == overview.datasets[0].delivery.id
    (project,) = stella.projects()
    for what, body in (("runs", {}), ("releases", {"recipient": hospital.parties["rita"].id})):
        job = stella.connection.json("POST", "projects", project.id, what, json=body)
        assert stella.wait(job["id"]).state == "done"
        hospital.store.clock.forward(minutes=1)
    (release,) = rita.overview().releases
    fetched = rita.fetch(release, tmp_path / "fetched", key=KEYS.release.public_half)
    opened = open_release(
        fetched.folder,
        tmp_path / "tables",
        identity=hospital.identity("rita"),
        broker=KEYS.release.public_half,
    )
    assert opened.manifest.counts["rows"] == release.n_rows
    assert rita.fetch(release, tmp_path / "fetched").was_there
    assert rita.acknowledge(release.id).acknowledged_at is not None
    assert rita.overview().releases == ()

    records = to_text(guids_of("a", 3))
    withdrawal, job = anna.withdraw(hospital.datasets["a"].id, records)
    assert withdrawal.waiting_for == ("rita",)
    assert anna.wait(job.id, timeout_s=600).state == "done"
    (standing,) = anna.overview().datasets
    assert [one.n_records for one in standing.withdrawals] == [3]
    (newer,) = rita.overview().releases
    assert newer.n_tombstones > 0
    with pytest.raises(ServiceError):
        rita.fetch(release, tmp_path / "old")
    rita.fetch(newer, tmp_path / "newer", key=KEYS.release.public_half)
    rita.acknowledge(newer.id)
    assert anna.withdrawal(withdrawal.id).is_complete


def test_refusals(hospital: Hospital, town: Town, as_):
    anna = as_("anna")
    path = hospital.pack("a", town, rows=slice(100))
    content = bytearray(path.read_bytes())
    content[-40] ^= 1  # sealed badly: seen by the broker alone
    path.write_bytes(content)
    sent = anna.submit(path)
    assert sent.state == "refused"
    assert "the package" in sent.refusal
    assert anna.overview().datasets[0].delivery.state == "refused"
    with pytest.raises(ServiceError) as caught:
        as_("otto").datasets(hospital.project.id)
    assert (caught.value.code, caught.value.status) == ("not-found", 404)


def test_keys(hospital: Hospital, as_):
    anna = as_("anna", loss=0.5)
    anna.set_site_key(site_key("a").verify_key)  # the one there is: as where an answer was lost
    with pytest.raises(ServiceError) as caught:
        anna.set_site_key(site_key("c").verify_key)
    assert caught.value.code == "conflict"
    anna.set_recipient(hospital.identity("new").recipient)
    assert anna.me().party.recipient == str(hospital.identity("new").recipient)
    assert anna.broker().release_key == str(KEYS.release.public_half)
