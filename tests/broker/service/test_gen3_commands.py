"""``pprl-broker gen3``, and what it does at a broker's own service."""

from __future__ import annotations

import json
from functools import cache

import httpx
import pytest
from click.testing import CliRunner

from broker.auth import AccessKey, AccessTokens
from broker.cli import cli
from broker.gen3.publication import Published, publish
from broker.gen3.remote import MetadataService
from pprl.errors import PprlError

from ..gen3.test_publication import record

URL = "https://broker.example.org"


@cache
def access_key() -> AccessKey:
    return AccessKey.new()


@pytest.fixture
def service(hospital):
    """``service(credential)``: the broker's own, without a network."""
    hospital.broker.authenticator.access = AccessTokens(access_key(), URL)

    def answer(request: httpx.Request) -> httpx.Response:
        got = hospital.client.request(
            request.method, str(request.url), content=request.content, headers=dict(request.headers)
        )
        return httpx.Response(got.status_code, headers=got.headers, content=got.content)

    hospital.asked = []

    def counted(request):
        hospital.asked.append(f"{request.method} {request.url.path}")
        return answer(request)

    return lambda credential: MetadataService(URL, credential, transport=httpx.MockTransport(counted))


@pytest.fixture
def run(where, monkeypatch):
    def run(*words):
        environment = {"PPRL_BROKER_STORE": where[0], "PPRL_BROKER_FILES": where[1] and str(where[1])}
        result = CliRunner(env=environment).invoke(cli, [str(word) for word in words])
        if result.exception is not None:
            raise result.exception
        return result

    return run


def test_a_release_is_published_to_a_broker_without_calls_for_aliases(hospital, service):
    records = [record(number) for number in range(20)]
    with service(hospital.tokens["rita"]) as to:
        assert publish(to, records) == Published(n_created=20)
        assert hospital.asked == ["POST /mds-admin/metadata", "GET /mds/metadata/dg.TEST/0/aliases"]
        assert publish(to, records) == Published(n_same=20)
        assert to.get("S-7") == records[7]["data"]
        assert dict(to.records("subject")) == {one["guid"]: one["data"] for one in records}
        assert publish(to, records[:5], previous=records) == Published(n_same=5, n_deleted=15)
        taken = {"guid": "dg.TEST/x", "data": record(1)["data"]}
        assert publish(to, [taken]) == Published(n_refused=1)
    with service(hospital.tokens["otto"]) as to:
        assert dict(to.records("subject")) == {}
        assert publish(to, [record(1)]) == Published(n_refused=1)


def test_a_key_for_the_client(hospital, service, run, tmp_path):
    out = tmp_path / "credentials.json"
    run("gen3", "key", "rita", "--url", URL, "--until", f"{hospital.store.clock():%Y}-12-31", "--out", out)
    assert out.stat().st_mode & 0o777 == 0o600
    with service(out.read_text()) as to:
        assert publish(to, [record(1)]) == Published(n_created=1)
    with pytest.raises(PprlError, match="exists"):
        run("gen3", "key", "rita", "--url", URL, "--until", "2026-12-31", "--out", out)
    with pytest.raises(PprlError, match="public URL"):
        run("gen3", "key", "rita", "--url", "broker", "--until", "2026-12-31", "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_commands_refuse_token_files_that_others_can_read(run, tmp_path):
    (tmp_path / "token").write_text("x")
    (tmp_path / "token").chmod(0o644)
    (tmp_path / "mds.json").write_text(json.dumps([record(1)]))
    at = ("--mds", URL, "--token-file", tmp_path / "token")
    with pytest.raises(PprlError, match="others can read it"):
        run("gen3", "publish", tmp_path, *at)
    with pytest.raises(PprlError, match="others can read it"):
        run("gen3", "read", tmp_path / "out", *at)
    assert not (tmp_path / "out").exists()
