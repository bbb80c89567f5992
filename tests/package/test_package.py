"""Packages as sites write and brokers read them."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pyarrow as pa
import pytest

from pprl.errors import (
    CorruptError,
    ExpiredError,
    NotAPackageError,
    PackageError,
    PprlError,
    SignatureError,
    TruncatedError,
    WrongRecipientError,
)
from pprl.package import Identity, SigningKey, VerifyKey, inspect_package, open_package
from pprl.package.age import Stanza, open_sealed, read_header, seal
from pprl.package.manifest import Manifest, sign_frame
from pprl.package.writer import STANZA_ARGS


def test_round_trip(tmp_path, pack, batch, broker, site_key, now, schema):
    written = pack()
    with open_package(tmp_path / "a.pprl", broker, trusted={site_key.verify_key}, now=now) as package:
        assert package.manifest == written
        assert package.signer == site_key.verify_key
        assert list(package) == [batch(40), batch(3, 1)]
        package.verify()
        assert list(package) == [batch(40), batch(3, 1)]  # may be read again, from the start
    assert written.n_records == 43
    presence = pa.concat_arrays([batch(40)["presence"], batch(3, 1)["presence"]]).to_pylist()
    for bit, name in enumerate(schema.field_names):
        assert written.field_counts[name] == sum(value >> bit & 1 for value in presence)
    assert written.created == now
    assert written.expires == now + timedelta(days=90)
    assert written.linkage_schema == schema


def test_inspect_needs_no_key(tmp_path, pack):
    written = pack()
    assert inspect_package(tmp_path / "a.pprl") == written


def test_an_empty_table_is_a_package(tmp_path, pack, stream, broker, now):
    written = pack(table=stream())
    assert written.n_records == 0
    with open_package(tmp_path / "a.pprl", broker, trusted=None, now=now) as package:
        assert list(package) == []


def test_progress_adds_up(tmp_path, pack, broker, now):
    done = []
    written = pack(advance=done.append)
    assert sum(done) == 2 * written.payload_bytes
    done.clear()
    with open_package(tmp_path / "a.pprl", broker, trusted=None, now=now, advance=done.append) as package:
        list(package)
    assert sum(done) == written.payload_bytes


def test_source_may_be_a_path_or_a_file_further_on(
    tmp_path, pack, stream, batch, schema, site_key, broker, now
):
    from pprl.package import write_package

    (tmp_path / "table.arrow").write_bytes(stream(batch(5)))
    further = io.BytesIO(b"before" + stream(batch(5)))
    further.seek(6)
    common = {
        "schema": schema,
        "key_check": "0" * 16,
        "site": "S",
        "dataset": "a",
        "duplicate_free": False,
        "signing_key": site_key,
        "recipient": broker.recipient,
        "now": now,
    }
    from_path = write_package(tmp_path / "a.pprl", tmp_path / "table.arrow", **common)
    from_file = write_package(tmp_path / "b.pprl", further, **common)
    assert from_path == from_file


def test_same_randomness_same_file(tmp_path, pack):
    for name in ("a.pprl", "b.pprl"):
        pack(name, random_bytes=lambda n: b"\x07" * n)
    assert (tmp_path / "a.pprl").read_bytes() == (tmp_path / "b.pprl").read_bytes()
    pack("c.pprl")
    assert (tmp_path / "a.pprl").read_bytes() != (tmp_path / "c.pprl").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "a b"}, "dataset: "),
        ({"dataset": ""}, "dataset: "),
        ({"site": "\x1b[31mred"}, "site: "),
        ({"site": "x" * 81}, "site: "),
        ({"sequence": 0}, "sequence: "),
        ({"key_check": "short"}, "key_check: "),
        ({"valid_for": timedelta(0)}, "it expires before it was made"),
    ],
)
def test_what_cannot_be_written(tmp_path, pack, changes, message):
    with pytest.raises(PackageError, match=f"^the package cannot be made: {message}"):
        pack(**changes)
    assert list(tmp_path.iterdir()) == []


def test_a_time_without_zone_cannot_be_written(tmp_path, pack, now):
    with pytest.raises(PackageError, match="needs its time zone"):
        pack(now=now.replace(tzinfo=None))


def test_a_failed_run_leaves_no_file(tmp_path, pack, stream, batch):
    class Changing(io.BytesIO):
        """Gives other bytes when it is read again."""

        def seek(self, place: int, whence: int = 0) -> int:
            self.getbuffer()[-20] ^= 1
            return super().seek(place, whence)

    from pprl.package import write_package

    def run(source: io.BytesIO) -> None:
        with pytest.raises(PprlError):
            write_package(tmp_path / "a.pprl", source, **kept)

    kept: dict[str, object] = {}
    pack("probe.pprl", random_bytes=lambda n: bytes(n))  # the arguments are good
    manifest = inspect_package(tmp_path / "probe.pprl")
    kept.update(
        schema=manifest.linkage_schema,
        key_check=manifest.key_check,
        site=manifest.site,
        dataset=manifest.dataset,
        duplicate_free=True,
        signing_key=SigningKey(b"\x01" * 32),
        recipient=Identity(b"\x02" * 32).recipient,
        now=manifest.created,
    )
    run(Changing(stream(batch(5))))
    run(io.BytesIO(stream(batch(5))[:-8]))
    run(io.BytesIO(stream(batch(5)) + b"x"))
    run(io.BytesIO(b""))
    assert [path.name for path in tmp_path.iterdir()] == ["probe.pprl"]


def opening(path, identity, now, *, trusted=None):
    with open_package(path, identity, trusted=trusted, now=now) as package:
        return sum(batch.num_rows for batch in package)


def test_another_recipient(tmp_path, pack, broker, now):
    pack()
    stranger = Identity(b"\x09" * 32)
    with pytest.raises(WrongRecipientError, match="is sealed to age1") as caught:
        opening(tmp_path / "a.pprl", stranger, now)
    assert str(broker.recipient) in str(caught.value)
    assert str(stranger.recipient) in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "a.pprl"))


def test_untrusted_signer(tmp_path, pack, broker, site_key, now):
    pack()
    other = VerifyKey(b"\x05" * 32)
    with pytest.raises(SignatureError, match="not a trusted site"):
        opening(tmp_path / "a.pprl", broker, now, trusted=[other])
    with pytest.raises(SignatureError, match="not a trusted site"):
        opening(tmp_path / "a.pprl", broker, now, trusted=[])
    assert opening(tmp_path / "a.pprl", broker, now, trusted=[other, site_key.verify_key]) == 43


def test_expiry(tmp_path, pack, broker, now):
    pack(valid_for=timedelta(hours=1))
    assert opening(tmp_path / "a.pprl", broker, now + timedelta(minutes=59)) == 43
    with pytest.raises(ExpiredError, match=r"expired 2026-07-25 13:00 UTC"):
        opening(tmp_path / "a.pprl", broker, now + timedelta(hours=1))
    assert inspect_package(tmp_path / "a.pprl").n_records == 43  # a look is still allowed


@pytest.mark.parametrize("open_", [lambda path, *_: inspect_package(path), opening])
@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", TruncatedError),
        (b"record_guid,local_id\n", NotAPackageError),
        (b"PK\x03\x04", NotAPackageError),
        (b"age-encryption.org/v2\n-> x\n\n", NotAPackageError),
    ],
)
def test_other_files(tmp_path, broker, now, open_, content, error):
    path = tmp_path / "a.pprl"
    path.write_bytes(content)
    with pytest.raises(error, match=re.escape(str(path))):
        open_(path, broker, now)


def test_missing_file_and_folder(tmp_path, broker, now):
    for path in (tmp_path / "absent.pprl", tmp_path):
        with pytest.raises(PackageError, match="cannot be read"):
            inspect_package(path)
        with pytest.raises(PackageError, match="cannot be read"):
            opening(path, broker, now)


# Packages that somebody made who can seal (anyone can) and sign (any signer can).


def forge(
    path, broker, manifest: Manifest, key: SigningKey, payload: bytes, *, stanzas=None, inner=None
) -> None:
    frame = sign_frame(manifest, key)
    with path.open("wb") as target:
        extra = [Stanza(STANZA_ARGS, frame)] if stanzas is None else stanzas(frame)
        sealed = seal(target, [broker.recipient], extra=extra)
        sealed.write(frame if inner is None else inner)
        sealed.write(payload)
        sealed.finish()


@pytest.fixture
def made(tmp_path, pack, broker):
    """A good package's manifest and payload."""
    manifest = pack("good.pprl")
    with (tmp_path / "good.pprl").open("rb") as file:
        _, content = open_sealed(file, broker)
        plain = b"".join(content)
    return manifest, plain[-manifest.payload_bytes :]


