"""A release on its way, whatever breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pprl.client import Client
from pprl.errors import ConflictError, CorruptError, PprlError, ServiceError, SignatureError
from pprl.release import ReleaseKey, open_release

from ..release.releases import KEY, ME, content, write_release
from .twin import TOKEN, Fault, Twin

TABLE = content({("a", 1): 50, ("b", 2): 50, ("a", 3): 51})


@pytest.fixture
def release(twin, client, tmp_path):
    write_release(tmp_path / "published", TABLE)
    twin.publish(tmp_path / "published")
    return client.releases()[0]


def names(folder):
    return {path.name for path in folder.iterdir()} - {".pprl-output"}


def same(one, other):
    return names(one) == names(other) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names(other)
    )


def test_a_release_is_fetched_and_opens(client, release, tmp_path):
    fetched = client.fetch(release, tmp_path / "out", key=KEY.public_half)
    assert not fetched.was_there
    assert same(tmp_path / "out", tmp_path / "published")
    assert names(tmp_path) == {"out", "published"}
    opened = open_release(tmp_path / "out", tmp_path / "tables", identity=ME, broker=KEY.public_half)
    assert opened.manifest.release == release.id


def test_again_it_is_there_already(twin, client, release, tmp_path):
    client.fetch(release, tmp_path / "out")
    twin.requests.clear()
    assert client.fetch(release, tmp_path / "out").was_there
    assert twin.methods("releases") == ["GET"]  # release.json
    (tmp_path / "out" / "matches.csv.age").write_bytes(b"spoilt")
    assert not client.fetch(release, tmp_path / "out").was_there
    assert same(tmp_path / "out", tmp_path / "published")


def test_it_goes_on_after_a_break(twin, client, release, tmp_path):
    size = (tmp_path / "published" / "matches.csv.age").stat().st_size
    twin.faults = [
        Fault("GET", "cut", n=100, path="matches.csv.age"),
        Fault("GET", "status", status=403, path="matches.csv.age"),
    ]
    with pytest.raises(ServiceError):
        client.fetch(release, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    part = tmp_path / f".out.{release.id}.part" / "matches.csv.age.part"
    assert part.stat().st_size == 100 < size
    part.write_bytes(part.read_bytes()[:60])
    sent = []
    real = twin._file
    twin._file = lambda request, path, fault: (
        sent.append(request.headers.get("Range")) or real(request, path, fault)
    )
    client.fetch(release, tmp_path / "out")
    assert "bytes=60-" in sent
    assert same(tmp_path / "out", tmp_path / "published")
    assert names(tmp_path) == {"out", "published"}


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.builds(Fault, st.just("GET"), st.just("cut"), n=st.integers(0, 400), path=st.just("files")),
            st.builds(Fault, st.just("GET"), st.just("status"), path=st.just("files")),
        ),
        max_size=8,
    )
)
def test_whatever_breaks_the_files_are_those(tmp_path_factory, faults):
    folder = tmp_path_factory.mktemp("property")
    write_release(folder / "published", TABLE)
    twin = Twin()
    twin.publish(folder / "published")
    twin.faults = list(faults)
    client = Client("https://broker.example", TOKEN, transport=twin, clock=lambda: 0.0, sleep=lambda _: None)
    client.fetch(client.releases()[0], folder / "out")
    assert same(folder / "out", folder / "published")


def test_a_bad_part_is_fetched_anew(client, release, tmp_path):
    staging = tmp_path / f".out.{release.id}.part"
    staging.mkdir()
    (staging / "matches.csv.age.part").write_bytes(b"not its beginning")
    (staging / "matches.parquet.age.part").write_bytes(b"x" * 100_000)
    client.fetch(release, tmp_path / "out")
    assert same(tmp_path / "out", tmp_path / "published")


def test_other_bytes_than_were_signed(twin, client, release, tmp_path):
    twin.faults = [Fault("GET", "flip", path="matches.csv.age")]
    with pytest.raises(CorruptError, match=r"matches\.csv\.age of release 1 is not what its manifest says"):
        client.fetch(release, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_does_not_end(twin, client, release, tmp_path):
    with (tmp_path / "published" / "matches.csv.age").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CorruptError, match="longer than its manifest says"):
        client.fetch(release, tmp_path / "out")


def test_signed_by_somebody_else(twin, client, release, tmp_path):
    with pytest.raises(SignatureError, match=r"release\.json: is signed by"):
        client.fetch(release, tmp_path / "out", key=ReleaseKey(b"\x0b" * 32).public_half)
    twin.broker["release_key"] = str(ReleaseKey(b"\x0b" * 32).public_half)
    with pytest.raises(SignatureError):
        client.fetch(release, tmp_path / "out")
    assert names(tmp_path) == {"published"}


def test_another_release_under_its_name(twin, client, release, tmp_path):
    other = tmp_path / "other"
    write_release(other, content({("a", 1): 50}), release="00000000-0000-4000-8000-000000000001")
    twin.folders[release.id] = other
    with pytest.raises(CorruptError, match="manifest of another release"):
        client.fetch(release, tmp_path / "out")


def test_one_that_was_withdrawn(twin, client, release, tmp_path):
    twin.releases[0]["state"] = "withdrawn"
    with pytest.raises(ConflictError, match="release 1 is withdrawn"):
        client.fetch(client.release(release.id), tmp_path / "out")


def test_a_folder_of_somebody_elses(client, release, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(PprlError, match="is not an output folder"):
        client.fetch(release, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").exists()


def test_an_id_that_leads_elsewhere(twin, client, release, tmp_path):
    twin.releases[0]["id"] = "../../evil"
    with pytest.raises(ServiceError, match="id is not one"):
        client.fetch(client.releases()[0], tmp_path / "out")
    assert names(tmp_path) == {"published"}
