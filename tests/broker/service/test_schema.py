"""The API is as it describes itself, whatever it is asked; `make test-faults` asks more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from fastapi.openapi.models import OpenAPI

from broker.store import open_store

from .described import description, operations, try_operation
from .everybody import Everybody, paths

N_EXAMPLES = 12
N_PARTS = 4
API = "/api/v1"


@pytest.fixture
def everybody(store_template, tmp_path, clock) -> Iterator[Everybody]:
    """In SQLite alone; that the other database does the same is what other tests are for."""
    shutil.copytree(store_template, tmp_path / "store")
    with open_store(tmp_path / "store", clock=clock) as store:
        made = Everybody(store)
        with made.client:
            yield made


def test_the_description_is_valid(everybody):
    made = everybody.client.get("/openapi.json").json()
    assert made["openapi"].startswith("3.1")
    OpenAPI.model_validate(made)
    description(everybody).validate()
    names = [one.definition.raw["operationId"] for one in operations(everybody)]
    assert len(set(names)) == len(names)
    for path, item in made["paths"].items():
        for method, operation in item.items():
            assert operation.get("summary") or operation.get("description"), (method, path)
            if path.startswith(API):
                assert operation["security"] == [{"token": []}], (method, path)


@pytest.mark.parametrize("part", range(N_PARTS))
def test_answers_are_as_described(everybody, part):
    """No fault of the program, no status, header or media type that is not described, no body of another form."""
    wrong = []
    for operation in operations(everybody)[part::N_PARTS]:
        wrong += try_operation(everybody, operation, n_examples=N_EXAMPLES)
    assert wrong == []


ODD = (
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"1" * 5000,
    b"[" * 100_000,
    b'{"a":' * 5000,
    b'{"name": "\\ud800"}',
    b'{"name": "a\\u0000b", "kind": "site"}',
    b'{"n_bytes": NaN, "sha256": "' + b"0" * 64 + b'"}',
    b'{"n_bytes": 1e400, "threshold": Infinity}',
    b'{"name": "' + b"x" * (9 * 1024 * 1024) + b'"}',
)


def test_odd_bodies_are_refused(everybody):
    wrong = []
    headers = {"Content-Type": "application/json", "Idempotency-Key": "odd"}
    for operation in operations(everybody):
        method, path = operation.method.upper(), operation.path.format(**paths(everybody))
        if method not in {"POST", "PUT"} or not operation.body:
            continue
        for body in ODD:
            with everybody.undone():
                answer = everybody.ask(
                    everybody.tokens["operator"], method, path, content=body, headers=headers
                )
            nothing = {200} if body == b"[]" else set()  # no records at all are a batch
            if answer.status_code not in {400, 403, 404, 413, 422} | nothing or "x" * 50 in answer.text:
                wrong.append(f"{operation.label} {body[:20]!r}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
