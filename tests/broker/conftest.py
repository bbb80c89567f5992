from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from broker.matching.dataset import Dataset
from broker.matching.pipeline import Linkage, link
from broker.store import Store, init_store, open_store

from . import postgres
from .clocks import SetClock
from .population import Town
from .tokens import a_dataset, a_schema


@pytest.fixture(scope="session")
def town() -> Town:
    """Two sites of some 500 rows each, 280 people in both."""
    return Town()


@pytest.fixture(scope="session")
def datasets(town: Town) -> Callable[[str], list[Dataset]]:
    """``datasets(profile)``: the two sites' tokens."""

    @cache
    def encoded(profile: str) -> list[Dataset]:
        schema = a_schema(profile)
        return [a_dataset(schema, records, name) for records, name in zip(town.records, "ab", strict=True)]

    return encoded


@pytest.fixture(scope="session")
def linked(datasets: Callable[[str], list[Dataset]]) -> Callable[[str], Linkage]:
    """``linked(profile)``: the two sites linked, once for all tests."""
    return cache(lambda profile: link(datasets(profile)))


BACKENDS = ["sqlite", "postgresql"] if postgres.available() else ["sqlite"]


def pytest_report_header() -> str:
    return f"stores of the broker: {', '.join(BACKENDS)}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    with postgres.server() as folder:
        yield folder


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty store in SQLite."""
    folder = tmp_path_factory.mktemp("template") / "store"
    init_store(folder).close()
    return folder


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with an empty store."""
    postgres.create(postgres_server, "template_store")
    files = tmp_path_factory.mktemp("template-files")
    init_store(postgres.url(postgres_server, "template_store"), files=files).close()
    return "template_store"


@pytest.fixture(scope="session")
def postgres_shared(postgres_server: Path, postgres_template: str) -> str:
    """The name of a database that one test after the other uses, emptied in between."""
    return postgres.create(postgres_server, "shared_store", template=postgres_template)


@pytest.fixture
def own_database() -> None:
    """Asked for by tests that change the database's tables or triggers."""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(params=BACKENDS)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path | None]:
    """Where an empty store is, in either database: the arguments of ``open_store``."""
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("store_template"), tmp_path / "store")
        return str(tmp_path / "store"), None
    folder = request.getfixturevalue("postgres_server")
    if "own_database" in request.fixturenames:
        template = request.getfixturevalue("postgres_template")
        database = postgres.create(folder, template=template)
    else:
        database = request.getfixturevalue("postgres_shared")
        postgres.empty(folder, database)
    return postgres.url(folder, database), tmp_path / "store-files"


@pytest.fixture(params=BACKENDS)
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path | None]:
    """Where there is no store yet: the arguments of ``init_store``."""
    if request.param == "sqlite":
        return str(tmp_path / "new-store"), None
    folder = request.getfixturevalue("postgres_server")
    return postgres.url(folder, postgres.create(folder)), tmp_path / "new-store-files"


@pytest.fixture
def store(where: tuple[str, Path | None], clock: SetClock) -> Iterator[Store]:
    """An empty store, in either database."""
    with open_store(where[0], files=where[1], clock=clock) as opened:
        yield opened
