"""Packages into datasets: what is accepted, what is remembered, and that a bad package leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.intake import Delivery, Register, take_in
from pprl.errors import (
    CorruptError,
    ExpiredError,
    PackageError,
    PprlError,
    ReplayedError,
    SignatureError,
    WrongKeyError,
    WrongProjectError,
    WrongRecipientError,
    WrongSchemaError,
)
from pprl.package import Identity, Manifest, VerifyKey
from pprl.schema import parse_schema
from pprl.schema.columns import exact_parts

from .population import Record, Town
from .tokens import BROKER, NOW, a_schema, as_dataset, encode, pack, site_key

ANN: Record = {"given_name": "ann", "surname": "lee", "birth_date": "19800513", "sex": "f"}
BEN: Record = {"given_name": "ben", "surname": "kun", "birth_date": "19511231", "sex": "m"}
NOBODY: Record = {}
PEOPLE = [ANN, NOBODY, BEN]


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """``packed("a", records, **changes)``: a package in the folder of the test."""

    def make(file: str, records: Sequence[Record] = PEOPLE, *, schema: Any = None, **changes: Any) -> Path:
        path = tmp_path / f"{file}.pprl"
        pack(path, schema or a_schema(), records, **changes)
        return path

    return make


def take(
    *paths: Path,
    trusted: list[VerifyKey] | None = None,
    now: datetime = NOW,
    identity: Identity = BROKER,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Delivery]:
    register = Register(paths[0].with_name("register.json"))
    return take_in(paths, identity, trusted=trusted, register=register, now=now, advance=advance)


def remembered(folder: Path) -> dict[str, int]:
    """Dataset to sequence number, as the file says; empty without a file."""
    path = folder / "register.json"
    latest = json.loads(path.read_bytes())["latest"] if path.exists() else {}
    return {key.split("/")[2]: entry["sequence"] for key, entry in latest.items()}


@pytest.mark.parametrize("profile", ["standard", "strict", "fields", "tokens"])
def test_arrays_are_the_arrow_table(packed: Callable[..., Path], town: Town, profile: str) -> None:
    schema = a_schema(profile)
    records = [*town.records[0][:40], NOBODY]
    (delivery,) = take(packed("a", records, schema=schema))
    found, wanted = delivery.dataset, as_dataset(schema, encode(schema, records, "a"), "a")
    assert (found.name, found.schema, found.duplicate_free) == ("a", schema, True)
    for name in ("guids", "presence"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for name in ("filters", "exact"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert list(one) == list(other)
        for column in one:
            assert one[column].dtype == np.uint64
            np.testing.assert_array_equal(one[column], other[column], err_msg=column)
    assert [len(columns) for columns in found.keys] == [key.n_values for key in schema.match_keys]
    for columns, others in zip(found.keys, wanted.keys, strict=True):
        for one, other in zip(columns, others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_null_becomes_zero(packed: Callable[..., Path]) -> None:
    schema = a_schema("fields")
    (delivery,) = take(packed("a", schema=schema))
    dataset = delivery.dataset
    assert dataset.presence[1] == 0
    assert dataset.has("surname").tolist() == [True, False, True]
    assert {f"{f.name}:{part}" for f in schema.fields for part in exact_parts(f)} == set(dataset.exact)
    for tokens in [*dataset.exact.values(), *(c for key in dataset.keys for c in key)]:
        assert tokens[1] == 0
    assert any(tokens[0] != 0 for tokens in dataset.exact.values())
    assert any(columns[0][0] != 0 for columns in dataset.keys)
    assert not any(rows[1].any() for rows in dataset.filters.values())


def test_a_dataset_without_records(packed: Callable[..., Path]) -> None:
    (delivery,) = take(packed("a", []))
    assert len(delivery.dataset) == 0
    assert delivery.dataset.filters["record"].shape == (0, a_schema().filter.n_bits // 64)


def test_deliveries_in_the_order_given_and_bytes_told(packed: Callable[..., Path], tmp_path: Path) -> None:
    told: list[int] = []
    paths = [packed("b"), packed("a", duplicate_free=False)]
    deliveries = take(*paths, advance=told.append)
    assert [delivery.path for delivery in deliveries] == paths
    assert [delivery.dataset.duplicate_free for delivery in deliveries] == [True, False]
    assert sum(told) == sum(delivery.manifest.payload_bytes for delivery in deliveries)
    assert remembered(tmp_path) == {"a": 1, "b": 1}


def test_older_delivery_is_refused(packed: Callable[..., Path], tmp_path: Path) -> None:
    old, new = packed("old", dataset="a", sequence=2), packed("new", dataset="a", sequence=3)
    take(old)
    take(new)
    with pytest.raises(
        ReplayedError, match=r"old\.pprl: delivery 2 of dataset 'a' is older than delivery 3.*fresh"
    ):
        take(old)
    assert remembered(tmp_path) == {"a": 3}


def test_another_payload_of_the_same_sequence_is_refused(packed: Callable[..., Path]) -> None:
    first, other = packed("first", dataset="a"), packed("other", [BEN], dataset="a")
    take(first)
    with pytest.raises(ReplayedError, match=r"other\.pprl: another delivery 1 of dataset 'a'.*higher"):
        take(other)


def test_the_same_delivery_may_come_again(packed: Callable[..., Path], tmp_path: Path) -> None:
    path = packed("a", sequence=7)
    first, again = take(path), take(path)
    assert first[0].manifest == again[0].manifest
    assert remembered(tmp_path) == {"a": 7}


def test_sequences_are_counted_by_dataset_and_signer(packed: Callable[..., Path], tmp_path: Path) -> None:
    take(packed("first", dataset="a", sequence=9))
    # A new key of the site begins anew; another dataset has its own count.
    take(packed("second", dataset="a", sequence=1, signing_key=site_key("new")))
    take(packed("b", sequence=1))
    latest = json.loads((tmp_path / "register.json").read_bytes())["latest"]
    assert sorted(entry["sequence"] for entry in latest.values()) == [1, 1, 9]


def test_register_checks_without_the_file_changing(tmp_path: Path) -> None:
    path = tmp_path / "register.json"
    manifest: Manifest = pack(tmp_path / "a.pprl", a_schema(), PEOPLE, sequence=4)
    register = Register(path)
    register.check("a.pprl", manifest)
    assert not path.exists()
    register.record([manifest])
    written = path.read_bytes()
    again = Register(path)
    again.check("a.pprl", manifest)
    again.record([manifest])
    assert path.read_bytes() == written
    assert manifest.payload_sha256 in written.decode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b"\xff\xfe",
        b"{}",
        b'{"version": 1}',
        b'{"version": 1, "latest": []}',
        b'{"version": 1, "latest": {"k": 3}}',
        b'{"version": 1, "latest": {"k": {}}}',
        b'{"version": 1, "latest": {"k": {"sequence": "x", "payload_sha256": ""}}}',
        b'{"version": 1, "latest": {"k": {"sequence": null, "payload_sha256": ""}}}',
    ],
)
def test_a_damaged_register_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "register.json"
    path.write_bytes(content)
    with pytest.raises(PprlError, match=r"register\.json: is not a register of deliveries; move it away"):
        Register(path)
    assert path.read_bytes() == content


def test_a_register_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "register.json"
    path.write_text('{"version": 2, "latest": {}}')
    with pytest.raises(PprlError, match="version not known here; update"):
        Register(path)


def test_a_register_that_cannot_be_read_or_written(packed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(PprlError, match="folder: cannot be read"):
        Register(tmp_path / "folder")
    nowhere = Register(tmp_path / "missing" / "register.json")
    with pytest.raises(PprlError, match="does not exist; make it first"):
        take_in([packed("a")], BROKER, trusted=None, register=nowhere, now=NOW)


def other_project() -> Any:
    return parse_schema('[linkage]\nproject = "city"\nepoch = "2026"\nfields = ["surname", "birth_date"]\n')


BAD: list[tuple[dict[str, Any], type[PackageError], str]] = [
    ({"recipient": Identity(b"\x05" * 32).recipient}, WrongRecipientError, "is sealed to"),
    ({"valid_for": timedelta(seconds=1), "now": NOW - timedelta(days=1)}, ExpiredError, "expired 2026-07-24"),
    ({"secret": bytes(32)}, WrongKeyError, "different linkage keys"),
    ({"schema": a_schema("strict")}, WrongSchemaError, "different schemas"),
    ({"schema": other_project()}, WrongProjectError, "project town.*project city"),
    ({"dataset": "a", "signing_key": site_key("b")}, ReplayedError, "both hold dataset a"),
]


@pytest.mark.parametrize(("changes", "kind", "says"), BAD, ids=[kind.__name__ for _, kind, _ in BAD])
def test_one_bad_package_and_nothing_is_recorded(
    packed: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], kind: type[PackageError], says: str
) -> None:
    good, bad = packed("a"), packed("bad", **changes)
    with pytest.raises(kind, match=says) as caught:
        take(good, bad)
    assert "bad.pprl" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert remembered(tmp_path) == {}


def test_damage_in_the_last_package_is_found_and_nothing_recorded(
    packed: Callable[..., Path], tmp_path: Path
) -> None:
    good, bad = packed("a"), packed("b")
    content = bytearray(bad.read_bytes())
    content[-20] ^= 1
    bad.write_bytes(content)
    with pytest.raises(CorruptError, match=r"b\.pprl"):
        take(good, bad)
    assert remembered(tmp_path) == {}
    with pytest.raises(PackageError, match=r"gone\.pprl: cannot be read"):
        take(good, tmp_path / "gone.pprl")
    assert remembered(tmp_path) == {}


def test_one_file_given_twice(packed: Callable[..., Path], tmp_path: Path) -> None:
    path = packed("a")
    with pytest.raises(ReplayedError, match="both hold dataset a; give each once"):
        take(path, path)
    assert remembered(tmp_path) == {}


def test_two_records_of_one_guid_are_refused(packed: Callable[..., Path], tmp_path: Path) -> None:
    batch = encode(a_schema(), PEOPLE, "a")
    path = packed("a", batches=[batch, batch.slice(2)])
    with pytest.raises(CorruptError, match=r"a\.pprl: gives two records one GUID; ask the site"):
        take(path)
    assert remembered(tmp_path) == {}


def test_only_trusted_signers_count(packed: Callable[..., Path], tmp_path: Path) -> None:
    a, b = packed("a"), packed("b")
    keys = {name: site_key(name).verify_key for name in "ab"}
    with pytest.raises(SignatureError, match=r"b\.pprl: signed by pprlsite1.*not a trusted site"):
        take(a, b, trusted=[keys["a"]])
    with pytest.raises(SignatureError):
        take(a, trusted=[])
    assert remembered(tmp_path) == {}
    assert len(take(a, b, trusted=[keys["b"], keys["a"]])) == 2
