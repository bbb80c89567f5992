"""Tokens are seen by nobody but the broker."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pprl.client import Client, check_url, find_token
from pprl.errors import KeyFileError, PprlError

from .twin import TOKEN


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://broker.example/", "https://broker.example"),
        (" https://broker.example:8443/pprl/\n", "https://broker.example:8443/pprl"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses(given, meant):
    assert check_url(given) == meant


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "no broker is named"),
        ("", "no broker is named"),
        ("broker.example", "expected https://HOST"),
        ("ftp://broker.example", "expected https://HOST"),
        ("https://", "expected https://HOST"),
        ("https://broker.example:port", "expected https://HOST"),
        ("https://[broker", "expected https://HOST"),
        ("https://me:secret@broker.example", r"expected https://broker\.example$"),
        ("https://broker.example/?token=secret", r"expected https://broker\.example$"),
        ("http://broker.example", "unencrypted; use https"),
        ("http://localhost.example", "unencrypted"),
        ("http://127.0.0.1.example", "unencrypted"),
    ],
)
def test_what_is_no_address(given, said):
    with pytest.raises(PprlError, match=said) as caught:
        check_url(given)
    assert "secret" not in str(caught.value)


def test_plain_http_where_asked_for():
    assert check_url("http://broker.example", allow_http=True) == "http://broker.example"


def test_tokens_come_from_a_file_or_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"# of St. Mary's\n{TOKEN}\n")
    file.chmod(0o600)
    assert find_token(file, environment={"PPRL_TOKEN": "another"}) == TOKEN
    assert find_token(environment={"PPRL_TOKEN": f"{TOKEN}\n"}) == TOKEN
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        find_token(file)
    with pytest.raises(PprlError, match="--token-file, or set PPRL_TOKEN"):
        find_token(environment={})


@pytest.mark.parametrize("bad", ["two words", "a\r\nX-Evil: 1", "é", "", "x" * 9000])
def test_what_is_no_token_is_not_repeated(bad):
    with pytest.raises(PprlError) as caught:
        Client("https://broker.example", bad)
    assert str(caught.value) == "the token: is not a token, which is one word of letters, digits and signs"


def test_nothing_shows_the_token(client):
    assert repr(client) == "Client('https://broker.example/pprl')"
    for shown in (repr(client.connection), str(vars(client)), repr(client.connection._http.headers)):
        assert TOKEN not in shown


def test_no_proxy_stands_before_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with Client("http://127.0.0.1:9", TOKEN) as client:
        assert client.connection._http._mounts == {}
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    with Client("https://broker.example", TOKEN) as client:
        assert client.connection._http._mounts != {}


def test_what_to_install_is_said():
    script = (
        "import sys; sys.modules['httpx'] = None\n"
        "from pprl.errors import PprlError\n"
        "try:\n    import pprl.client\nexcept PprlError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "a broker's service is spoken to with httpx; run: pip install 'pprl[client]'\n"
