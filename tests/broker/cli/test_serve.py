"""``pprl-broker serve`` and ``work``: what they refuse, before anything is made."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from broker.cli import cli
from broker.store import init_store
from pprl.errors import PprlError


def refused(*words: object, match: str) -> None:
    with pytest.raises(PprlError, match=match):
        CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def test_no_store(tmp_path):
    refused("serve", "--store", tmp_path / "store", "--port", 0, match="holds no store")
    assert not (tmp_path / "store").exists()


def test_no_keys(tmp_path):
    init_store(tmp_path / "store").close()
    refused("serve", "--store", tmp_path / "store", "--port", 0, match="serve --init makes them")
    refused("work", "--store", tmp_path / "store", match="serve --init makes them")


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused("serve", "--store", tmp_path / "store", "--init", "--port", port, match="choose another")
    assert not (tmp_path / "store").exists()


def test_a_certificate_that_is_none(tmp_path):
    words = ("serve", "--store", tmp_path / "store", "--init")
    tls = ("--tls-certificate", tmp_path / "c.pem", "--tls-key", tmp_path / "k.pem")
    refused(*words, *tls, match="cannot be read")
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("no certificate")
    refused(*words, *tls, match="in PEM")
    assert not (tmp_path / "store").exists()


def test_a_public_url_with_a_path(tmp_path):
    words = ("serve", "--store", tmp_path / "store", "--init", "--port", 0)
    refused(*words, "--public-url", "https://example.org/broker", match="without a path")


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--tls-key", "k.pem"),
        ("serve", "--policy", "policy.toml"),
        ("work", "--kinds", "bake"),
    ],
)
def test_wrong_usage(tmp_path, words):
    result = CliRunner().invoke(cli, [*words, "--store", str(tmp_path)])
    assert result.exit_code == 2
