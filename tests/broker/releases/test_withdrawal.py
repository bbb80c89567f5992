"""A withdrawn record is gone: from deliveries, runs, releases and the database, and every recipient is told."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from sqlalchemy import select

from broker.ledger import Records, ledger_key, record_run, row_digests, withdraw
from broker.releases import builder
from broker.releases.acknowledgement import acknowledge, unacknowledged
from broker.releases.builder import build_release
from broker.releases.withdrawal import carry_out
from broker.store.tables import (
    Delivery,
    DeliveryState,
    Permission,
    Release,
    ReleaseFile,
    ReleaseState,
    Run,
    RunDelivery,
    RunFile,
    Withdrawal,
)
from pprl.errors import ConflictError, PackageError
from pprl.guid import to_text
from pprl.package import SigningKey, VerifyKey, open_package
from pprl.package.age import open_sealed
from pprl.release import ReleaseKey, open_release

from ..ledger.projects import make_project
from ..tokens import BROKER, a_schema, encode, pack
from .test_releases import fetch, rows

KEY = ReleaseKey(b"\x07" * 32)
BROKER_SIGNS = SigningKey(b"\x09" * 32)
SHOWN = ("rita", "rob", "anna")
"""Recipients that have rows of dataset a."""
RECIPIENTS = (*SHOWN, "bert")

on_sqlite = pytest.mark.parametrize("where", ["sqlite"], indirect=True)


@pytest.fixture
def made(store, clock, town, tmp_path):
    """Ten records of each site, delivered, linked one to one, and released to all."""
    made = make_project(store, clock)
    made.deliveries, made.guids = {}, {}
    records = []
    with store.begin() as session:
        key = ledger_key(session)
    for name, people in zip("ab", town.records, strict=True):
        schema = a_schema("standard")
        manifest = pack(tmp_path / f"{name}.pprl", schema, people[:10])
        batch = encode(schema, people[:10], name)
        with (tmp_path / f"{name}.pprl").open("rb") as file:
            digest = store.files.put(file)
        with store.begin() as session:
            delivery = Delivery(
                id=made.guid(),
                dataset_key=made.datasets[name].key,
                sequence=1,
                state=DeliveryState.ACCEPTED,
                sha256=digest,
                payload_sha256=manifest.payload_sha256,
                manifest_json=manifest.canonical_json(),
                n_records=10,
                received_by_key=made.datasets[name].site_key,
                received_at=clock(),
            )
            session.add(delivery)
        made.deliveries[name] = delivery
        guids = np.frombuffer(b"".join(batch.column("record_guid").to_pylist()), np.uint8).reshape(-1, 16)
        made.guids[name] = guids
        records.append(Records(made.datasets[name].key, delivery.key, guids, row_digests(batch, key)))
    everything = ",".join(text for guids in made.guids.values() for text in to_text(guids))
    files = {
        name: store.files.put(io.BytesIO(f"{name} {everything if name in named else ''}".encode()))
        for named in [("links.csv", "evidence.parquet")]
        for name in (*named, "quality.json")
    }
    with store.begin() as session:
        run = Run(
            id=made.guid(), project_key=made.project.key, program="test", settings={}, quality={},
            n_records=20, n_links=10, n_entities=10, created_at=clock(),
        )  # fmt: skip
        session.add(run)
        session.flush()
        session.add_all(RunDelivery(run_key=run.key, delivery_key=d.key) for d in made.deliveries.values())
        session.add_all(RunFile(run_key=run.key, name=name, sha256=digest) for name, digest in files.items())
        group = np.concatenate([np.arange(10), np.arange(10)])
        record_run(session, made.project, run, records, group, by="local", now=clock())
    made.opened = {name: open_for(made, name, release_to(made, name), tmp_path) for name in RECIPIENTS}
    return made


def release_to(made, name):
    made.clock.forward(minutes=1)
    return build_release(made.store, made.project, made.parties[name], key=KEY, by=made.parties["olga"])


def open_for(made, name, release, tmp_path, previous=None):
    fetched = fetch(made, release, tmp_path / f"{release.id}-{bool(previous)}")
    out = tmp_path / f"{name}-{release.number}-{bool(previous)}"
    open_release(fetched, out, identity=made.identity(name), broker=KEY.public_half, previous=previous)
    return out


def withdraw_first(made, name="a", n=2):
    made.clock.forward(minutes=1)
    with made.store.begin() as session:
        withdrawal = withdraw(
            session, made.datasets[name], made.guids[name][:n], party=made.parties["anna"], now=made.clock()
        )
    made.clock.forward(minutes=1)
    return withdrawal


def carry(made, withdrawal):
    return carry_out(made.store, withdrawal, identity=BROKER, signing_key=BROKER_SIGNS, release_key=KEY)


def bulk_texts(made):
    """All that is in bulk files, seals opened, under the file's digest."""
    for path in sorted(made.store.files.folder.glob("??/*")):
        raw = path.read_bytes()
        if not raw.startswith(b"age-encryption.org/v1"):
            yield path.name, raw
            continue
        for identity in (BROKER, *(made.identity(name) for name in made.parties)):
            try:
                _, content = open_sealed(io.BytesIO(raw), identity)
                yield path.name, content.read(len(raw))
                break
            except PackageError:
                continue
        else:
            raise AssertionError("sealed to somebody unknown")


def traces(made, guids):
    """Digests of bulk files that name one of the records."""
    needles = [guid.tobytes() for guid in guids] + [text.encode() for text in to_text(guids)]
    return {name for name, raw in bulk_texts(made) if any(needle in raw for needle in needles)}


