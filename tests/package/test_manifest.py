from __future__ import annotations

import json
import struct
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.errors import (
    CorruptError,
    NotAPackageError,
    PackageError,
    ReplayedError,
    SignatureError,
    TruncatedError,
    WrongKeyError,
    WrongProjectError,
    WrongSchemaError,
)
from pprl.package import Identity, Manifest, SigningKey, check_same_linkage
from pprl.package.manifest import MAGIC, MAX_MANIFEST_BYTES, make_manifest, open_frame, sign_frame
from pprl.schema import parse_schema

KEY = SigningKey(b"\x01" * 32)


@pytest.fixture(scope="session")
def manifest(schema, now) -> Manifest:
    return make_manifest(
        project=schema.project,
        epoch=schema.epoch,
        dataset="a",
        site="Københavns Hospital",
        schema_sha256=schema.fingerprint,
        linkage_schema=schema,
        key_check="0123456789abcdef",
        n_records=10,
        field_counts=dict.fromkeys(schema.field_names, 7),
        duplicate_free=False,
        sequence=3,
        created=now,
        expires=now + timedelta(days=1),
        recipient=str(Identity(b"\x02" * 32).recipient),
        signer=str(KEY.verify_key),
        payload_sha256="ab" * 32,
        payload_bytes=1000,
    )


def signed(body: bytes, key: SigningKey = KEY) -> bytes:
    return MAGIC + struct.pack(">I", len(body)) + body + key.sign(b"pprl package manifest v1\0" + body)


def test_round_trip(manifest):
    assert open_frame(sign_frame(manifest, KEY)) == manifest
    assert sign_frame(manifest, KEY) == signed(manifest.canonical_json().encode())


def test_canonical_form(manifest, schema):
    text = manifest.canonical_json()
    entries = json.loads(text)
    assert list(entries) == sorted(entries)
    assert entries["schema"] == json.loads(schema.canonical_json())
    assert schema.canonical_json() in text  # the fingerprint can be taken without knowing the model
    assert entries["created"] == "2026-07-25T12:00:00Z"
    assert "Københavns Hospital" in text
    assert "\n" not in text


def test_frozen(manifest):
    with pytest.raises(ValueError, match="frozen"):
        manifest.dataset = "b"


def test_only_the_signer_signs(manifest):
    with pytest.raises(ValueError, match="not that of the manifest's signer"):
        sign_frame(manifest, SigningKey(b"\x02" * 32))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"n_records":10', '"n_records": 10'),
        lambda text: text.replace('"dataset":"a",', "", 1).replace(
            '{"created"', '{"dataset":"a","created"', 1
        ),
        lambda text: text.replace('"dataset":"a"', '"dataset":"b","dataset":"a"'),
        lambda text: text.replace("København", "K\\u00f8benhavn"),
        lambda text: text + " ",
        lambda text: text.replace('"created":"2026-07-25T12:00:00Z"', '"created":"2026-7-25T12:00:00Z"'),
    ],
)
def test_any_other_spelling_is_refused(manifest, change):
    text = change(manifest.canonical_json())
    assert text != manifest.canonical_json()
    with pytest.raises(CorruptError, match="canonical form"):
        open_frame(signed(text.encode()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format"),
        ({"extra": 1}, "an entry that is not known"),
        ({"dataset": None}, "dataset"),
        ({"n_records": -1}, "n_records"),
        ({"n_records": 10.0}, "n_records"),
        ({"n_records": "10"}, "n_records"),
        ({"n_records": 2**53}, "n_records"),
        ({"n_records": 6}, "a field count exceeds"),
        ({"field_counts": {"surname": 1}}, "field counts are not those"),
        ({"field_counts": []}, "field_counts"),
        ({"duplicate_free": 1}, "duplicate_free"),
        ({"created": "2026-07-25 12:00"}, "created"),
        ({"created": 5}, "canonical form"),
        ({"expires": "2026-07-25T12:00:00Z"}, "expires before"),
        ({"project": "other"}, "project and epoch are not those of its schema"),
        ({"epoch": "2027"}, "project and epoch are not those of its schema"),
        ({"schema_sha256": "00" * 32}, "fingerprint"),
        ({"schema": {}}, "schema"),
        ({"schema": 3}, "schema"),
        ({"recipient": "age1"}, "not an age recipient"),
        ({"signer": "pprlsite1"}, "not a site's public key"),
        ({"signer": "x" * 101}, "signer"),
        ({"payload_sha256": "AB" * 32}, "payload_sha256"),
        ({"payload_bytes": 0}, "payload_bytes"),
        ({"site": "a\u202eb"}, "site"),
        ({"site": "a\nb"}, "site"),
    ],
)
def test_malformed_entries_are_refused(manifest, changes, message):
    entries = json.loads(manifest.canonical_json()) | changes
    body = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(CorruptError, match=message) as caught:
        open_frame(signed(body))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[" * 100_000, b"\xff", b'{"format":1', b"1e999", b'{"a":NaN}']
)
def test_what_is_no_manifest(body):
    with pytest.raises(CorruptError, match="its manifest is wrong"):
        open_frame(signed(body))


