from __future__ import annotations

import hashlib
import hmac
import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.errors import KeyFileError, PprlError, WrongProjectError
from pprl.schema import parse_schema
from pprl.site.keys import MAX_DERIVED_BYTES, KeyTree, LinkageKey

SECRET = bytes(range(32))
KNOWN = {
    "tok/surname": "ad652772a1c079e416b47c1b620223cf8264620dd04b4f3d2025b1660b9c2464",
    "eld/record": "00d149e890a60afa4ff7c62da5692ae18570e81afa4f44fdc5e5d06df1b30605"
    "c9ce160764089b2713d9bb97b6712024",
    "mk/surname+birth_date": "49dafe54515df95a3a2c1d7a802aedba",
    "check_value": "d0dfa5d7051105d8",
    "file check": "2eb7af66c674857b",
}
SCHEMA = parse_schema("""
[linkage]
project = "heart-registry"
epoch = "2026"
fields = ["given_name", "surname", "birth_date"]
""")


def a_key() -> LinkageKey:
    return LinkageKey("heart-registry", "2026", SECRET)


def naive_expand(secret: bytes, info: bytes, n_bytes: int) -> bytes:
    """RFC 5869, section 2.3, as it is written there."""
    out, block, counter = b"", b"", 1
    while len(out) < n_bytes:
        block = hmac.digest(secret, block + info + bytes([counter]), "sha256")
        out, counter = out + block, counter + 1
    return out[:n_bytes]


def test_known_answers():
    # Frozen: a change here makes every package of every project incomparable with the older ones.
    tree = KeyTree("pprl/v1|heart-registry|" + "ab" * 32 + "|2026|", SECRET)
    assert tree.derive("tok/surname").hex() == KNOWN["tok/surname"]
    assert tree.derive("eld/record", 48).hex() == KNOWN["eld/record"]
    assert tree.derive("mk/surname+birth_date", 16).hex() == KNOWN["mk/surname+birth_date"]
    assert tree.check_value == KNOWN["check_value"]
    assert a_key().check_value == KNOWN["file check"]


def test_tree_binds_project_schema_epoch_and_label():
    tree = a_key().tree(SCHEMA)
    assert tree.prefix == f"pprl/v1|heart-registry|{SCHEMA.fingerprint}|2026|"
    assert tree.derive("tok/surname") == naive_expand(SECRET, f"{tree.prefix}tok/surname".encode(), 32)
    other_schema = SCHEMA.model_copy(update={"match_keys": SCHEMA.match_keys[:1]})
    trees = [
        tree,
        a_key().tree(SCHEMA.model_validate(other_schema.model_dump())),
        LinkageKey("heart-registry", "2027", SECRET).tree(
            parse_schema('[linkage]\nproject="heart-registry"\nepoch="2027"\nfields=["surname"]')
        ),
        LinkageKey("heart-registry", "2026", bytes(32)).tree(SCHEMA),
    ]
    assert len({t.check_value for t in trees}) == len(trees)
    assert len({t.derive("tok/surname") for t in trees}) == len(trees)
    assert tree.derive("tok/surname") != tree.derive("tok/given_name")


@given(st.binary(min_size=32, max_size=32), st.text(min_size=1, max_size=40), st.integers(1, 200))
def test_derivation_is_hkdf_expand(secret, label, n_bytes):
    tree = KeyTree("pprl/v1|p|s|e|", secret)
    assert tree.derive(label, n_bytes) == naive_expand(secret, f"pprl/v1|p|s|e|{label}".encode(), n_bytes)


def test_check_value_is_an_hmac_under_its_own_key():
    tree = a_key().tree(SCHEMA)
    expected = hmac.new(tree.derive("kcv"), b"pprl key check", hashlib.sha256).hexdigest()[:16]
    assert tree.check_value == expected
    assert re.fullmatch("[0-9a-f]{16}", tree.check_value)


@pytest.mark.parametrize(
    ("label", "n_bytes"), [("", 32), ("tok/x", 0), ("tok/x", -1), ("tok/x", MAX_DERIVED_BYTES + 1)]
)
def test_derive_refuses(label, n_bytes):
    with pytest.raises(ValueError, match="a key has a label"):
        a_key().tree(SCHEMA).derive(label, n_bytes)


