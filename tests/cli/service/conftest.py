"""A hospital's folder, and a broker on this machine."""

from __future__ import annotations

import pytest

from pprl.release import ReleaseKey

from ...client.loopback import served
from ...client.packages import SCHEMA, write
from ...client.twin import TOKEN, Twin
from ...release.releases import KEY, ME, content, write_release


@pytest.fixture
def twin():
    return Twin(schema_sha256=SCHEMA.fingerprint)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("PPRL_TOKEN", "PPRL_TOKEN_FILE", "PPRL_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "token").chmod(0o600)
    write(tmp_path / "clinic.pprl")
    return tmp_path


@pytest.fixture
def url(twin, folder, monkeypatch):
    with served(twin) as address:
        monkeypatch.setenv("PPRL_BROKER_URL", address)
        monkeypatch.setenv("PPRL_TOKEN_FILE", "token")
        yield address


@pytest.fixture
def release(twin, folder):
    write_release(folder / "published", content({("a", 1): 50, ("b", 2): 50, ("a", 3): 51}))
    ME.save("me.key")
    KEY.public_half.save("release.pub")
    ReleaseKey(b"\x0b" * 32).public_half.save("other.pub")
    return twin.publish(folder / "published", n_rows=3)
