"""Files of a release by ``gen3 drs-pull``, which asks by https alone."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlsplit

import jwt
import pytest

from .loopback import Party


@pytest.fixture
def rita(secure):
    """With a line for the broker in her ``.netrc``: the client says who asks only for the bytes."""
    rita = Party(secure, "rita")
    key = json.loads(rita.credentials.read_text())["api_key"]
    token = jwt.decode(key, options={"verify_signature": False})["pprl"]
    netrc = rita.home / ".netrc"
    netrc.write_text(f"machine localhost login rita password {token}\n")
    netrc.chmod(0o600)
    return rita


def test_a_file_of_a_release_is_pulled(secure, rita):
    at = ("--endpoint", urlsplit(secure.url).netloc, "--commons_url", urlsplit(secure.url).netloc)
    file = secure.files["matches.parquet.age"]
    said = rita.gen3(*at, "drs-pull", "object", file.id, "--output-dir", "pulled", "--no-progress")
    assert json.loads(said.splitlines()[-1]) == {"succeeded": [file.id], "failed": []}, said
    content = (rita.home / "pulled" / file.name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == file.sha256


def test_a_manifest_of_files_is_pulled_and_listed(secure, rita):
    at = ("--endpoint", urlsplit(secure.url).netloc, "--commons_url", urlsplit(secure.url).netloc)
    shown = [file for file in secure.files.values() if file.role != "content"]
    manifest = rita.home / "manifest.json"
    host = urlsplit(secure.url).netloc
    manifest.write_text(json.dumps([{"object_id": file.id, "commons_url": host} for file in shown]))
    rita.gen3(*at, "drs-pull", "manifest", manifest, "pulled", "--no-progress")
    assert {path.name for path in (rita.home / "pulled").iterdir()} == {file.name for file in shown}
    assert all(file.name in rita.gen3(*at, "drs-pull", "ls", manifest) for file in shown[:1])


def test_a_release_is_pulled_as_a_bundle(secure, rita):
    at = ("--endpoint", urlsplit(secure.url).netloc, "--commons_url", urlsplit(secure.url).netloc)
    manifest = rita.home / "manifest.json"
    manifest.write_text(json.dumps([{"object_id": secure.release.id}]))
    rita.gen3(*at, "drs-pull", "manifest", manifest, "pulled", "--no-progress")
    pulled = rita.home / "pulled" / "release-1"
    shown = {file.name for file in secure.files.values() if file.role != "content"}
    assert {path.name for path in pulled.iterdir()} == shown


def test_nobody_else_pulls_it(secure):
    other = Party(secure)
    host = urlsplit(secure.url).netloc
    file = secure.files["matches.parquet.age"]
    said = other.gen3(
        *("--endpoint", host, "--commons_url", host),
        *("drs-pull", "object", file.id, "--output-dir", "pulled", "--no-progress"),
    )
    assert json.loads(said.splitlines()[-1])["failed"] == [file.id]
