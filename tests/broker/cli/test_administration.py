"""``pprl-broker store, party, project, permit, journal``: a broker set up and looked after from the command line."""

from __future__ import annotations

import json
import sqlite3

import pytest
from click.testing import CliRunner

from broker.cli import cli
from broker.journal import JournalKey
from broker.store import open_store
from pprl.errors import PprlError
from pprl.package import Identity, SigningKey

SCHEMA = """
[linkage]
project = "heart-registry"
epoch = "2026"
fields = ["given_name", "surname", "birth_date", "sex", "postcode"]
"""


class Broker:
    """The command line on one store; gives stdout, and raises what would be told on stderr."""

    def __init__(self, where, files=None):
        self.where, self.files = str(where), None if files is None else str(files)
        self.environment = {"PPRL_BROKER_STORE": self.where, "PPRL_BROKER_FILES": self.files}

    def __call__(self, *words: object) -> str:
        result = CliRunner(env=self.environment).invoke(
            cli, [str(word) for word in words], prog_name="pprl-broker"
        )
        if result.exception is not None:
            raise result.exception
        self.told = result.stderr
        return result.stdout.strip()

    def opened(self):
        return open_store(self.where, files=self.files)

    def json(self, *words: object):
        return json.loads(self(*words, "--json"))


@pytest.fixture
def broker(nowhere):
    run = Broker(*nowhere)
    run("store", "init")
    return run


@pytest.fixture
def project(broker, tmp_path):
    """A project with two sites, a steward and a recipient."""
    (tmp_path / "linkage.toml").write_text(SCHEMA)
    for number, site in enumerate(["Hospital", "Registry"], start=1):
        key = SigningKey(bytes([number]) * 32).verify_key
        broker("party", "add", "site", site, "--key", key)
    broker("party", "add", "researcher", "Dr. Lee")
    broker("party", "add", "researcher", "Dr. Gray", "--recipient", Identity.new().recipient)
    broker("project", "create", tmp_path / "linkage.toml")
    for name, role in (("Hospital", "contributor"), ("Registry", "contributor"), ("Dr. Lee", "steward")):
        broker("project", "member", "heart-registry", name, "--role", role)
    broker("project", "member", "heart-registry", "Dr. Gray", "--role", "recipient", "--until", "2999-12-31")
    broker("project", "dataset", "heart-registry", "admissions", "--site", "Hospital", "--stable-guids")
    broker("project", "dataset", "heart-registry", "deaths", "--site", "Registry")
    return broker


GRANT = ("permit", "grant", "heart-registry", "link", "admissions", "deaths")


def test_a_project_is_set_up(project):
    shown = project.json("project", "show", "heart-registry")
    assert [(one["role"], one["name"], one["now"]) for one in shown["members"]] == [
        ("contributor", "Hospital", True),
        ("contributor", "Registry", True),
        ("recipient", "Dr. Gray", True),
        ("steward", "Dr. Lee", True),
    ]
    assert [(one["name"], one["site"], one["guids"]) for one in shown["datasets"]] == [
        ("admissions", "Hospital", "stable"),
        ("deaths", "Registry", "fresh"),
    ]
    assert shown["smallest_count"] == 11
    text = project("project", "show", "heart-registry")
    assert "contributor  Hospital" in text
    assert shown["id"] in project("project", "list")
    assert project.json("project", "list")[0]["name"] == "heart-registry"
    parties = {one["name"]: one for one in project.json("party", "list")}
    assert parties["Hospital"]["signing_key"].startswith("pprlsite1")
    assert parties["Dr. Gray"]["recipient"].startswith("age1")
    assert "site        Hospital" in project("party", "list")


def test_permissions(project):
    assert project.json("permit", "list", "heart-registry") == []
    with pytest.raises(PprlError, match="may not approve"):
        project(*GRANT, "--approver", "Hospital", "--until", "2999-01-01")
    with pytest.raises(PprlError, match="expired already"):
        project(*GRANT, "--approver", "Dr. Lee", "--until", "2020-01-01")
    with pytest.raises(PprlError, match="YYYY-MM-DD"):
        project(*GRANT, "--approver", "Dr. Lee", "--until", "soon")
    first = project(*GRANT, "--approver", "Dr. Lee", "--to", "Dr. Gray", "--until", "2999-01-01")
    (one,) = project.json("permit", "list", "heart-registry")
    assert one["id"] == first
    assert (one["recipients"], one["approver"], one["until"]) == (["Dr. Gray"], "Dr. Lee", "2999-01-01")
    project(
        "permit",
        "grant",
        "heart-registry",
        "deduplicate",
        "deaths",
        "--approver",
        "Dr. Lee",
        "--until",
        "2999-01-01",
    )
    assert "nobody" in project("permit", "list", "heart-registry")
    project("permit", "revoke", first, "--revoker", "Registry")
    assert [one["use"] for one in project.json("permit", "list", "heart-registry")] == ["deduplicate"]
    assert len(project.json("permit", "list", "heart-registry", "--all")) == 2
    with pytest.raises(PprlError, match="no such permission"):
        project("permit", "revoke", "x", "--revoker", "Registry")