def test_forging_what_is_good_is_good(tmp_path, broker, site_key, now, made):
    forge(tmp_path / "f.pprl", broker, made[0], site_key, made[1])
    assert opening(tmp_path / "f.pprl", broker, now) == 43


def test_an_age_file_that_is_no_package(tmp_path, broker, site_key, now, made):
    for stanzas, message in (
        (lambda _: [], "not a token package"),
        (lambda frame: [Stanza(("pprl-manifest", "2"), frame)], "version not known"),
        (lambda _: [Stanza(STANZA_ARGS, b"something else")], "holds no token package"),
        (lambda _: [Stanza(STANZA_ARGS, b"pprl-package/9\n")], "version not known"),
    ):
        forge(tmp_path / "f.pprl", broker, made[0], site_key, made[1], stanzas=stanzas)
        for open_ in (opening, lambda path, *_: inspect_package(path)):
            with pytest.raises(NotAPackageError, match=message):
                open_(tmp_path / "f.pprl", broker, now)


def test_a_second_recipient_is_refused(tmp_path, broker, site_key, now, made):
    other = Identity(b"\x09" * 32).recipient
    forge(
        tmp_path / "f.pprl",
        broker,
        made[0],
        site_key,
        made[1],
        stanzas=lambda frame: [other.wrap(b"k" * 16), Stanza(STANZA_ARGS, frame)],
    )
    for open_ in (opening, lambda path, *_: inspect_package(path)):
        with pytest.raises(CorruptError, match="further recipients"):
            open_(tmp_path / "f.pprl", broker, now)