@pytest.mark.parametrize(("project", "epoch"), [("heart-registry", "2027"), ("other", "2026")])
def test_tree_of_another_project_or_epoch(project, epoch):
    with pytest.raises(WrongProjectError, match="use the key made for it"):
        LinkageKey(project, epoch, SECRET).tree(SCHEMA)


def test_secret_is_never_shown():
    key = a_key()
    for shown in (repr(key), str(key), repr(key.tree(SCHEMA)), str(key.tree(SCHEMA)), f"{key}"):
        assert SECRET.hex() not in shown
        assert repr(SECRET) not in shown
    assert "heart-registry" in repr(key)


def test_new_draws_from_the_given_source():
    asked = []

    def source(n: int) -> bytes:
        asked.append(n)
        return b"\7" * n

    assert LinkageKey.new("p", "e", random_bytes=source).secret == b"\7" * 32
    assert asked == [32]
    assert LinkageKey.new("p", "e") != LinkageKey.new("p", "e")


@pytest.mark.parametrize("name", ["", "a b", "a|b", "-a", "a" * 65, "ä", "a\n"])
def test_new_refuses_names_that_would_blur_the_binding(name):
    with pytest.raises(ValueError, match="project"):
        LinkageKey.new(name, "2026")
    with pytest.raises(ValueError, match="epoch"):
        LinkageKey.new("p", name)


def test_short_secret():
    with pytest.raises(ValueError, match="16 bytes, not 32"):
        LinkageKey("p", "e", bytes(16))


def test_save_and_load(tmp_path):
    path = tmp_path / "linkage.key"
    a_key().save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert LinkageKey.load(path) == a_key()
    text = path.read_text()
    assert text.startswith("# pprl linkage key: SECRET")
    assert f"check: {a_key().check_value}\n" in text
    with pytest.raises(KeyFileError, match="never overwritten"):
        LinkageKey.new("p", "e").save(path)
    assert path.read_text() == text


def test_load_tolerates_comments_blanks_and_windows_lines(tmp_path):
    path = tmp_path / "linkage.key"
    a_key().save(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n\r\n") + b"# a note of the site\r\n")
    assert LinkageKey.load(path) == a_key()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o777])
def test_load_refuses_a_key_that_others_have_rights_to(tmp_path, mode):
    path = tmp_path / "linkage.key"
    a_key().save(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {re.escape(str(path))}"):
        LinkageKey.load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pprl-linkage-key: 1", "pprl-linkage-key: 2", "version not known"),
        ("pprl-linkage-key: 1\n", "", "is not a linkage key"),
        ("project: heart-registry", "project: heart-attack", "check value does not fit"),
        ("epoch: 2026", "epoch: 2027", "check value does not fit"),
        ("secret: 00", "secret: 01", "check value does not fit"),
        ("secret: 00", "secret: zz", "not 64 hexadecimal digits"),
        ("secret: 00", "secret: ", "not 64 hexadecimal digits"),
        ("check: ", "check: ä", "check value does not fit"),
        ("project: heart-registry", "project: heart|registry", "project"),
        ("epoch: 2026\n", "", "expected one line each"),
        ("epoch: 2026\n", "epoch: 2026\nepoch: 2026\n", "expected one line each"),
        ("epoch: 2026\n", "era: 2026\n", "expected one line each"),
    ],
)
def test_load_refuses_a_malformed_file(tmp_path, old, new, message):
    path = tmp_path / "linkage.key"
    a_key().save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(KeyFileError, match=message) as caught:
        LinkageKey.load(path)
    assert SECRET.hex()[2:] not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\xff\xfe", b"x" * 70_000, b"# only a comment\n", b"AGE-SECRET-KEY-1\n"]
)
def test_load_refuses_other_files(tmp_path, content):
    path = tmp_path / "linkage.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="is not a linkage key"):
        LinkageKey.load(path)


def test_load_refuses_what_is_no_file(tmp_path):
    with pytest.raises(KeyFileError, match="no such file"):
        LinkageKey.load(tmp_path / "absent.key")
    with pytest.raises(KeyFileError, match=r"not a regular file|cannot be read"):
        LinkageKey.load(tmp_path)
    with pytest.raises(PprlError, match="does not exist; make it first"):
        a_key().save(tmp_path / "absent" / "linkage.key")
