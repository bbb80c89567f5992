"""When it is tried again, for how long, and what is said in the end."""

from __future__ import annotations

import ssl

import httpx
import pytest

from pprl.client import Client, Retries
from pprl.errors import PprlError, ServiceError

from .twin import NOW, TOKEN, Fault, guid

URL = "https://broker.example"


def answering(time, handler, **options):
    return Client(
        URL,
        TOKEN,
        transport=httpx.MockTransport(handler),
        clock=time,
        sleep=time.sleep,
        random_bytes=lambda n: b"\xff" * n,
        **options,
    )


def test_what_passes_is_tried_again(twin, client, time):
    twin.faults = [Fault("GET", "status", status=status) for status in (503, 429, 502, 504, 423)]
    twin.faults += [Fault("GET", "lost")]
    assert client.me().party.name == "St. Mary's"
    assert twin.methods() == ["GET"] * 7
    assert time.pauses == sorted(time.pauses)
    assert all(
        span / 2 <= pause <= span for pause, span in zip(time.pauses, [0.5, 1, 2, 4, 8, 16], strict=True)
    )


def test_the_service_says_for_how_long(twin, client, time):
    twin.faults = [
        Fault("GET", "status", headers={"Retry-After": "17"}),
        Fault(
            "GET",
            "status",
            headers={"Retry-After": "Sun, 01 Mar 2026 12:02:00 GMT", "Date": "Sun, 01 Mar 2026 12:01:00 GMT"},
        ),
        Fault("GET", "status", headers={"Retry-After": "soon"}),
    ]
    client.me()
    assert time.pauses[:2] == [17, 60]
    assert time.pauses[2] <= 2


def test_a_pause_is_told(twin, time):
    told = []
    twin.faults = [Fault("GET", "status", headers={"Retry-After": "60"})]
    with Client(
        URL,
        TOKEN,
        transport=twin,
        clock=time,
        sleep=time.sleep,
        on_pause=lambda error, seconds: told.append((error.code, seconds)),
    ) as client:
        client.me()
    assert told == [("busy", 60)]


def test_it_ends(twin, client, time):
    twin.faults = [Fault("GET", "status")] * 100
    with pytest.raises(ServiceError, match="the broker says: Service Unavailable; try again later") as caught:
        client.me()
    assert (caught.value.code, caught.value.status) == ("busy", 503)
    assert len(twin.requests) == Retries().n_attempts
    twin.faults = [Fault("GET", "status", headers={"Retry-After": "3600"})]
    before = time.now
    with pytest.raises(ServiceError):
        client.me()
    assert time.now == before


def test_a_stranger_is_not_tried_for_long(time):
    def nobody(request):
        raise httpx.ConnectError("no route")

    with pytest.raises(ServiceError, match=r"^https://broker\.example: cannot be reached") as caught:
        answering(time, nobody).me()
    assert caught.value.code == "unreachable"
    assert len(time.pauses) == Retries().n_first_attempts - 1


def test_a_post_bears_one_key_however_often_it_is_tried(twin, client):
    twin.faults = [Fault("POST", "lost"), Fault("POST", "status"), Fault("POST", "lost")]
    withdrawal, job = client.withdraw(guid(20), [guid(1)])
    assert twin.methods() == ["POST"] * 4
    assert len(twin.withdrawals) == len(twin.seen) == 1
    assert (withdrawal.n_records, job.kind, job.is_over) == (1, "withdraw", False)
    client.withdraw(guid(20), [guid(1)])
    assert len(twin.withdrawals) == len(twin.seen) == 2


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (
            403,
            {"detail": "you are no member.", "code": "denied"},
            "denied",
            "you are no member; ask the broker whether",
        ),
        (401, {"title": "Unauthorized"}, "unauthenticated", "the token may have expired"),
        (404, {"detail": "there is no such thing"}, "not-found", "there is no such thing"),
        (418, {"detail": "short and stout", "code": "teapot"}, "teapot", "short and stout"),
        (400, [], "invalid", "status 400"),
        (500, {"detail": 7}, "answer", "status 500"),
    ],
)
def test_refusals_are_told_once(time, status, body, code, said):
    with pytest.raises(ServiceError, match=said) as caught:
        answering(time, lambda _: httpx.Response(status, json=body)).me()
    assert (caught.value.code, caught.value.status) == (code, status)
    assert str(caught.value).startswith(f"{URL}: ")
    assert time.pauses == []


def test_what_a_stranger_says_is_one_line_without_the_token(time):
    said = f"bad\x1b[31m\nBearer {TOKEN} " + "x" * 9999
    with pytest.raises(ServiceError) as caught:
        answering(time, lambda _: httpx.Response(403, json={"detail": said})).me()
    assert "bad [31m Bearer [token] xxx" in str(caught.value)
    assert len(str(caught.value)) < 700


def test_redirects_are_not_followed(time):
    asked = []

    def elsewhere(request):
        asked.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://evil.example/?secret=1"})

    with pytest.raises(ServiceError, match=r"redirect to evil\.example, which is not followed"):
        answering(time, elsewhere).me()
    assert asked == ["broker.example"]


def test_an_untrusted_certificate_is_told_at_once(time):
    def refused(request):
        raise httpx.ConnectError("bad") from ssl.SSLCertVerificationError("self-signed")

    with pytest.raises(ServiceError, match="SSL_CERT_FILE") as caught:
        answering(time, refused).me()
    assert (caught.value.code, time.pauses) == ("certificate", [])


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>log in to the hospital network</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"party": {"id": guid(1)}}),
        httpx.Response(204),
    ],
)
def test_answers_that_are_none(time, answer):
    with pytest.raises(ServiceError) as caught:
        answering(time, lambda _: answer).me()
    assert caught.value.code == "answer"


def test_lists_are_read_to_their_end(twin, client):
    twin.page = 2
    twin.datasets = [twin.dataset(guid(20 + number), f"clinic-{number}") for number in range(5)]
    assert [one.name for one in client.datasets(guid(10))] == [f"clinic-{number}" for number in range(5)]
    assert len(twin.requests) == 3


def test_ids_are_quoted(twin, client):
    with pytest.raises(ServiceError):
        client.job("../me?x=1")
    assert twin.requests == [("GET", "jobs/..%2Fme%3Fx%3D1")]


def test_what_is_asked_for(twin, client):
    assert client.broker().time.isoformat() == NOW.replace("Z", "+00:00")
    assert client.project("heart") == client.project(guid(10), epoch="2026")
    assert client.dataset_named("clinic", project=guid(10)).id == guid(20)
    with pytest.raises(PprlError, match="no project lung is shown to you; there are: heart"):
        client.project("lung")
    with pytest.raises(PprlError, match="there is no dataset b; there are: clinic"):
        client.dataset_named("b", project=guid(10))
    twin.projects.append(twin.projects[0] | {"id": guid(11), "epoch": "2027"})
    with pytest.raises(PprlError, match="several epochs"):
        client.project("heart")


def test_waiting(twin, client, time):
    twin.jobs[guid(5)] = twin.job(guid(5), "link", result={"run": guid(6)})
    twin.n_looks_at_jobs = 6
    states = []
    assert client.wait(guid(5), watch=lambda job: states.append(job.state)).result == {"run": guid(6)}
    assert states == ["running"] * 6 + ["done"]
    assert time.pauses == [0.5, 1, 2, 5, 10, 10]
    twin.n_looks_at_jobs = 100
    with pytest.raises(ServiceError, match="still at it") as caught:
        client.wait(guid(5), timeout_s=60)
    assert caught.value.code == "timeout"
