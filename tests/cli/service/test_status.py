"""``pprl status`` as a data manager meets it."""

from __future__ import annotations

import json

import pytest

from ...client.twin import NOW, SITE_KEY, guid
from .command import refused, well


@pytest.fixture
def busy(twin):
    """A broker that has a bit of everything."""
    twin.datasets += [
        twin.dataset(guid(21), "ward"),
        twin.dataset(guid(22), "old", retired_at=NOW),
        twin.dataset(guid(23), "theirs", site=guid(2)),
    ]
    delivery = {"dataset": guid(20), "n_records": 48211, "refusal": None, "settled_at": NOW, "quality": None}
    twin.deliveries = [
        delivery
        | {"id": guid(30), "sequence": 6, "state": "superseded", "received_at": "2026-02-01T12:00:00Z"},
        delivery
        | {"id": guid(31), "sequence": 7, "state": "accepted", "received_at": "2026-02-28T12:00:00Z"},
        delivery
        | {
            "id": guid(32),
            "sequence": 3,
            "state": "refused",
            "dataset": guid(21),
            "n_records": None,
            "refusal": "made with another schema",
            "received_at": "2026-02-27T12:00:00Z",
        },
    ]
    twin.jobs = {
        guid(40): twin.job(guid(40), "intake", state="running", stage="reading", n_done=40, n_total=100),
        guid(41): twin.job(guid(41), "link", state="done"),
        guid(42): twin.job(guid(42), "release", state="queued", dataset=None),
    }
    twin.withdrawals = [
        {
            "id": guid(50),
            "dataset": guid(20),
            "requested_at": NOW,
            "n_records": 12,
            "purged_at": NOW,
            "waiting_for": ["Dr. Gray", "Registry"],
        },
        {
            "id": guid(51),
            "dataset": guid(20),
            "requested_at": NOW,
            "n_records": 1,
            "purged_at": NOW,
            "waiting_for": [],
        },
    ]


def test_all_of_it(url, twin, busy, release):
    assert well("status") == (
        f"broker     {url}, version 1.0\n"
        "you are    St. Mary's, site\n"
        f"you sign   {SITE_KEY.verify_key}\n"
        "sealed to  no key known yet: pprl register --recipient my.pub\n"
        "\n"
        "project  epoch  your role  schema        closed\n"
        f"heart    2026   site       {twin.projects[0]['schema_sha256'][:12]}\n"
        "\n"
        "dataset  project  delivery  records  arrived     state\n"
        "clinic   heart           7   48,211  2026-02-28  accepted\n"
        "ward     heart           3           2026-02-27  refused\n"
        "old      heart                                   retired\n"
        "ward was refused: made with another schema\n"
        "\n"
        "at work  project  dataset  state    how far\n"
        "intake   heart    clinic   running  reading 40%\n"
        "release  heart             queued\n"
        "\n"
        "release for you  project  published   rows  taken back  id\n"
        f"1                heart    2026-03-01     3           0  {release['id']}\n"
        "get one with 'pprl fetch'; where its tables are in use, say so with 'pprl acknowledge'\n"
        "\n"
        "withdrawn from  linked  asked       at the broker  waiting for\n"
        "clinic              12  2026-03-01  gone           Dr. Gray, Registry\n"
    )


def test_for_machines(url, busy, release):
    document = json.loads(well("status", "--json", "--project", "heart"))
    assert set(document) == {"broker", "me", "projects", "datasets", "jobs", "releases"}
    assert [one["dataset"]["name"] for one in document["datasets"]] == ["clinic", "ward", "old"]
    assert document["datasets"][0]["delivery"]["received_at"] == "2026-02-28T12:00:00Z"
    assert document["releases"][0]["id"] == release["id"]


def test_a_researcher(url, twin, release):
    twin.me |= {"kind": "researcher", "recipient": release["sealed_to"], "site_key": None}
    twin.datasets[0]["site"] = guid(2)
    twin.releases[0]["acknowledged_at"] = NOW
    assert well("status").startswith(
        f"broker     {url}, version 1.0\nyou are    St. Mary's, researcher\nsealed to  age1"
    )
    assert "at work" not in well("status")
    assert "release for you" not in well("status")


def test_nothing_yet(url, twin):
    twin.projects = []
    assert well("status").endswith("\n\nno projects yet: ask the broker to make you a member\n")
    assert "no project lung is shown to you" in refused("status", "--project", "lung")
