"""``pprl fetch`` and ``pprl acknowledge`` as a recipient meets them."""

from __future__ import annotations

import json

from ...client.twin import NOW, Fault, guid
from .command import call, refused, well


def test_a_release_from_the_broker_to_its_tables(url, twin, folder, release):
    assert well(
        *("fetch", "--out", "fetched", "--open-to", "tables", "--identity", "me.key"),
        *("--broker-key", "release.pub", "--acknowledge"),
    ) == (
        "release 1 of project town, 2026-03-01 12:00 UTC\n"
        f"fetched: 4 files, {n_bytes(folder):,} bytes, are what was signed\n"
        "tables: its tables, acknowledged\n"
    )
    assert (folder / "tables" / "matches.csv").read_text().startswith("entity_guid,dataset,subject_guid\n")
    assert twin.releases[0]["acknowledged_at"] == NOW


def n_bytes(folder):
    return sum(path.stat().st_size for path in (folder / "published").glob("*.age"))


def test_step_by_step(url, twin, folder, release):
    assert well("fetch", "--out", "fetched").endswith(
        "open them with 'pprl open-release', then tell the broker with 'pprl acknowledge'\n"
    )
    assert "were there already" in well("fetch", "--out", "fetched")
    well("open-release", "fetched", "--identity", "me.key", "--broker", "release.pub", "--out", "tables")
    assert twin.releases[0]["acknowledged_at"] is None
    assert well("acknowledge", "tables") == "release 1 is acknowledged\n"
    assert twin.releases[0]["acknowledged_at"] == NOW


def test_for_machines(url, folder, release):
    document = json.loads(well("fetch", "--out", "fetched", "--json"))
    assert document == {
        "folder": "fetched",
        "release": release["id"],
        "project": "town",
        "number": 1,
        "n_bytes": n_bytes(folder),
        "was_there": False,
        "files": ["matches.csv.age", "matches.parquet.age", "superseded.csv.age", "crosswalk-1.csv.age"],
        "tables": None,
        "acknowledged": False,
    }


def test_a_line_that_breaks(url, twin, folder, release):
    twin.faults = [
        Fault("GET", "cut", n=70, path=f"/files/{name}.csv.age") for name in ("matches", "superseded")
    ]
    well("fetch", "--out", "fetched")
    assert twin.faults == []


def test_which_release(url, twin, folder, release):
    twin.releases.insert(0, release | {"id": guid(7), "number": 3, "state": "withdrawn"})
    twin.releases.append(release | {"id": guid(8), "recipient": guid(2), "number": 9})
    assert "release 1 of" in well("fetch", "--out", "fetched")
    assert "release 1 of" in well("fetch", "--out", "fetched", "--release", "1", "--project", "heart")
    assert "release 3 is withdrawn" in refused("fetch", "--out", "fetched", "--release", guid(7))
    assert "there is no such release for St. Mary's yet" in refused("fetch", "--out", "x", "--release", "9")
    twin.projects.append(twin.projects[0] | {"id": guid(11), "name": "lung"})
    twin.releases.append(release | {"id": guid(9), "project": guid(11)})
    assert refused("fetch", "--out", "x") == (
        "there are releases of several projects for you; name one by --project: heart, lung"
    )
    twin.releases.clear()
    assert "there is no release of project heart for St. Mary's yet" in refused(
        "fetch", "--out", "x", "--project", "heart"
    )


def test_another_key_than_the_brokers(url, folder, release):
    assert "is signed by pprlrelease1" in refused("fetch", "--out", "fetched", "--broker-key", "other.pub")
    assert not (folder / "fetched").exists()


def test_wrong_usage(url, release):
    for words, said in (
        (("--open-to", "tables"), "--open-to needs --identity and --broker-key"),
        (("--identity", "me.key"), "--identity is for --open-to"),
        (("--acknowledge",), "--acknowledge needs --open-to"),
    ):
        result = call("fetch", "--out", "fetched", *words)
        assert result.exit_code == 2
        assert said in result.output


def test_to_acknowledge_a_release_that_is_not_there(url):
    assert "there is no such release" in refused("acknowledge", guid(3))