def test_a_package_sealed_anew_to_another_broker_is_refused(tmp_path, site_key, now, made):
    other = Identity(b"\x09" * 32)
    forge(tmp_path / "f.pprl", other, made[0], site_key, made[1])
    with pytest.raises(WrongRecipientError, match="sealed anew"):
        opening(tmp_path / "f.pprl", other, now)


def test_two_manifests_must_be_the_same(tmp_path, broker, site_key, now, made):
    manifest, payload = made
    other = sign_frame(manifest.model_copy(update={"dataset": "b"}), site_key)
    forge(tmp_path / "f.pprl", broker, manifest, site_key, payload, inner=other)
    with pytest.raises(CorruptError, match="two manifests differ"):
        opening(tmp_path / "f.pprl", broker, now)


def test_a_signature_of_another_key(tmp_path, broker, site_key, now, made):
    manifest, payload = made
    frame = sign_frame(manifest, site_key)
    bad = frame[:-64] + SigningKey(b"\x08" * 32).sign(b"pprl package manifest v1\0" + frame[20:-64])
    forge(
        tmp_path / "f.pprl", broker, manifest, site_key, payload, stanzas=lambda _: [Stanza(STANZA_ARGS, bad)]
    )
    for open_ in (opening, lambda path, *_: inspect_package(path)):
        with pytest.raises(SignatureError, match="signature does not fit"):
            open_(tmp_path / "f.pprl", broker, now)


@pytest.mark.parametrize("change", [0, -30, 400])
def test_another_payload_of_the_same_length(tmp_path, broker, site_key, now, made, change):
    manifest, payload = made
    other = bytearray(payload)
    other[change] ^= 1
    forge(tmp_path / "f.pprl", broker, manifest, site_key, bytes(other))
    with pytest.raises(PackageError) as caught:
        opening(tmp_path / "f.pprl", broker, now)
    assert type(caught.value) in (CorruptError, TruncatedError)
    with (
        open_package(tmp_path / "f.pprl", broker, trusted=None, now=now) as package,
        pytest.raises(CorruptError, match="not the one that was signed"),
    ):
        package.verify()


def test_the_last_batch_is_not_the_end(tmp_path, broker, site_key, now, made, stream, batch):
    """All batches come out before the digest is known; the iteration must not end well then."""
    manifest, _ = made
    other = stream(batch(40), batch(3, 2))
    assert len(other) == manifest.payload_bytes
    forge(tmp_path / "f.pprl", broker, manifest, site_key, other)
    with open_package(tmp_path / "f.pprl", broker, trusted=None, now=now) as package:
        batches = iter(package)
        assert next(batches).num_rows == 40
        assert next(batches).num_rows == 3
        with pytest.raises(CorruptError, match="not the one that was signed"):
            next(batches)


@pytest.mark.parametrize("length", [-1, -9, 1, 5000])
def test_another_length(tmp_path, broker, site_key, now, made, length):
    manifest, payload = made
    other = payload[:length] if length < 0 else payload + bytes(length)
    forge(tmp_path / "f.pprl", broker, manifest, site_key, other)
    expected = TruncatedError if length < 0 else CorruptError
    with pytest.raises(expected):
        opening(tmp_path / "f.pprl", broker, now)
    with pytest.raises(expected):
        inspect_package(tmp_path / "f.pprl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_records": 44}, "counts are not those"),
        ({"n_records": 42}, "more records than its manifest says"),
        ({"field_counts": "shifted"}, "counts are not those"),
    ],
)
def test_counts_that_a_signer_got_wrong(tmp_path, broker, site_key, now, made, changes, message):
    manifest, payload = made
    if changes.get("field_counts") == "shifted":
        changes = {"field_counts": {**manifest.field_counts, "sex": manifest.field_counts["sex"] + 1}}
    elif changes["n_records"] < 43:
        changes = changes | {"field_counts": dict.fromkeys(manifest.field_counts, 1)}
    forge(tmp_path / "f.pprl", broker, manifest.model_copy(update=changes), site_key, payload)
    with pytest.raises(CorruptError, match=message):
        opening(tmp_path / "f.pprl", broker, now)


def test_trailing_bytes_within_the_signed_payload(tmp_path, broker, site_key, now, made):
    import hashlib

    manifest, payload = made
    longer = payload + b"hidden"
    changed = manifest.model_copy(
        update={"payload_bytes": len(longer), "payload_sha256": hashlib.sha256(longer).hexdigest()}
    )
    forge(tmp_path / "f.pprl", broker, changed, site_key, longer)
    with pytest.raises(CorruptError, match="another length"):
        opening(tmp_path / "f.pprl", broker, now)


def test_the_header_shows_the_manifest_and_nothing_else(tmp_path, pack):
    pack()
    with (tmp_path / "a.pprl").open("rb") as file:
        header = read_header(file)
    assert [stanza.args[0] for stanza in header.stanzas] == ["X25519", "pprl-manifest"]
