from __future__ import annotations

import stat

import pytest

from pprl.errors import KeyFileError, SignatureError
from pprl.package import SigningKey, VerifyKey
from pprl.package.age import bech32

# RFC 8032, section 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_rfc_8032():
    key = SigningKey(SEED)
    assert key.verify_key.public == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    key.verify_key.verify(SIGNATURE, b"\x72")


@pytest.mark.parametrize(
    ("signature", "message"),
    [(SIGNATURE, b"\x73"), (SIGNATURE[:-1] + b"\x01", b"\x72"), (b"", b"\x72"), (bytes(64), b"")],
)
def test_bad_signatures_raise(signature, message):
    with pytest.raises(SignatureError, match="does not fit"):
        VerifyKey(PUBLIC).verify(signature, message)


def test_text_forms():
    key = SigningKey(SEED)
    text = str(key.verify_key)
    assert text.startswith("pprlsite1")
    assert VerifyKey.parse(text) == key.verify_key
    assert SigningKey.parse(bech32.encode("PPRL-SITE-KEY-", SEED)) == key


def test_secret_is_never_shown():
    for shown in (repr(SigningKey(SEED)), str(SigningKey(SEED))):
        assert shown == "SigningKey()"


def test_pair_of_files(tmp_path):
    key = SigningKey.new()
    assert key.save_pair(tmp_path / "site.key") == tmp_path / "site.pub"
    assert stat.S_IMODE((tmp_path / "site.key").stat().st_mode) == 0o600
    assert SigningKey.load(tmp_path / "site.key") == key
    assert VerifyKey.load(tmp_path / "site.pub") == key.verify_key
    with pytest.raises(KeyFileError, match="exists already"):
        SigningKey.new().save_pair(tmp_path / "site.key")
    (tmp_path / "site.key").chmod(0o660)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SigningKey.load(tmp_path / "site.key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pprlsite1",
        bech32.encode("age", PUBLIC),
        bech32.encode("PPRLSITE", PUBLIC),
        bech32.encode("pprlsite", PUBLIC[:-1]),
    ],
)
def test_public_keys_refused(text, tmp_path):
    with pytest.raises(KeyFileError, match="not a site's public key"):
        VerifyKey.parse(text)
    (tmp_path / "x.pub").write_text(f"{text}\n")
    with pytest.raises(KeyFileError, match=r"x\.pub: "):
        VerifyKey.load(tmp_path / "x.pub")


@pytest.mark.parametrize(
    "text", ["", bech32.encode("AGE-SECRET-KEY-", SEED), bech32.encode("PPRL-SITE-KEY-", SEED).lower()]
)
def test_secret_keys_refused(text, tmp_path):
    with pytest.raises(KeyFileError, match="not a site's signing key"):
        SigningKey.parse(text)
    (tmp_path / "x.key").write_text(f"{text}\n")
    (tmp_path / "x.key").chmod(0o600)
    with pytest.raises(KeyFileError, match=r"x\.key: "):
        SigningKey.load(tmp_path / "x.key")


def test_lengths():
    with pytest.raises(ValueError, match="32 bytes, not 3"):
        SigningKey(b"abc")
    with pytest.raises(ValueError, match="32 bytes, not 3"):
        VerifyKey(b"abc")