def test_what_is_ended(project):
    project("project", "remove", "heart-registry", "Dr. Gray")
    with pytest.raises(PprlError, match="no member"):
        project("project", "remove", "heart-registry", "Dr. Gray")
    project("project", "retire", "heart-registry", "deaths")
    project("party", "disable", "Dr. Gray")
    project("project", "close", "heart-registry")
    with pytest.raises(PprlError, match="closed"):
        project("project", "dataset", "heart-registry", "more", "--site", "Hospital")
    assert project.json("project", "list")[0]["closed"]
    assert [one["name"] for one in project.json("party", "list") if one["disabled"]] == ["Dr. Gray"]


def test_keys_of_parties(project, tmp_path):
    other = SigningKey(bytes(range(32)))
    other.save_pair(tmp_path / "site.key")
    with pytest.raises(PprlError, match="revoke it before"):
        project("party", "key", "Hospital", tmp_path / "site.pub")
    project("party", "key", "Hospital", tmp_path / "site.pub", "--replace")
    public = Identity.new().save_pair(tmp_path / "gray.key")
    project("party", "recipient", "Dr. Gray", public)
    parties = {one["name"]: one for one in project.json("party", "list")}
    assert parties["Hospital"]["signing_key"] == str(other.verify_key)
    assert parties["Dr. Gray"]["recipient"] in public.read_text()
    with pytest.raises(PprlError, match="no party"):
        project("party", "key", "Nobody", tmp_path / "site.pub")


def test_the_journal_tells_all_of_it_and_is_verified(project, tmp_path):
    shown = project("journal", "show").splitlines()
    acts = [line.split()[3] for line in shown]
    assert acts[0] == "store.created"
    assert acts.count("party.created") == 4
    assert acts.count("member.added") == 4
    assert [line.split()[0] for line in shown] == [str(number) for number in range(1, len(shown) + 1)]
    assert "Hospital" not in "\n".join(shown)
    of_project = project("journal", "show", "--project", "heart-registry").splitlines()
    assert {line.split()[3] for line in of_project} == {"project.created", "member.added", "dataset.created"}
    assert json.loads(project("journal", "show", "--json", "--since", "3").splitlines()[0])["n"] == 3

    public = project("journal", "key", "--out", tmp_path / "journal.key")
    out = tmp_path / "checkpoints"
    line = project("journal", "checkpoint", "--key", tmp_path / "journal.key", "--out", out)
    assert out.read_text() == f"{line}\n"
    assert "as they were written" in project("journal", "verify")
    assert public in project.told
    trusting = ("journal", "verify", "--checkpoints", out, "--trust", tmp_path / "journal.pub")
    found = project.json(*trusting)
    assert (found["entries"], found["covered"], found["faults"]) == (len(shown), len(shown), [])
    other = JournalKey.new().public_half
    with pytest.raises(PprlError, match="not trusted"):
        project("journal", "verify", "--trust", other)


def test_a_changed_journal_fails_the_command(tmp_path):
    broker = Broker(tmp_path / "store")
    broker("store", "init")
    for name in "abc":
        broker("party", "add", "site", name)
    broker("journal", "key", "--out", tmp_path / "journal.key")
    broker("journal", "checkpoint", "--key", tmp_path / "journal.key", "--out", tmp_path / "checkpoints")
    with sqlite3.connect(tmp_path / "store" / "store.sqlite3") as database:
        database.execute("DROP TRIGGER journal_no_update")
        database.execute("UPDATE journal SET body = replace(body, 'site', 'operator') WHERE number = 3")
    database.close()
    with pytest.raises(PprlError, match="entry 3: its hash does not fit"):
        broker("journal", "verify")
    with pytest.raises(PprlError, match="1 faults"):
        broker("store", "check")


def test_backup_and_restore(project, tmp_path):
    with project.opened() as store, store.files.new() as file:
        file.write(b"sealed")
    project("store", "backup", tmp_path / "backup")
    other = Broker(tmp_path / "other")
    other("store", "restore", tmp_path / "backup")
    other("store", "check")
    assert "1 bulk files" in other.told
    assert other.json("party", "list") == project.json("party", "list")
    assert other("journal", "show").splitlines()[-1].split()[3] == "store.restored"
    assert project("journal", "show").splitlines()[-1].split()[3] == "store.backed-up"
    with pytest.raises(PprlError, match="holds a store already"):
        other("store", "restore", tmp_path / "backup")
    assert "as they were written" in other("journal", "verify")


def test_checking_finds_what_is_missing(project):
    with project.opened() as store:
        with store.files.new() as file:
            file.write(b"sealed")
        store.files.path(file.sha256).unlink()
    with pytest.raises(PprlError, match="1 faults"):
        project("store", "check")


def test_upgrading_what_is_new_does_nothing(broker):
    broker("store", "upgrade")
    assert "already" in broker.told
    with pytest.raises(PprlError, match="already"):
        broker("store", "init")


def test_a_store_must_be_named(monkeypatch):
    monkeypatch.delenv("PPRL_BROKER_STORE", raising=False)
    result = CliRunner().invoke(cli, ["store", "check"], prog_name="pprl-broker")
    assert result.exit_code == 2
    assert "--store" in result.stderr