def test_nothing_of_a_withdrawn_record_is_left(made, tmp_path):
    gone, stays = made.guids["a"][:2], made.guids["a"][2:]
    assert len(traces(made, gone)) > 3
    withdrawal = withdraw_first(made)
    releases = carry(made, withdrawal)
    with made.store.read() as session:
        own_deltas = session.scalars(
            select(ReleaseFile.sha256)
            .join(Release, Release.key == ReleaseFile.release_key)
            .where(ReleaseFile.role == "delta", Release.recipient_key == made.parties["anna"].key)
        ).all()
        withdrawal = session.get_one(Withdrawal, withdrawal.key)
    # The site that withdrew it is told which row it is; nobody else is, and nothing else names it.
    assert traces(made, gone) <= set(own_deltas)
    assert traces(made, stays[:1])
    assert withdrawal.purged_at == made.clock()
    if made.store.location.is_sqlite:
        for path in made.store.location.folder.glob("store.sqlite3*"):
            assert not any(guid.tobytes() in path.read_bytes() for guid in gone)
    assert {release.recipient_key for release in releases} == {made.parties[n].key for n in SHOWN}
    for name in SHOWN:
        release = next(r for r in releases if r.recipient_key == made.parties[name].key)
        applied = open_for(made, name, release, tmp_path, previous=made.opened[name])
        whole = open_for(made, name, release, tmp_path)
        assert (applied / "matches.csv").read_bytes() == (whole / "matches.csv").read_bytes()
        changes = [row["change"] for row in rows(whole, "delta")]
        # In the researchers' tables the two people are still there, by their records at the other site.
        assert changes == ["removed"] * 2 + ["ended"] * 2 * (name == "anna")
        assert release.n_tombstones == len(changes)


@on_sqlite
def test_the_delivery_without_the_records(made):
    before = made.deliveries["a"]
    carry(made, withdraw_first(made))
    with made.store.read() as session:
        after = session.get_one(Delivery, before.key)
    assert (after.n_records, before.n_records) == (8, 10)
    assert after.sha256 != before.sha256
    path = made.store.files.path(after.sha256)
    trusted = [VerifyKey(BROKER_SIGNS.verify_key.public)]
    created = json.loads(before.manifest_json)["created"]
    with open_package(path, BROKER, trusted=trusted, now=made.clock()) as package:
        kept = [guid for batch in package for guid in batch.column("record_guid").to_pylist()]
        manifest = package.manifest
    assert kept == [guid.tobytes() for guid in made.guids["a"][2:]]
    assert json.loads(after.manifest_json)["created"] == created
    assert after.payload_sha256 == manifest.payload_sha256
    assert manifest.sequence == before.sequence
    assert list(made.store.files.check()) == []


@on_sqlite
def test_all_records_of_a_delivery(made):
    carry(made, withdraw_first(made, n=10))
    with made.store.read() as session:
        after = session.get_one(Delivery, made.deliveries["a"].key)
    assert (after.n_records, after.sha256) == (0, None)
    assert traces(made, made.guids["a"]) != set()  # the site's own delta
    assert traces(made, made.guids["b"][:1])


@on_sqlite
def test_old_releases_lose_their_files(made):
    carry(made, withdraw_first(made))
    with made.store.read() as session:
        for release in session.scalars(select(Release)):
            files = session.scalars(select(ReleaseFile).where(ReleaseFile.release_key == release.key)).all()
            there = {file.role for file in files if file.sha256 is not None}
            if release.recipient_key == made.parties["bert"].key:  # it holds nothing of dataset a
                assert there == {"manifest", "content", "table", "superseded"}
            elif release.number == 1:
                assert release.state is ReleaseState.WITHDRAWN
                assert there == {"manifest"}
            else:
                assert release.state is ReleaseState.PUBLISHED
                assert there == {"manifest", "content", "table", "superseded", "delta"}
        assert session.scalars(select(RunFile.name)).all() == ["quality.json"]


@on_sqlite
def test_doing_it_again_changes_nothing(made):
    withdrawal = withdraw_first(made)
    carry(made, withdrawal)
    before = {name for name, _ in bulk_texts(made)}
    made.clock.forward(minutes=1)
    assert carry(made, withdrawal) == []
    assert {name for name, _ in bulk_texts(made)} == before


@on_sqlite
def test_who_must_acknowledge(made):
    withdrawal = withdraw_first(made)

    def waiting():
        with made.store.read() as session:
            return [party.name for party in unacknowledged(session, withdrawal)]

    assert waiting() == ["anna", "rita", "rob"]  # bert was shown nothing of dataset a
    releases = carry(made, withdrawal)
    assert waiting() == ["anna", "rita", "rob"]
    for release in releases:
        with made.store.begin() as session:
            party = next(p for p in made.parties.values() if p.key == release.recipient_key)
            acknowledge(session, release, party, now=made.clock())
    assert waiting() == []


@on_sqlite
def test_a_recipient_without_permission_any_more_loses_all_rows(made, tmp_path):
    with made.store.begin() as session:
        for permission in session.scalars(select(Permission)):
            permission.expires_at = made.clock()
    releases = carry(made, withdraw_first(made))
    rita = next(r for r in releases if r.recipient_key == made.parties["rita"].key)
    applied = open_for(made, "rita", rita, tmp_path, previous=made.opened["rita"])
    assert rows(applied) == []
    assert {row["entity_guid"] for row in rows(applied, "superseded")} == {""}
    assert len(rows(applied, "superseded")) == 10


@on_sqlite
def test_a_release_that_was_being_built_meanwhile(made, monkeypatch):
    honest = builder.content_for

    def slowly(*args, **settings):
        found = honest(*args, **settings)
        withdraw_first(made)
        return found

    monkeypatch.setattr(builder, "content_for", slowly)
    with pytest.raises(ConflictError, match="records were withdrawn while the release was built"):
        release_to(made, "rita")
