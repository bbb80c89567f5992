from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from click.testing import CliRunner

from pprl.cli import cli
from pprl.errors import NotAPackageError, TruncatedError
from pprl.package import Identity, Manifest, SigningKey, inspect_package, write_package
from pprl.schema import parse_schema
from pprl.schema.columns import token_columns

SCHEMA = parse_schema(
    '[linkage]\nproject = "heart"\nepoch = "2026"\nfields = ["given_name", "surname", "birth_date"]'
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(*, now: datetime, n_records: int = 4, schema=SCHEMA, codes=()) -> Manifest:
        columns = token_columns(schema)
        arrays = [
            pa.array(
                [bytes(field.type.byte_width)] * n_records
                if pa.types.is_fixed_size_binary(field.type)
                else list(codes)
                if field.type == pa.uint8()
                else [4] * n_records
                if codes
                else list(range(4, 4 + n_records)),
                field.type,
            )
            for field in columns
        ]
        table = io.BytesIO()
        with pa.ipc.new_stream(table, columns) as writer:
            writer.write_batch(pa.record_batch(arrays, schema=columns))
        table.seek(0)
        return write_package(
            tmp_path / "a.pprl",
            table,
            schema=schema,
            key_check="0123456789abcdef",
            site="St. Mary's",
            dataset="admissions",
            duplicate_free=True,
            sequence=2,
            signing_key=SigningKey(b"\x01" * 32),
            recipient=Identity(b"\x02" * 32).recipient,
            now=now,
        )

    return write


def shown(*args) -> str:
    result = CliRunner().invoke(cli, ["inspect", *args], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stderr == ""
    return result.stdout


def test_text(package):
    manifest = package(now=datetime.now(UTC))
    text = shown("a.pprl")
    for fact in (
        "heart, epoch 2026",
        "admissions, delivery 2",
        "St. Mary's",
        "4, one for each person",
        SCHEMA.fingerprint,
        "0123456789abcdef",
        manifest.signer,
        manifest.recipient,
        manifest.payload_sha256,
        "standard",
    ):
        assert fact in text
    # Presence 4, 5, 6, 7: the third field always, the others in half of the records.
    assert [line.split()[-2:] for line in text.splitlines()[4:7]] == [
        ["2", "50.0%"],
        ["2", "50.0%"],
        ["4", "100.0%"],
    ]
    assert "EXPIRED" not in text


def test_an_expired_or_empty_package_is_shown(package):
    package(now=datetime.now(UTC) - timedelta(days=100), n_records=0)
    text = shown("a.pprl")
    assert "(EXPIRED)" in text
    assert "%" not in text


def test_json_is_the_manifest(package):
    manifest = package(now=datetime.now(UTC))
    document = json.loads(shown("a.pprl", "--json"))
    assert document == json.loads(manifest.canonical_json())
    assert Manifest.model_validate(document) == inspect_package("a.pprl")


def test_what_is_no_package(tmp_path, package):
    package(now=datetime.now(UTC))
    content = (tmp_path / "a.pprl").read_bytes()
    for damaged, error in ((b"guid,id\n", NotAPackageError), (content[:-5], TruncatedError)):
        (tmp_path / "a.pprl").write_bytes(damaged)
        result = CliRunner().invoke(cli, ["inspect", "a.pprl"])
        assert isinstance(result.exception, error)
        assert str(result.exception).startswith("a.pprl: ")
        assert result.stdout == ""


STRATA = parse_schema(
    '[linkage]\nproject = "heart"\nepoch = "2026"\nfields = ["given_name", "surname", "birth_date"]\n'
    '[[stratum]]\nname = "region"\nkind = "class"\ncategories = ["North", "South", "East"]\n'
)


def test_strata_are_counted_and_small_counts_hidden(package):
    codes = [0] * 4 + [1] * 40 + [2] * 3 + [3] * 25
    package(now=datetime.now(UTC), n_records=len(codes), schema=STRATA, codes=codes)
    lines = [line.split() for line in shown("a.pprl").splitlines()]
    start = next(number for number, line in enumerate(lines) if line[0] == "region")
    assert lines[start : start + 4] == [
        ["region", "North", "40"],
        ["South", "hidden"],
        ["East", "hidden"],
        ["(none)", "4"],
    ]