def test_frames(manifest):
    frame = sign_frame(manifest, KEY)
    with pytest.raises(SignatureError):
        open_frame(frame[:-1] + bytes([frame[-1] ^ 1]))
    with pytest.raises(SignatureError):
        open_frame(frame.replace(b'"n_records":10', b'"n_records":11'))
    for length in range(len(MAGIC) + 4):
        with pytest.raises((TruncatedError, NotAPackageError)):
            open_frame(frame[:length])
    with pytest.raises(CorruptError, match="another length"):
        open_frame(frame[:-1])
    with pytest.raises(CorruptError, match="another length"):
        open_frame(frame + b"x")
    with pytest.raises(CorruptError, match=f"more than {MAX_MANIFEST_BYTES}"):
        open_frame(MAGIC + struct.pack(">I", 2**32 - 1) + frame[20:])
    with pytest.raises(NotAPackageError, match="version not known"):
        open_frame(b"pprl-package/2\n" + frame[15:])


def test_the_signature_is_bound_to_its_purpose(manifest):
    body = manifest.canonical_json().encode()
    with pytest.raises(SignatureError):
        open_frame(MAGIC + struct.pack(">I", len(body)) + body + KEY.sign(body))


@settings(max_examples=300)
@given(st.data())
def test_no_change_passes(manifest, data):
    frame = bytearray(sign_frame(manifest, KEY))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PackageError):
        open_frame(bytes(frame))


def changed(manifest: Manifest, **changes: object) -> Manifest:
    return manifest.model_copy(update=changes)


def test_packages_of_one_linkage(manifest):
    check_same_linkage([])
    check_same_linkage([("a.pprl", manifest)])
    check_same_linkage([("a.pprl", manifest), ("b.pprl", changed(manifest, dataset="b"))])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"project": "other", "dataset": "b"}, WrongProjectError),
        ({"epoch": "2027", "dataset": "b"}, WrongProjectError),
        ({"schema_sha256": "00" * 32, "dataset": "b"}, WrongSchemaError),
        ({"key_check": "f" * 16, "dataset": "b"}, WrongKeyError),
        ({"sequence": 4}, ReplayedError),
    ],
)
def test_packages_that_must_not_be_mixed(manifest, changes, error):
    packages = [
        ("a.pprl", manifest),
        ("c.pprl", changed(manifest, dataset="c")),
        ("b.pprl", changed(manifest, **changes)),
    ]
    with pytest.raises(error, match=r"^a\.pprl and b\.pprl: "):
        check_same_linkage(packages)


def test_a_manifest_too_long_to_write(manifest, monkeypatch):
    monkeypatch.setattr("pprl.package.manifest.MAX_MANIFEST_BYTES", 1000)
    with pytest.raises(PackageError, match="at most 1000 are allowed"):
        sign_frame(manifest, KEY)


def test_the_largest_schema_fits_a_manifest(manifest):
    fields = "\n".join(f'[[field]]\nname = "{"f" * 37}{i:02}"\nkind = "text"' for i in range(32))
    parts = ", ".join(f'"{"f" * 37}{i:02}"' for i in range(8))
    keys = "\n".join(f'[[match_key]]\nname = "{i:0120}"\nparts = [{parts}]' for i in range(32))
    schema = parse_schema(f'[linkage]\nproject = "p"\nepoch = "1"\n{fields}\n{keys}', source="test")
    largest = manifest.model_copy(update={"linkage_schema": schema})
    assert len(sign_frame(largest, KEY)) < MAX_MANIFEST_BYTES
