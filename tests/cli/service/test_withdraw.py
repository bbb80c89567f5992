"""``pprl withdraw`` and ``pprl register`` as a data manager meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pprl.package import Identity, SigningKey

from ...client.twin import SITE_KEY, Fault, guid
from .command import call, refused, well

ASKED = ("--dataset", "clinic", "--yes")


@pytest.fixture
def ids(folder):
    (folder / "clinic.ids.csv").write_text(
        "record_guid,local_id\n"
        + "".join(f"{guid(n)},MRN{n}\n" for n in range(1, 200))
        + f'{guid(200)},"a, b"\n'
    )


def write(text):
    Path("gone.txt").write_text(text, encoding="utf-8")


def test_by_local_ids_which_stay_here(url, twin, ids):
    write("MRN7\n\n  MRN12 \na, b\nMRN7\n")
    assert well("withdraw", "gone.txt", "--ids", "clinic.ids.csv", *ASKED) == (
        "3 records of clinic: out of the broker's files\n"
        "told to delete them, and not done yet: Dr. Gray\n"
        "leave these patients out of your next delivery\n"
    )
    assert twin.withdrawn == [guid(7), guid(12), guid(200)]


def test_records_that_were_never_linked(url, twin):
    twin.n_linked = 0
    write(f"{guid(1)}\n{guid(2)}\n")
    assert well("withdraw", "gone.txt", *ASKED).startswith(
        "2 records of clinic: out of the broker's files\n"
        "0 of them had been linked; the others are kept out all the same\n"
    )


def test_by_guids(url, twin):
    write(f"\ufeff{guid(0xAB).upper()}\n{guid(0xAB)}\n")
    document = json.loads(well("withdraw", "gone.txt", "--json", *ASKED))
    assert twin.withdrawn == [guid(0xAB)]
    assert document == {
        "withdrawal": guid(400),
        "n_records": 1,
        "n_linked": 1,
        "job": guid(500),
        "is_complete": False,
        "waiting_for": ["Dr. Gray"],
    }


def test_it_asks_first(url, twin):
    write(guid(1))
    result = call("withdraw", "gone.txt", "--dataset", "clinic", input="n\n")
    assert result.exit_code == 1
    assert "take 1 record of clinic back, for ever? [y/N]" in result.stderr
    assert twin.withdrawals == []
    assert "on their way out" in well("withdraw", "gone.txt", "--dataset", "clinic", "--no-wait", input="y\n")


def test_ids_that_are_not_there(url, twin, ids):
    write("MRN7\nMRN999\nMRN12\nnobody\n")
    assert refused("withdraw", "gone.txt", "--ids", "clinic.ids.csv", *ASKED) == (
        "gone.txt: 2 local ids not in clinic.ids.csv: row 2, 4; name the ids file of the last delivery, or take those "
        "lines out"
    )
    assert refused("withdraw", "gone.txt", *ASKED) == (
        "gone.txt, row 1: is not a GUID; give --ids NAME.ids.csv where these are your own ids"
    )
    assert twin.requests == []


def test_files_that_are_none(url, ids):
    assert "cannot be read (No such file or directory)" in refused("withdraw", "gone.txt", *ASKED)
    write("\n \n")
    assert "holds no ids" in refused("withdraw", "gone.txt", *ASKED)
    write("MRN7\n")
    assert "there is no such file" in refused("withdraw", "gone.txt", "--ids", "nothing.csv", *ASKED)


def test_datasets_that_are_not_yours(url, twin):
    write(guid(1))
    twin.datasets[0]["site"] = guid(2)
    assert "no dataset clinic of yours is there" in refused("withdraw", "gone.txt", *ASKED)
    twin.datasets[0]["site"] = guid(1)
    twin.projects.append(twin.projects[0] | {"id": guid(11), "name": "lung"})
    twin.datasets.append(twin.dataset(guid(21), "clinic", project=guid(11)))
    assert "several projects have a dataset clinic" in refused("withdraw", "gone.txt", *ASKED)
    well("withdraw", "gone.txt", "--project", "lung", *ASKED)
    assert twin.withdrawals[0]["dataset"] == guid(21)


def test_registering_keys(url, twin, folder):
    key, identity = SigningKey(b"\x05" * 32), Identity(b"\x06" * 32)
    key.verify_key.save("site.pub")
    twin.me["site_key"] = None
    twin.faults = [Fault("PUT", "lost", path="site-key")]
    assert well("register", "--site-key", "site.pub", "--recipient", identity.recipient) == (
        f"St. Mary's signs with {key.verify_key}\nreleases to St. Mary's are sealed to {identity.recipient}\n"
    )
    well("register", "--site-key", "site.pub")
    assert "a key is registered already" in refused("register", "--site-key", SITE_KEY.verify_key)
    assert call("register").exit_code == 2
