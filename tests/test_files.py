from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pprl.errors import PprlError
from pprl.files import check_new_file, new_file, new_files, new_folder, scratch_file


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


def write_two(folder, content, *, overwrite=True, then=lambda: None):
    with new_files((folder / "a", 0o644), (folder / "b", 0o600), overwrite=overwrite) as (a, b):
        a.write(content)
        b.write(content)
        then()


def test_files_that_belong_together(tmp_path):
    write_two(tmp_path, b"text", overwrite=False)
    assert names(tmp_path) == ["a", "b"]
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o644, 0o600]
    write_two(tmp_path, b"newer")
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"newer", b"newer"]
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("older", ["", "a", "b", "ab"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_neither_of_two_files_appears_where_the_second_cannot(tmp_path, monkeypatch, older, error):
    for name in older:
        (tmp_path / name).write_bytes(b"older")
    replace = Path.replace

    def refuse_b(self, target):
        if Path(target).name == "b" and not self.name.endswith(".old"):
            raise error
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_b)
    with pytest.raises((KeyboardInterrupt, PprlError)) as caught:
        write_two(tmp_path, b"newer")
    if isinstance(error, OSError):
        assert str(caught.value).endswith("b: cannot be written (No space left on device)")
    assert names(tmp_path) == sorted(older)
    assert all((tmp_path / name).read_bytes() == b"older" for name in older)


def test_of_two_files_one_appears_meanwhile(tmp_path):
    with pytest.raises(PprlError, match="b: exists already"):
        write_two(tmp_path, b"mine", overwrite=False, then=lambda: (tmp_path / "b").write_bytes(b"theirs"))
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_bytes() == b"theirs"


def test_a_disk_without_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_two(tmp_path, b"text", overwrite=False)
    assert names(tmp_path) == ["a", "b"]
    with pytest.raises(PprlError, match="exists already"):
        write_two(tmp_path, b"newer", overwrite=False)


def test_checking_beforehand(tmp_path):
    check_new_file(tmp_path / "a", overwrite=False)
    (tmp_path / "a").touch()
    check_new_file(tmp_path / "a", overwrite=True)
    with pytest.raises(PprlError, match="exists already"):
        check_new_file(tmp_path / "a", overwrite=False)
    with pytest.raises(PprlError, match="is a folder"):
        check_new_file(tmp_path, overwrite=True)
    with pytest.raises(PprlError, match="does not exist"):
        check_new_file(tmp_path / "b" / "a", overwrite=True)


def test_a_scratch_file_has_no_name(tmp_path):
    with scratch_file(tmp_path) as file:
        file.write(b"text")
        file.seek(0)
        assert file.read() == b"text"
        assert names(tmp_path) == []
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    with pytest.raises(PprlError, match="nowhere: cannot be written"), scratch_file(tmp_path / "nowhere"):
        raise AssertionError("not reached")
