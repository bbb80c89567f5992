"""What a recipient opens, and what it refuses."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from pprl.errors import (
    CorruptError,
    NotAPackageError,
    PackageError,
    PprlError,
    ReplayedError,
    SignatureError,
    WrongRecipientError,
)
from pprl.package import Identity
from pprl.release import ReleaseKey, load_manifest, open_release

from .releases import KEY, ME, content, write_release

FIRST = content({("a", 1): 50, ("b", 2): 50, ("a", 3): 51})
SECOND = content({("a", 1): 50, ("b", 2): 52, ("b", 4): 52}, [(51, 0)])
THIRD = content({("a", 1): 50, ("b", 2): 50}, [(51, 0), (52, 50)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = write_release(tmp_path / "one", FIRST)
    second = write_release(tmp_path / "two", SECOND, before=(FIRST, first))
    write_release(tmp_path / "three", THIRD, before=(SECOND, second))
    return tmp_path


def run(folder, release, out, **changes):
    settings = {"identity": ME, "broker": KEY.public_half} | changes
    if settings.get("previous"):
        settings["previous"] = folder / settings["previous"]
    return open_release(folder / release, folder / out, **settings)


def test_whole_tables(folder):
    opened = run(folder, "one", "out")
    assert not opened.applied
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        *(
            ".pprl-output",
            "crosswalk-1.csv",
            "matches.csv",
            "matches.parquet",
            "release.json",
            "superseded.csv",
        )
    ]
    lines = (folder / "out" / "matches.csv").read_text().splitlines()
    assert lines[0] == "entity_guid,dataset,subject_guid"
    assert len(lines) == 4
    assert [
        ",".join(row.values()) for row in pq.read_table(folder / "out" / "matches.parquet").to_pylist()
    ] == lines[1:]


def test_one_delta_after_the_other(folder):
    run(folder, "one", "tables")
    for release in ("two", "three"):
        for name in ("matches.csv", "matches.parquet", "superseded.csv"):
            (folder / release / f"{name}.age").rename(folder / f"{release}-{name}.age")
        assert run(folder, release, "tables", previous="tables").applied  # in its place
        for name in ("matches.csv", "matches.parquet", "superseded.csv"):
            (folder / f"{release}-{name}.age").rename(folder / release / f"{name}.age")
        run(folder, release, f"{release}-whole")
        for name in ("matches.csv", "superseded.csv", "release.json", "delta.csv", "crosswalk-1.csv"):
            assert (folder / "tables" / name).read_bytes() == (
                folder / f"{release}-whole" / name
            ).read_bytes()


def test_deltas_are_against_one_release(folder):
    run(folder, "one", "tables")
    with pytest.raises(ReplayedError) as caught:
        run(folder, "three", "out", previous="tables")
    assert str(caught.value).endswith(
        "three: release 3 has a delta against release 2, and "
        f"{folder / 'tables'} is release 1; apply those between first, or open the whole table without --apply-to"
    )
    run(folder, "two", "two-tables")
    with pytest.raises(ReplayedError, match="release 1 has no delta"):
        run(folder, "one", "out", previous="two-tables")
    with pytest.raises(ReplayedError, match="is release 1 already; there is nothing to apply"):
        run(folder, "one", "out", previous="tables")
    assert not (folder / "out").exists()


@pytest.mark.parametrize("name", ["matches.csv", "superseded.csv"])
def test_tables_that_were_edited_are_not_changed_further(folder, name):
    run(folder, "one", "tables")
    path = folder / "tables" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(CorruptError, match=rf"{name}: is not what its manifest says"):
        run(folder, "two", "out", previous="tables")


@pytest.mark.parametrize("name", ["matches.csv.age", "superseded.csv.age", "crosswalk-1.csv.age"])
def test_damage(folder, name):
    path = folder / "one" / name
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(
        CorruptError, match=rf"{name}: is not what its manifest says; fetch the release again"
    ):
        run(folder, "one", "out")
    path.unlink()
    with pytest.raises(PackageError, match=rf"{name}: cannot be read \(No such file or directory\)"):
        run(folder, "one", "out")
    assert not (folder / "out").exists()


def test_for_somebody_else(folder):
    with pytest.raises(
        WrongRecipientError, match=r"is sealed to age1.*, not to this identity; give the one of that key"
    ):
        run(folder, "one", "out", identity=Identity(b"\x0a" * 32))
    write_release(folder / "mixed", FIRST, sealed_to=Identity(b"\x0a" * 32))
    with pytest.raises(PackageError, match=r"matches\.csv\.age: "):
        run(folder, "mixed", "out")


def test_signatures(folder):
    other = ReleaseKey(b"\x0b" * 32)
    with pytest.raises(
        SignatureError, match=r"is signed by pprlrelease1.*, not by the broker's key pprlrelease1"
    ):
        run(folder, "one", "out", broker=other.public_half)
    write_release(folder / "forged", FIRST, signing_key=other)
    with pytest.raises(
        SignatureError, match=r"release\.json: the signature does not fit; fetch the release again"
    ):
        run(folder, "forged", "out")
    path = folder / "one" / "release.json"
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":2'))
    with pytest.raises(SignatureError):
        run(folder, "one", "out")


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda d: None, NotAPackageError, "is not the manifest of a release"),
        (lambda d: {"manifest": d["manifest"]}, NotAPackageError, "is not the manifest of a release"),
        (lambda d: d | {"signature": "00"}, SignatureError, "bears no signature"),
        (
            lambda d: d | {"manifest": d["manifest"] | {"format": 2}},
            NotAPackageError,
            "of a version that is not known",
        ),
        (
            lambda d: d | {"manifest": d["manifest"] | {"number": 0}},
            CorruptError,
            "number is not what it must be",
        ),
        (
            lambda d: d | {"manifest": d["manifest"] | {"signer": "x"}},
            SignatureError,
            "names no key as its signer",
        ),
    ],
)
def test_manifests_that_are_none(folder, edit, error, message):
    path = folder / "one" / "release.json"
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    with pytest.raises(error, match=message):
        load_manifest(path, KEY.public_half)


def test_what_is_not_a_release(folder):
    with pytest.raises(NotAPackageError, match="name the folder that the release was fetched to"):
        run(folder, "nowhere", "out")
    (folder / "one" / ".pprl-output").touch()
    with pytest.raises(PprlError, match="is the folder that is read; choose another one"):
        run(folder, "one", "one")
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(PprlError):
        run(folder, "one", "mine")
    assert (folder / "mine" / "thesis.txt").read_text() == "precious"
