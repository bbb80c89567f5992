"""The same over a real socket."""

from __future__ import annotations

import pytest

from pprl.client import Client

from .loopback import served
from .twin import TOKEN, Fault


@pytest.fixture
def real(twin):
    with (
        served(twin) as url,
        Client(url, TOKEN, sleep=lambda _: None, piece_bytes=20_000) as client,
    ):
        yield client


def test_a_package_over_a_line_that_breaks(twin, real, package):
    assert package.stat().st_size > 30_000
    twin.faults = [
        Fault("PATCH", "cut", n=5_000),
        Fault("PATCH", "lost"),
        Fault("HEAD", "lost"),
        Fault("PATCH", "offset", n=100),
        Fault("POST", "lost"),
        Fault("GET", "status"),
    ]
    assert real.submit(package).state == "accepted"
    (upload,) = twin.uploads.values()
    assert upload.data == package.read_bytes()
    assert twin.faults == []
