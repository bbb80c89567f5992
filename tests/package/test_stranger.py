"""A reader written from docs/format.md alone, on other libraries: pyrage, and Arrow's own stream reader."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pprl.package.age import bech32

DOCUMENT = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


def test_a_stranger_reads_a_package(tmp_path, pack, batch, broker, schema):
    written = pack(n_records=700)
    content = (tmp_path / "a.pprl").read_bytes()

    # Section 1: the header.
    header, _, _ = content.partition(b"\n--- ")
    lines = header.decode("ascii").split("\n")
    assert lines[0] == "age-encryption.org/v1"
    starts = [number for number, line in enumerate(lines) if line.startswith("-> ")]
    assert [lines[number].split()[1] for number in starts] == ["X25519", "pprl-manifest"]
    assert lines[starts[1]] == "-> pprl-manifest 1"
    text = "".join(lines[starts[1] + 1 :])
    outer = base64.b64decode(text + "=" * (-len(text) % 4))

    # Section 2: the frame.
    assert outer[:15] == b"pprl-package/1\n"
    length = int.from_bytes(outer[15:19], "big")
    body, signature = outer[19 : 19 + length], outer[19 + length :]
    assert len(signature) == 64
    manifest = json.loads(body)
    prefix, public = bech32.decode(manifest["signer"])
    assert prefix == "pprlsite"
    Ed25519PublicKey.from_public_bytes(public).verify(signature, b"pprl package manifest v1\0" + body)
    again = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again.encode() == body
    canonical = json.dumps(manifest["schema"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == manifest["schema_sha256"] == schema.fingerprint
    for key in manifest:
        assert f"`{key}`" in DOCUMENT

    # Section 3: the payload.
    identity = pyrage.x25519.Identity.from_str(bech32.encode("AGE-SECRET-KEY-", broker.secret))
    assert str(identity.to_public()) == manifest["recipient"]
    payload = pyrage.decrypt(content, [identity])
    assert payload.startswith(outer)
    table = payload[len(outer) :]
    assert len(table) == manifest["payload_bytes"]
    assert hashlib.sha256(table).hexdigest() == manifest["payload_sha256"]
    assert table.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    rows = pa.ipc.open_stream(table).read_all()
    assert rows.num_rows == manifest["n_records"] == written.n_records
    for bit, field in enumerate(manifest["schema"]["fields"]):
        present = sum(value >> bit & 1 for value in rows["presence"].to_pylist())
        assert present == manifest["field_counts"][field["name"]]
    n_bits = manifest["schema"]["filter"]["n_bits"]
    assert rows.schema.names[:3] == ["record_guid", "presence", "filter:record"]
    assert rows.schema.field("filter:record").type == pa.binary(n_bits // 8)
    assert rows.to_batches()[0] == batch(700)

    # The whole length, from header and manifest.
    n_header = len(header) + len("\n--- ") + 43 + 1
    n_payload = len(outer) + manifest["payload_bytes"]
    assert len(content) == n_header + 16 + n_payload + 16 * -(-n_payload // 65536)


def test_the_vectors_of_the_document(tmp_path):
    from pprl.site.keys import KeyTree

    tree = KeyTree("pprl/v1|heart-registry|" + "ab" * 32 + "|2026|", bytes(range(32)))
    assert tree.derive("tok/surname").hex() in DOCUMENT
    assert tree.check_value in DOCUMENT
