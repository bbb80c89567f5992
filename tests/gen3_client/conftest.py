from __future__ import annotations

import os

import pytest

from .loopback import Party, Service


@pytest.fixture(scope="session", autouse=True)
def _chosen():
    if "PPRL_TEST_GEN3" not in os.environ:
        pytest.skip("Gen3's client has an environment of its own; make test-gen3 makes it, and runs these")


@pytest.fixture(scope="session")
def services(tmp_path_factory):
    """One by http and one by https: on ``http://localhost`` the client takes other paths than elsewhere."""
    made = {scheme: Service(tmp_path_factory.mktemp(scheme), scheme) for scheme in ("http", "https")}
    with made["http"].running(), made["https"].running():
        yield made


@pytest.fixture(params=["http", "https"])
def service(request, services):
    """A broker's service, which tests share; each has a party of its own, which sees nothing of the others."""
    return services[request.param]


@pytest.fixture
def secure(services):
    return services["https"]


@pytest.fixture
def party(service):
    return Party(service)
