"""Keys on the command line: made, shown, handed over, never overwritten, never shown."""

from __future__ import annotations

import json
import stat

import pytest
from click.testing import CliRunner

from broker.cli import cli as broker_cli
from pprl.cli import cli
from pprl.errors import KeyFileError
from pprl.package import Identity, Recipient, SigningKey, VerifyKey
from pprl.site.keys import LinkageKey


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*args, command=cli):
    """Run a command that must do well; its stdout and stderr."""
    result = CliRunner().invoke(command, args, standalone_mode=True, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def fail(error, *args, command=cli):
    result = CliRunner().invoke(command, args)
    assert isinstance(result.exception, error)
    return str(result.exception)


def test_linkage_key(folder):
    out, said = call("keys", "new", "--project", "heart", "--epoch", "2026")
    key = LinkageKey.load(folder / "linkage.key")
    assert (key.project, key.epoch) == ("heart", "2026")
    assert out == ""
    assert key.check_value in said
    assert key.secret.hex() not in said


def test_epoch_is_this_year_where_none_is_given(folder):
    call("keys", "new", "--project", "heart", "--out", "k")
    assert LinkageKey.load("k").epoch.isdigit()
    assert len(LinkageKey.load("k").epoch) == 4


def test_bad_names_are_wrong_usage(folder):
    result = CliRunner().invoke(cli, ["keys", "new", "--project", "a b"])
    assert result.exit_code == 2
    assert "project 'a b'" in result.stderr
    assert CliRunner().invoke(cli, ["keys", "new"]).exit_code == 2
    assert list(folder.iterdir()) == []


def test_site_key(folder):
    out, said = call("keys", "site")
    key = SigningKey.load("site.key")
    assert out == f"{key.verify_key}\n"
    assert VerifyKey.load("site.pub") == key.verify_key
    assert "PPRL-SITE-KEY" not in said
    assert stat.S_IMODE((folder / "site.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("args", "command", "secret"),
    [(("keys", "identity"), cli, "my.key"), (("keys", "new"), broker_cli, "broker.key")],
)
def test_identities(folder, args, command, secret):
    out, said = call(*args, command=command)
    identity = Identity.load(secret)
    assert out == f"{identity.recipient}\n"
    assert Recipient.load(secret.replace(".key", ".pub")) == identity.recipient
    assert "AGE-SECRET-KEY" not in said
    assert stat.S_IMODE((folder / secret).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("args", "command"),
    [
        (("keys", "new", "--project", "p", "--out", "x.key"), cli),
        (("keys", "site", "--out", "x.key"), cli),
        (("keys", "identity", "--out", "x.key"), cli),
        (("keys", "new", "--out", "x.key"), broker_cli),
    ],
)
def test_keys_are_never_overwritten(folder, args, command):
    (folder / "x.key").write_text("precious")
    assert "never overwritten" in fail(KeyFileError, *args, command=command)
    assert (folder / "x.key").read_text() == "precious"
    assert [path.name for path in folder.iterdir()] == ["x.key"]


def test_handing_the_linkage_key_to_a_site(folder):
    call("keys", "new", "--project", "heart", "--epoch", "2026")
    call("keys", "identity", "--out", "a.key")
    second, _ = call("keys", "identity", "--out", "b.key")
    call("keys", "seal", "linkage.key", "--recipient", "a.pub", "--recipient", second.strip())
    assert b"heart" not in (folder / "linkage.key.age").read_bytes()
    for site in ("a", "b"):
        out, said = call(
            "keys", "open", "linkage.key.age", "--identity", f"{site}.key", "--out", f"{site}-linkage.key"
        )
        key = LinkageKey.load(f"{site}-linkage.key")
        assert key == LinkageKey.load("linkage.key")
        assert out == ""
        assert f"check {key.check_value}; compare" in said
        assert key.secret.hex() not in said


def test_opening_what_is_not_for_you(folder):
    call("keys", "new", "--project", "heart", "--epoch", "2026")
    call("keys", "identity", "--out", "a.key")
    call("keys", "identity", "--out", "b.key")
    call("keys", "seal", "linkage.key", "--recipient", "a.pub", "--out", "sealed")
    opening = ("keys", "open", "sealed", "--identity", "b.key", "--out", "mine.key")
    assert "sealed: is not sealed to age1" in fail(KeyFileError, *opening)
    content = (folder / "sealed").read_bytes()
    (folder / "sealed").write_bytes(content[:-1])
    assert "sealed: " in fail(KeyFileError, *opening[:4], "a.key", *opening[5:])
    (folder / "sealed").unlink()
    assert "cannot be read" in fail(KeyFileError, *opening)
    assert not (folder / "mine.key").exists()


def test_a_sealed_file_that_holds_no_key(folder):
    import pyrage

    out, _ = call("keys", "identity", "--out", "a.key")
    recipient = [pyrage.x25519.Recipient.from_str(out.strip())]
    opening = ("keys", "open", "sealed", "--identity", "a.key")
    for content in (b"", b"text", b"\xff", b"x" * 70_000):
        (folder / "sealed").write_bytes(pyrage.encrypt(content, recipient))
        assert "linkage key" in fail(KeyFileError, *opening)
    assert not (folder / "linkage.key").exists()


def test_seal_names_what_is_wrong(folder):
    call("keys", "new", "--project", "heart", "--epoch", "2026")
    assert "nobody.pub: there is no such file" in fail(
        KeyFileError, "keys", "seal", "linkage.key", "--recipient", "nobody.pub"
    )
    (folder / "linkage.key").chmod(0o644)
    call("keys", "identity")
    assert "chmod 600" in fail(KeyFileError, "keys", "seal", "linkage.key", "--recipient", "my.pub")
    assert not (folder / "linkage.key.age").exists()


def test_show(folder):
    call("keys", "new", "--project", "heart", "--epoch", "2026")
    call("keys", "site")
    call("keys", "identity")
    key, site, identity = LinkageKey.load("linkage.key"), SigningKey.load("site.key"), Identity.load("my.key")
    expected = {
        "linkage.key": {
            "type": "linkage key (secret)",
            "project": "heart",
            "epoch": "2026",
            "check": key.check_value,
        },
        "site.key": {"type": "site key (secret)", "public_key": str(site.verify_key)},
        "site.pub": {"type": "public key of a site", "public_key": str(site.verify_key)},
        "my.key": {"type": "identity (secret)", "public_key": str(identity.recipient)},
        "my.pub": {"type": "public key of an identity", "public_key": str(identity.recipient)},
    }
    for name, facts in expected.items():
        out, _ = call("keys", "show", name, "--json")
        assert json.loads(out) == facts
        text, _ = call("keys", "show", name)
        assert [line.split("  ", 1)[1].strip() for line in text.splitlines()] == list(facts.values())
        for secret in (key.secret.hex(), "SECRET-KEY", "SITE-KEY"):
            assert secret not in text + out


def test_show_refuses(folder):
    call("keys", "new", "--project", "heart", "--epoch", "2026")
    call("keys", "identity")
    call("keys", "seal", "linkage.key", "--recipient", "my.pub")
    assert "open it first" in fail(KeyFileError, "keys", "show", "linkage.key.age")
    (folder / "notes.txt").write_text("nothing\n")
    assert "not a key file" in fail(KeyFileError, "keys", "show", "notes.txt")
    assert "no such file" in fail(KeyFileError, "keys", "show", "absent")
    (folder / "my.key").chmod(0o604)
    assert "chmod 600" in fail(KeyFileError, "keys", "show", "my.key")
