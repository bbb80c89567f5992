"""``pprl-broker token`` and ``pprl-broker party login``."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner

from broker.auth import authenticate, is_well_formed
from broker.cli import cli
from broker.store import open_store
from broker.store.tables import ApiToken
from pprl.errors import AuthError, ConflictError, GovernanceError, NotFoundError, PprlError

UNTIL = f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%d}"
URL = "https://data.example.org/user"


class Broker:
    """The command line on one store; gives stdout, and raises what would be told on stderr."""

    def __init__(self, where, files):
        self.where, self.files = where, files

    def __call__(self, *words: object) -> str:
        environment = {"PPRL_BROKER_STORE": self.where, "PPRL_BROKER_FILES": self.files and str(self.files)}
        result = CliRunner(env=environment).invoke(cli, [str(word) for word in words])
        if result.exception is not None:
            raise result.exception
        self.told = result.stderr
        return result.stdout.strip()

    def json(self, *words: object):
        return json.loads(self(*words, "--json"))

    def who(self, text: str):
        with open_store(self.where, files=self.files) as store, store.read() as session:
            return authenticate(session, text, now=store.clock())


@pytest.fixture
def broker(where):
    run = Broker(*where)
    run("party", "add", "site", "Hospital")
    run("party", "add", "researcher", "Dr. Gray")
    return run


def test_a_token_is_shown_once(broker):
    text = broker("token", "new", "Hospital", "--name", "nightly", "--scope", "submit", "--until", UNTIL)
    assert is_well_formed(text)
    assert text not in broker.told
    assert f"for submit, until {UNTIL}" in broker.told
    caller = broker.who(text)
    assert (caller.party.name, sorted(caller.scopes)) == ("Hospital", ["submit"])
    assert f"{caller.expires_at:%Y-%m-%d %H:%M:%S}" == f"{UNTIL} 23:59:59"
    (one,) = broker.json("token", "list", "Hospital")
    assert (one["name"], one["scopes"], one["until"], one["id"]) == (
        "nightly",
        ["submit"],
        UNTIL,
        caller.token_id,
    )
    assert text not in broker("token", "list") + broker("journal", "show")
    assert "Hospital  nightly" in broker("token", "list")


def test_a_token_in_a_file(broker, tmp_path):
    out = tmp_path / "hospital.token"
    new = ("token", "new", "Hospital", "--until", UNTIL, "--out", out)
    assert broker(*new, "--name", "one") == ""
    text = out.read_text()
    assert text.endswith("\n")
    assert text.strip() not in broker.told
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert sorted(broker.who(text.strip()).scopes) == ["fetch", "read", "submit", "withdraw"]
    with pytest.raises(PprlError, match="exists already"):
        broker(*new, "--name", "two")
    assert out.read_text() == text
    assert len(broker.json("token", "list")) == 1  # none was made for nothing
    with pytest.raises(ConflictError):
        broker(*new[:-1], tmp_path / "other.token", "--name", "one")
    assert list(tmp_path.glob("*other*")) == []


def test_a_token_is_revoked(broker):
    make = ("token", "new", "Dr. Gray", "--name", "laptop", "--until", UNTIL)
    text = broker(*make)
    with pytest.raises(NotFoundError, match="no such token"):
        broker("token", "revoke", "Hospital", "laptop")
    broker("token", "revoke", "Dr. Gray", "laptop")
    with pytest.raises(AuthError):
        broker.who(text)
    assert broker.json("token", "list") == []
    (one,) = broker.json("token", "list", "--all")
    assert one["revoked"]
    with pytest.raises(ConflictError, match="revoked already"):
        broker("token", "revoke", "Dr. Gray", one["id"])
    broker(*make)
    acts = [line.split()[3] for line in broker("journal", "show").splitlines()]
    assert acts[-3:] == ["token.issued", "token.revoked", "token.issued"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("Nobody", "--name", "x", "--until", UNTIL), "no party"),
        (("Hospital", "--name", "x", "--until", UNTIL, "--scope", "fly"), "no scope 'fly'"),
        (("Hospital", "--name", "x", "--until", UNTIL, "--scope", "administer"), "of no use"),
        (("Hospital", "--name", "x", "--until", "2020-01-01"), "expired already"),
        (("Hospital", "--name", "x", "--until", "2999-01-01"), "400 days"),
        (("Hospital", "--name", "x", "--until", "soon"), "YYYY-MM-DD"),
    ],
)
def test_tokens_that_are_not_made(broker, words, says):
    with pytest.raises(PprlError, match=says):
        broker("token", "new", *words)
    assert broker.json("token", "list", "--all") == []


def test_logins(broker):
    login = ("--issuer", URL, "--subject", "42")
    broker("party", "login", "Dr. Gray", *login)
    assert "Dr. Gray" in broker.told
    assert [(one["issuer"], one["subject"]) for one in broker.json("party", "logins", "Dr. Gray")] == [
        (URL, "42")
    ]
    assert "42" in broker("party", "logins", "Dr. Gray")
    with pytest.raises(ConflictError, match=r"that of 'Dr\. Gray'"):
        broker("party", "login", "Hospital", *login)
    with pytest.raises(GovernanceError, match="https"):
        broker("party", "login", "Hospital", "--issuer", "http://data.example.org", "--subject", "42")
    broker("party", "login", "Dr. Gray", *login, "--remove")
    assert broker.json("party", "logins", "Dr. Gray") == []


@pytest.mark.parametrize("group", ["token", "party"])
def test_every_command_has_an_example(group):
    context = click.Context(cli)
    commands = cli.get_command(context, group).commands
    for name in commands:
        shown = CliRunner().invoke(cli, [group, name, "--help"]).stdout
        assert f"pprl-broker {group} {name}" in shown


def test_the_store_holds_no_more_than_the_digest(broker):
    text = broker("token", "new", "Hospital", "--name", "x", "--until", UNTIL)
    with open_store(broker.where, files=broker.files) as store, store.read() as session:
        (token,) = session.query(ApiToken).all()
    assert not [value for value in vars(token).values() if text[10:30] in str(value)]


def test_serving_with_logins_or_a_policy_that_cannot_be(tmp_path):
    """Told before a store is made or a port is taken."""
    (tmp_path / "issuers.toml").write_text(f'[[issuer]]\nurl = "{URL}"\naudience = "gen3"\n')
    (tmp_path / "policy.toml").write_text("fly = true\n")
    serve = ["serve", "--store", str(tmp_path / "store"), "--init"]
    trusting = [*serve, "--logins", str(tmp_path / "issuers.toml")]
    for words, says in (
        ([*serve, "--policy", "policy.toml"], "give --logins as well"),
        ([*serve, "--logins", str(tmp_path / "none.toml")], "cannot be read"),
        ([*trusting, "--policy", str(tmp_path / "policy.toml")], "fly"),
        ([*trusting, "--policy", "http://arborist.example.org"], "an Arborist needs https"),
    ):
        result = CliRunner().invoke(cli, words)
        assert says in result.output + str(result.exception)
    assert not (tmp_path / "store").exists()
