"""Releases built from the ledger, opened by their recipients, and applied as deltas."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from broker.releases.acknowledgement import acknowledge
from broker.releases.builder import build_release
from broker.store.tables import JournalEntry, Permission, ReleaseFile
from pprl.errors import DeniedError, GovernanceError
from pprl.release import ReleaseKey, open_release

from ..ledger.projects import allow, guid_of, make_project, text_of

KEY = ReleaseKey(b"\x07" * 32)
CONTENTS = {"a": {1: 0, 2: 0, 3: 0}, "b": {11: 0, 12: 0}, "c": {21: 0}}
GROUPS = [[("a", 1), ("b", 11)], [("a", 2), ("a", 3)], [("b", 12), ("c", 21)]]


@pytest.fixture
def made(store, clock):
    made = make_project(store, clock)
    made.run(CONTENTS, GROUPS)
    return made


def release_to(made, name, **settings):
    made.clock.forward(minutes=1)
    return build_release(
        made.store, made.project, made.parties[name], key=KEY, by=made.parties["olga"], **settings
    )


def fetch(made, release, folder: Path, *, only=lambda name: True):
    """What a recipient downloads."""
    folder.mkdir()
    with made.store.read() as session:
        rows = session.scalars(select(ReleaseFile).where(ReleaseFile.release_key == release.key)).all()
    for row in rows:
        if row.role != "content" and only(row.name):
            (folder / row.name).write_bytes(made.store.files.path(row.sha256).read_bytes())
    return folder


def opened(made, name, release, tmp_path, *, previous=None, only=lambda name: True):
    fetched = fetch(made, release, tmp_path / f"{release.id}-fetched", only=only)
    out = tmp_path / f"{name}-{release.number}{'-delta' if previous else ''}"
    open_release(fetched, out, identity=made.identity(name), broker=KEY.public_half, previous=previous)
    return out


def rows(folder, name="matches"):
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_site_learns_the_entities_of_its_own_rows_only(made, tmp_path):
    folder = opened(made, "bert", release_to(made, "bert"), tmp_path)
    table = rows(folder)
    assert {row["record_guid"] for row in table} == {text_of(11), text_of(12)}
    assert {row["dataset"] for row in table} == {"b"}
    assert len({row["entity_guid"] for row in table}) == 2  # singletons included
    assert pq.read_table(folder / "matches.parquet").to_pylist() == table
    manifest = json.loads((folder / "release.json").read_text())["manifest"]
    assert manifest["counts"] == {
        "rows": 2, "entities": 2, "withheld": 0,
        "added": 2, "changed": 0, "removed": 0, "superseded": 0, "ended": 0,
    }  # fmt: skip
    assert manifest["datasets"] == {"b": 1}
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".pprl-output", "matches.csv", "matches.parquet", "release.json", "superseded.csv"),
    ]


def test_a_researcher_gets_entities_as_their_sites_know_them(made, tmp_path):
    table = rows(opened(made, "rita", release_to(made, "rita"), tmp_path))
    by_entity = {}
    for row in table:
        by_entity.setdefault(row["entity_guid"], []).append((row["dataset"], row["subject_guid"]))
    assert sorted(sorted(dataset for dataset, _ in some) for some in by_entity.values()) == [
        ["a"], ["a", "b"], ["b", "c"],
    ]  # fmt: skip
    subjects = {(row["dataset"], row["subject_guid"]) for row in table}
    # What the sites were told are those subjects, and nothing else in common.
    for name, dataset in (("anna", "a"), ("bert", "b"), ("cleo", "c")):
        own = rows(opened(made, name, release_to(made, name), tmp_path))
        assert {(dataset, row["entity_guid"]) for row in own} == {s for s in subjects if s[0] == dataset}
        assert not {row["entity_guid"] for row in own} & set(by_entity)
    other = rows(opened(made, "rob", release_to(made, "rob"), tmp_path))
    assert not {row["entity_guid"] for row in other} & set(by_entity)


def test_two_rows_of_a_person_are_shown_to_those_who_may_deduplicate(store, clock, tmp_path):
    made = make_project(store, clock, links=False)
    allow(made, "ab", "rita")
    made.run({"a": {1: 0, 2: 0}, "b": {11: 0}}, [[("a", 1), ("a", 2)], [("b", 11)]])
    release = release_to(made, "anna")
    lower = min((1, 2), key=guid_of)
    assert [row["record_guid"] for row in rows(opened(made, "anna", release, tmp_path))] == [text_of(lower)]
    allow(made, "aa", "anna")
    release = release_to(made, "anna")
    table = rows(opened(made, "anna", release, tmp_path))
    assert {row["record_guid"] for row in table} == {text_of(1), text_of(2)}
    assert len({row["entity_guid"] for row in table}) == 1
    assert release.n_added == 1


def test_a_refresh_as_a_delta(made, tmp_path):
    first = {name: opened(made, name, release_to(made, name), tmp_path) for name in ("rita", "anna")}
    made.run(
        {"a": {1: 0, 2: 5, 4: 0}, "b": {11: 0, 12: 0}, "c": {21: 0, 22: 0}},
        [[("a", 1), ("b", 11), ("c", 21)], [("b", 12), ("a", 2)], [("a", 4)], [("c", 22)]],
    )
    for name, before in first.items():
        release = release_to(made, name)
        whole = opened(made, name, release, tmp_path)
        fetched = tmp_path / f"{name}-part"
        fetch(made, release, fetched, only=lambda file: file in ("release.json", "delta.csv.age"))
        applied = tmp_path / f"{name}-applied"
        open_release(fetched, applied, identity=made.identity(name), broker=KEY.public_half, previous=before)
        for file in ("matches.csv", "superseded.csv", "release.json"):
            assert (applied / file).read_bytes() == (whole / file).read_bytes()
        assert pq.read_table(applied / "matches.parquet") == pq.read_table(whole / "matches.parquet")
        kept = {row["entity_guid"] for row in rows(before)} & {row["entity_guid"] for row in rows(whole)}
        assert kept
        gone = {row["entity_guid"] for row in rows(before)} - kept
        answers = {row["previous_entity_guid"]: row["entity_guid"] for row in rows(whole, "superseded")}
        assert set(answers) == gone
        assert set(answers.values()) - {""} <= {row["entity_guid"] for row in rows(whole)}
        assert release.n_tombstones == sum(
            row["change"] in ("removed", "ended") for row in rows(whole, "delta")
        )


def test_nothing_is_released_without_permission(store, clock):
    made = make_project(store, clock, links=False)
    made.run(CONTENTS, GROUPS)
    for name in ("rita", "anna", "olga"):
        with pytest.raises(DeniedError, match=f"no permission lets '{name}' have a release of this project"):
            release_to(made, name)
    allow(made, "ab", "rita")
    with pytest.raises(DeniedError, match="no permission lets 'rob' have a release"):
        release_to(made, "rob")
    with pytest.raises(DeniedError, match="no permission lets 'rita' have a release of the dataset 'c'"):
        release_to(made, "rita", datasets=["a", "c"])
    with pytest.raises(DeniedError, match="no permission lets 'anna' have a release of the dataset 'b'"):
        release_to(made, "anna", datasets=["b"])
    assert release_to(made, "rita").n_rows == 4
    assert release_to(made, "anna").n_rows == 2
    clock.forward(days=800)
    with pytest.raises(DeniedError):
        release_to(made, "rita")


def test_a_chain_of_permissions_links_its_ends_for_nobody(store, clock):
    made = make_project(store, clock, links=False)
    made.run(CONTENTS, GROUPS)
    allow(made, "ab", "rita")
    permission = allow(made, "bc", "rita")
    with pytest.raises(
        DeniedError, match="may not have links between the datasets 'a' and 'c', which one release"
    ):
        release_to(made, "rita")
    first = release_to(made, "rita", datasets=["a", "b"])
    with pytest.raises(
        DeniedError, match="still holds rows of the dataset 'a', and may not have links of it with 'c'"
    ):
        release_to(made, "rita", datasets=["b", "c"])
    # It gives them back first.
    with store.begin() as session:
        acknowledge(session, first, made.parties["rita"], now=clock())
    without = release_to(made, "rita", datasets=["b"])
    assert without.n_tombstones > 0
    with pytest.raises(DeniedError):
        release_to(made, "rita", datasets=["b", "c"])
    with store.begin() as session:
        acknowledge(session, without, made.parties["rita"], now=clock())
    assert release_to(made, "rita", datasets=["b", "c"]).number == 3
    with store.begin() as session:
        session.get_one(Permission, permission.key).revoked_at = clock()
        session.get_one(Permission, permission.key).revoked_by_key = made.parties["olga"].key
    with pytest.raises(DeniedError):
        release_to(made, "rita", datasets=["b", "c"])


def test_acknowledgements(made):
    release = release_to(made, "rita")
    with made.store.begin() as session:
        with pytest.raises(DeniedError, match="only the recipient"):
            acknowledge(session, release, made.parties["rob"], now=made.clock())
        once = acknowledge(session, release, made.parties["rita"], now=made.clock())
        assert acknowledge(session, release, made.parties["rita"], now=made.clock()) is once
        bodies = session.scalars(select(JournalEntry.body).order_by(JournalEntry.number.desc())).all()
    assert '"act":"release.acknowledged"' in bodies[0]
    assert '"act":"release.published"' in bodies[1]


def test_only_the_last_copy_is_kept(made):
    release_to(made, "rita")
    second = release_to(made, "rita")
    with made.store.read() as session:
        copies = session.scalars(select(ReleaseFile).where(ReleaseFile.role == "content")).all()
        files = session.scalars(select(ReleaseFile)).all()
    assert {copy.release_key for copy in copies} == {second.key}
    assert {copy.name for copy in copies} == {"content-matches.csv", "content-superseded.csv"}
    assert all(made.store.files.path(file.sha256).exists() for file in files)
    assert list(made.store.files.check()) == []
    assert second.n_added == second.n_changed == second.n_tombstones == 0


def test_a_recipient_without_a_key(made):
    with made.store.begin() as session:
        made.parties["rita"].recipient = None
        session.merge(made.parties["rita"])
    with pytest.raises(GovernanceError):
        release_to(made, "rita")
