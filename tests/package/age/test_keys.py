from __future__ import annotations

import stat

import pyrage
import pytest

from pprl.errors import KeyFileError
from pprl.package.age import Identity, Recipient, bech32

SECRET = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
PUBLIC = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"


def test_the_pair_of_the_specification():
    identity = Identity.parse(SECRET)
    assert identity.secret == b"\x42" * 32
    assert str(identity.recipient) == PUBLIC
    assert Recipient.parse(PUBLIC) == identity.recipient


def test_pyrage_derives_the_same_recipient():
    identity = Identity.new()
    theirs = pyrage.x25519.Identity.from_str(bech32.encode("AGE-SECRET-KEY-", identity.secret))
    assert str(theirs.to_public()) == str(identity.recipient)


def test_secret_is_never_shown():
    identity = Identity(b"\x42" * 32)
    for shown in (repr(identity), str(identity)):
        assert "GFPYYSJZ" not in shown
        assert "42" * 32 not in shown
        assert "BBBB" not in shown


def test_pair_of_files(tmp_path):
    identity = Identity.new()
    path = tmp_path / "broker.key"
    assert identity.save_pair(path) == tmp_path / "broker.pub"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Identity.load(path) == identity
    assert Recipient.load(tmp_path / "broker.pub") == identity.recipient
    assert (tmp_path / "broker.pub").read_text() == f"{identity.recipient}\n"
    # As age-keygen has it: comments, and one line of secret.
    comment, secret = path.read_text().splitlines()
    assert comment == f"# public key: {identity.recipient}"
    assert secret.startswith("AGE-SECRET-KEY-1")


def test_pair_of_files_is_never_overwritten(tmp_path):
    (tmp_path / "broker.pub").write_text("here first\n")
    with pytest.raises(KeyFileError, match=r"broker\.pub: exists already"):
        Identity.new().save_pair(tmp_path / "broker.key")
    assert not (tmp_path / "broker.key").exists()
    with pytest.raises(KeyFileError, match="needs another name"):
        Identity.new().save_pair(tmp_path / "other.pub")


def test_files_of_age_keygen(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text(f"# created: 2026-01-01T00:00:00Z\n# public key: {PUBLIC}\n{SECRET}\n")
    path.chmod(0o600)
    assert str(Identity.load(path).recipient) == PUBLIC
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Identity.load(path)
    path.chmod(0o600)
    path.write_text(f"{SECRET}\n{SECRET}\n")
    with pytest.raises(KeyFileError, match="found 2"):
        Identity.load(path)


def test_find_takes_a_recipient_or_a_file(tmp_path):
    assert str(Recipient.find(PUBLIC)) == PUBLIC
    path = tmp_path / "broker.pub"
    Recipient.parse(PUBLIC).save(path)
    assert str(Recipient.find(str(path))) == PUBLIC
    with pytest.raises(KeyFileError, match="no such file"):
        Recipient.find("nobody")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PUBLIC[:-1] + "q", "wrong character"),
        (PUBLIC.upper(), "does not begin with age1"),
        (SECRET, "does not begin with age1"),
        (bech32.encode("age", bytes(31)), "31"),
        (bech32.encode("age", bytes(32)), "low order"),
        (bech32.encode("age", b"\x01" + bytes(31)), "low order"),
    ],
)
def test_recipients_refused(text, message, tmp_path):
    with pytest.raises(KeyFileError, match=message):
        Recipient.parse(text)
    (tmp_path / "x.pub").write_text(text)
    with pytest.raises(KeyFileError, match=r"x\.pub: not an age recipient"):
        Recipient.load(tmp_path / "x.pub")


@pytest.mark.parametrize(
    "text", [PUBLIC, SECRET.lower(), SECRET[:-1] + "Q", bech32.encode("AGE-SECRET-KEY-", bytes(33))]
)
def test_identities_refused(text, tmp_path):
    with pytest.raises(KeyFileError, match="not an age identity") as caught:
        Identity.parse(text)
    assert "GFPYYSJZ" not in str(caught.value).upper()
    path = tmp_path / "x.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=r"x\.key: not an age identity"):
        Identity.load(path)


def test_lengths():
    with pytest.raises(ValueError, match="32 bytes, not 3"):
        Identity(b"abc")
    with pytest.raises(ValueError, match="32 bytes, not 3"):
        Recipient(b"abc")
