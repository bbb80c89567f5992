"""What becomes of packages that came."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from broker.governance import retire_dataset, revoke_site_key
from broker.ledger import withdraw
from broker.store.tables import Dataset, Delivery, DeliveryState, StoredFile, Upload, UploadState
from pprl.package import Identity, inspect_package, open_package
from pprl.schema.columns import RECORD_GUID, byte_rows

from ..service.hospital import KEYS, Hospital
from ..tokens import SECRET, a_schema, guids_of, pack


def refusal(hospital: Hospital, path, dataset: str = "a") -> str:
    job = hospital.submit(dataset, path)
    assert job["state"] == "done", job
    assert job["result"]["state"] == "refused", job
    return job["result"]["refusal"]


def stored(hospital: Hospital) -> list[str]:
    with hospital.store.read() as session:
        return list(session.scalars(select(StoredFile.sha256)))


def test_a_package_becomes_the_current_delivery(hospital, town):
    job = hospital.submit("a", hospital.pack("a", town))
    dataset = hospital.ask("anna", "GET", f"datasets/{hospital.datasets['a'].id}").json()
    current = dataset["current_delivery"]
    assert current["id"] == job["result"]["delivery"]
    assert (current["state"], current["sequence"]) == ("accepted", 1)
    assert current["n_records"] == len(town.records[0])
    assert len(stored(hospital)) == 1
    assert not list(hospital.store.uploads.iterdir())


def test_a_later_one_takes_its_place_and_the_bytes_of_the_first_are_gone(hospital, town):
    hospital.submit("a", hospital.pack("a", town))
    first = stored(hospital)
    hospital.submit("a", hospital.pack("a", town, sequence=2, rows=slice(100)))
    deliveries = hospital.ask("anna", "GET", f"datasets/{hospital.datasets['a'].id}/deliveries").json()
    assert [one["state"] for one in deliveries["items"]] == ["superseded", "accepted"]
    assert len(stored(hospital)) == 1
    assert stored(hospital) != first


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset": "b"}, "sent as 'a'"),
        ({"signing_key": KEYS.signing}, "not the site's registered one"),
        ({"recipient": Identity(b"\7" * 32).recipient}, "sealed to somebody else"),
    ],
)
def test_refusals(hospital, town, tmp_path, changes, says):
    path = tmp_path / "a.pprl"
    pack(path, hospital.schema, town.records[0], **({"dataset": "a"} | changes))
    said = refusal(hospital, path)
    assert says in said
    assert str(hospital.store.location.folder) not in said
    assert stored(hospital) == []
    assert not list(hospital.store.uploads.iterdir())


def test_another_schema_or_project_is_refused(hospital, town, tmp_path):
    path = tmp_path / "a.pprl"
    pack(path, a_schema("fields"), town.records[0], dataset="a")
    assert "another linkage schema" in refusal(hospital, path)


def test_another_linkage_key_than_that_of_the_others_is_refused(hospital, town):
    hospital.submit("a", hospital.pack("a", town))
    path = hospital.pack("b", town, secret=bytes(reversed(SECRET)))
    assert "another linkage key" in refusal(hospital, path, "b")


def test_an_expired_package_is_refused(hospital, town):
    path = hospital.pack("a", town)
    hospital.store.clock.forward(days=200)
    assert "expiry" in refusal(hospital, path)


@pytest.mark.parametrize("sequence", [3, 4])
def test_an_older_delivery_or_the_same_again_is_refused(hospital, town, sequence):
    hospital.submit("a", hospital.pack("a", town, sequence=4))
    path = hospital.pack("a", town, sequence=sequence, rows=slice(50))
    assert "--sequence 5" in refusal(hospital, path)


def test_something_else_than_a_package_is_refused(hospital, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_bytes(b"Dear broker, please find attached " * 100)
    assert refusal(hospital, path).startswith("the package is not")
    deliveries = hospital.ask("anna", "GET", f"datasets/{hospital.datasets['a'].id}/deliveries").json()
    assert deliveries["items"] == []


def test_a_package_with_a_changed_bit_is_refused(hospital, town):
    path = hospital.pack("a", town)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    refusal(hospital, path)
    with hospital.store.read() as session:
        assert session.scalars(select(Delivery.state)).all() == [DeliveryState.REFUSED]
    # and the right one can come under the same number
    assert hospital.submit("a", hospital.pack("a", town))["result"]["state"] == "accepted"


def test_other_bytes_than_were_announced_are_refused(hospital, town):
    content = hospital.pack("a", town).read_bytes()
    upload = hospital.announce("anna", "a", content).json()["id"]
    hospital.send("anna", upload, 0, content[:-1] + b"?")
    hospital.work()
    told = hospital.ask("anna", "GET", f"uploads/{upload}").json()
    assert told["state"] == "failed"
    assert "SHA-256" in told["job"]["result"]["refusal"]


def test_what_changed_meanwhile_counts(hospital, town):
    def revoked(session, **how):
        revoke_site_key(session, hospital.parties["anna"], **how)

    def retired(session, **how):
        retire_dataset(session, session.get_one(Dataset, hospital.datasets["b"].key), **how)

    for name, who, change in (("a", "anna", revoked), ("b", "bert", retired)):
        content = hospital.pack(name, town).read_bytes()
        upload = hospital.announce(who, name, content).json()["id"]
        hospital.send(who, upload, 0, content)
        with hospital.store.begin() as session:
            change(session, by="local", now=hospital.store.clock())
        hospital.work()
        job = hospital.ask(who, "GET", f"uploads/{upload}").json()["job"]
        assert job["result"]["state"] == "refused", job


def test_withdrawn_records_are_taken_out_of_what_comes(hospital, town):
    gone = guids_of("a", len(town.records[0]))[:3]
    with hospital.store.begin() as session:
        withdraw(
            session,
            hospital.datasets["a"],
            gone,
            party=hospital.parties["anna"],
            now=hospital.store.clock(),
        )
    job = hospital.submit("a", hospital.pack("a", town))
    delivery = hospital.ask("anna", "GET", f"deliveries/{job['result']['delivery']}").json()
    assert delivery["n_records"] == len(town.records[0]) - 3
    (digest,) = stored(hospital)
    path = hospital.store.files.path(digest)
    created = inspect_package(path).created
    with open_package(path, KEYS.identity, trusted=[KEYS.signing.verify_key], now=created) as package:
        there = {bytes(row) for batch in package for row in byte_rows(batch.column(RECORD_GUID))}
    assert not there & {bytes(row) for row in gone}


def test_what_intake_finds_of_its_quality(hospital, town):
    first = hospital.submit("a", hospital.pack("a", town))["result"]["delivery"]
    hospital.submit("b", hospital.pack("b", town))
    hospital.ask("stella", "POST", f"projects/{hospital.project.id}/runs", json={})
    hospital.work()
    records = [record | {"surname": None} for record in town.records[0]]
    path = hospital.folder / "a.pprl"
    pack(path, hospital.schema, records[:-20], dataset="a", sequence=2)
    second = hospital.submit("a", path)["result"]["delivery"]
    before, after = (
        hospital.ask("anna", "GET", f"deliveries/{one}").json()["quality"] for one in (first, second)
    )
    assert before["verdict"] == "good"
    assert before["changes"] is None
    assert after["verdict"] == "look into"
    assert any("surname" in warning for warning in after["warnings"])
    assert after["changes"]["removed"] == 20
    assert after["changes"]["added"] == 0
    assert hospital.ask("rita", "GET", f"deliveries/{second}").status_code == 404


def test_an_upload_that_expired_is_cleared_away(hospital, town):
    from broker.work.housekeeping import keep_house

    content = hospital.pack("a", town).read_bytes()
    upload = hospital.announce("anna", "a", content).json()["id"]
    hospital.send("anna", upload, 0, content[:1000])
    assert len(list(hospital.store.uploads.iterdir())) == 1
    hospital.store.clock.forward(days=8)
    refused = hospital.send("anna", upload, 1000, content[1000:])
    assert (refused.status_code, refused.json()["code"]) == (410, "expired")
    keep_house(hospital.store, KEYS)
    assert not list(hospital.store.uploads.iterdir())
    with hospital.store.read() as session:
        assert session.scalars(select(Upload.state)).all() == [UploadState.FAILED]
