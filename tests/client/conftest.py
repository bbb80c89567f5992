from __future__ import annotations

import itertools

import pytest

from pprl.client import Client

from .packages import SCHEMA, write
from .twin import TOKEN, Twin


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.pauses = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def twin():
    return Twin(schema_sha256=SCHEMA.fingerprint)


@pytest.fixture
def client(twin, time):
    counter = itertools.count(1)
    with Client(
        "https://broker.example/pprl/",
        TOKEN,
        transport=twin,
        clock=time,
        sleep=time.sleep,
        random_bytes=lambda n: next(counter).to_bytes(n, "big"),
        piece_bytes=1000,
    ) as made:
        yield made


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "clinic.pprl"
    write(path)
    return path
