"""Asking servers: little, soon, and no others than those meant. The server is a stand-in, or on this machine."""

from __future__ import annotations

import gzip

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.auth import HttpFetch
from broker.auth.addresses import check_address
from pprl.errors import GovernanceError

HTTPS = "https://data.example.org/user"


@pytest.mark.parametrize(
    "url",
    [HTTPS, "https://data.example.org", "https://10.0.0.1:8443/a", "http://localhost:8000", "http://127.0.0.2/x", "http://[::1]:1/"],
)  # fmt: skip
def test_addresses(url):
    check_address(url, what="an issuer")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://data.example.org", "an issuer needs https"),
        ("http://localhost.evil.example.org", "needs https"),
        ("http://127.0.0.1.evil.example.org", "needs https"),
        ("http://10.0.0.1", "needs https"),
        *(
            (url, "an issuer is a URL such as")
            for url in (
                "", "x", "data.example.org", "file:///etc/passwd", "ftp://x", "https://", "https://u:p@data.example.org",
                "https://a/?x=1", "https://a/#x", "https://a/ b", "https://a/\n", "https://[", "https://a:x",
                "https://ä.example.org", "https://a/" + "x" * 500,
            )
        ),
    ],
)  # fmt: skip
def test_addresses_that_are_none(url, says):
    with pytest.raises(GovernanceError, match=says):
        check_address(url, what="an issuer")


@given(st.text())
def test_any_text_is_an_address_or_none(text):
    for url in (text, "https://" + text):
        try:
            check_address(url, what="an issuer")
        except GovernanceError:
            continue
        assert url.startswith(("http://", "https://"))


def answering(answer):
    return HttpFetch(most_bytes=1000, transport=httpx.MockTransport(answer))


def a_page(content, **headers):
    """Not yet read, as an answer over the network is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, content=iter([content]), headers=named)


def test_a_get_and_a_post():
    def answer(request):
        assert request.headers["accept-encoding"] == "identity"
        assert "authorization" not in request.headers
        return a_page(request.method.encode() + request.content)

    with answering(answer) as fetch:
        assert fetch(HTTPS) == b"GET"
        assert fetch(HTTPS, body=b"{}") == b"POST{}"
        with pytest.raises(GovernanceError):
            fetch("http://data.example.org")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"location": "https://evil.example.org"}),
        httpx.Response(404),
        httpx.Response(500, content=b"{}"),
        httpx.Response(204),
        a_page(b"x" * 1001),
    ],
    ids=lambda answer: str(answer.status_code),
)
def test_answers_that_are_none(answer):
    asked = []

    def once(request):
        asked.append(request.url)
        return answer

    with answering(once) as fetch, pytest.raises(OSError, match="server"):
        fetch(HTTPS)
    assert len(asked) == 1


def test_a_packed_answer_is_not_unpacked():
    packed = gzip.compress(b"x" * 100_000)
    with answering(lambda _: a_page(packed, content_encoding="gzip")) as fetch:
        assert fetch(HTTPS) == packed


def test_a_server_that_is_not_there():
    def fail(request):
        raise httpx.ConnectTimeout("no", request=request)

    with answering(fail) as fetch, pytest.raises(OSError, match="does not answer"):
        fetch(HTTPS)


def test_a_server_that_dribbles(monkeypatch):
    from broker.auth import addresses

    seconds = iter(range(0, 1000, 2))
    monkeypatch.setattr(addresses.time, "monotonic", lambda: next(seconds))

    def dribble():
        for _ in range(100):
            yield b"x"

    page = httpx.Response(200, content=dribble())
    with answering(lambda _: page) as fetch, pytest.raises(OSError, match="takes too long"):
        fetch(HTTPS)
    assert next(seconds) < 20
