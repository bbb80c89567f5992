from __future__ import annotations

import pytest

from .command import BROKER, KEY, PATIENTS, SCHEMA


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linkage.toml").write_text(SCHEMA)
    (tmp_path / "in.csv").write_text(PATIENTS)
    KEY.save("linkage.key")
    BROKER.recipient.save("broker.pub")
    return tmp_path
