from __future__ import annotations

import stat

import pytest

from pprl.errors import PprlError
from pprl.files import new_file, new_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path):
    with new_file(tmp_path / "a.csv") as file:
        file.write(b"text")
        assert not (tmp_path / "a.csv").exists()
    assert (tmp_path / "a.csv").read_bytes() == b"text"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_a_failed_run_leaves_nothing_and_the_older_file(tmp_path, error):
    (tmp_path / "a.csv").write_bytes(b"older")

    def fail() -> None:
        with new_file(tmp_path / "a.csv") as file:
            file.write(b"half")
            raise error

    with pytest.raises((error, PprlError)):
        fail()
    assert (tmp_path / "a.csv").read_bytes() == b"older"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_mode_is_in_force_while_writing(tmp_path, mode):
    with new_file(tmp_path / "a.key", mode=mode):
        (part,) = tmp_path.iterdir()
        assert stat.S_IMODE(part.stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == mode


def test_overwriting(tmp_path):
    (tmp_path / "a").write_bytes(b"older")
    with new_file(tmp_path / "a") as file:
        file.write(b"newer")
    assert (tmp_path / "a").read_bytes() == b"newer"
    with pytest.raises(PprlError, match="exists already"), new_file(tmp_path / "a", overwrite=False):
        raise AssertionError("not reached")
    assert (tmp_path / "a").read_bytes() == b"newer"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    def write() -> None:
        with new_file(tmp_path / "a", overwrite=False) as file:
            file.write(b"mine")
            (tmp_path / "a").write_bytes(b"theirs")

    with pytest.raises(PprlError, match="exists already"):
        write()
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert names(tmp_path) == ["a"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(PprlError, match=r"absent does not exist"), new_file(tmp_path / "absent" / "a"):
        raise AssertionError("not reached")


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with new_folder(tmp_path / "run") as folder:
        (folder / "links.csv").write_text("x")
        assert not (tmp_path / "run").exists()
    assert (tmp_path / "run" / "links.csv").read_text() == "x"
    assert names(tmp_path) == ["run"]


def test_a_failed_run_keeps_the_older_folder(tmp_path):
    with new_folder(tmp_path / "run") as folder:
        (folder / "links.csv").write_text("older")

    def fail() -> None:
        with new_folder(tmp_path / "run") as folder:
            (folder / "links.csv").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "run" / "links.csv").read_text() == "older"
    assert names(tmp_path) == ["run"]


def test_a_folder_replaces_only_its_own_kind(tmp_path):
    with new_folder(tmp_path / "run") as folder:
        (folder / "old.csv").write_text("x")
    with new_folder(tmp_path / "run") as folder:
        (folder / "new.csv").write_text("x")
    assert "old.csv" not in names(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty"):
        pass
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("photos", "file"):
        with pytest.raises(PprlError, match="choose another --out"), new_folder(tmp_path / name):
            raise AssertionError("not reached")
    assert (tmp_path / "photos" / "one.jpg").read_text() == "precious"
