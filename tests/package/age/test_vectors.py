"""The C2SP CCTV test kit: tests/vectors/age, see the README there."""

from __future__ import annotations

import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from pprl.errors import CorruptError, NotAPackageError, PackageError, TruncatedError, WrongRecipientError
from pprl.package.age import Identity, open_sealed, read_header
from pprl.package.age.header import write_header

FOLDER = Path(__file__).parents[2] / "vectors" / "age"
EXCLUDED = {
    "armor": "ASCII armour: packages are binary, and a second spelling of a file is a second way to be wrong",
    "scrypt": "passphrases: packages are sealed to keys",
    "hybrid": "post-quantum recipients: not in the cryptography library yet",
}
MALFORMED = (CorruptError, NotAPackageError, TruncatedError)
EXPECTED = {
    "header failure": MALFORMED,
    "no match": (WrongRecipientError,),
    "HMAC failure": (CorruptError,),
    "payload failure": (CorruptError, TruncatedError),
}


@dataclass(frozen=True)
class Vector:
    entries: dict[str, str]
    file: bytes

    @property
    def identity(self) -> Identity:
        text = self.entries.get("identity")
        return Identity.parse(text) if text else Identity(bytes(32))


def load(name: str) -> Vector:
    head, _, file = (FOLDER / name).read_bytes().partition(b"\n\n")
    entries = dict(line.split(": ", 1) for line in head.decode().splitlines())
    return Vector(entries, zlib.decompress(file) if "compressed" in entries else file)


NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".md" and path.name[:1].islower())


@pytest.mark.parametrize("name", NAMES)
def test_vector(name):
    vector = load(name)
    released = hashlib.sha256()
    failure: PackageError | None = None
    try:
        _, content = open_sealed(io.BytesIO(vector.file), vector.identity)
        for chunk in content:
            released.update(chunk)
    except PackageError as error:
        failure = error
    if vector.entries["expect"] == "success":
        assert failure is None
    else:
        assert type(failure) in EXPECTED[vector.entries["expect"]]
        assert str(failure)
        assert "\n" not in str(failure)
    assert vector.entries.get("payload", released.hexdigest()) == released.hexdigest()


@pytest.mark.parametrize(
    "name", [n for n in NAMES if load(n).entries["expect"] not in ("header failure", "HMAC failure")]
)
def test_headers_are_written_as_they_were_read(name):
    vector = load(name)
    header = read_header(io.BytesIO(vector.file))
    again = write_header(header.stanzas, bytes.fromhex(vector.entries["file key"]))
    assert vector.file.startswith(again)
    assert header.n_bytes == len(again)


def test_all_of_the_kit_that_applies_is_here():
    assert len(NAMES) == 67
    entries = [load(name).entries for name in NAMES]
    assert {entry["expect"] for entry in entries} == {"success", *EXPECTED}
    for name, entry in zip(NAMES, entries, strict=True):
        assert name.split("_")[0] not in EXCLUDED
        assert not {"armored", "passphrase"} & set(entry)
        assert not entry.get("identity", "").startswith("AGE-SECRET-KEY-PQ-")
