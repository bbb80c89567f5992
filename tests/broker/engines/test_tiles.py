"""Tiles that a killed run leaves behind."""

from __future__ import annotations

import errno
import stat

import numpy as np
import pytest

from broker.engines.tiles import TileStore
from pprl.errors import PprlError

JOB = {"payloads": ["ab", "cd"], "seed": 0}


def test_what_is_saved_is_there_for_the_same_job(tmp_path):
    folder = tmp_path / "run.unfinished"
    store = TileStore(folder, JOB)
    assert (store.n_found, store.load("1-0-5")) == (0, None)
    store.save("1-0-5", np.array([3, 9], dtype=np.int64))
    store.save("1-5-9", np.empty(0, dtype=np.int64))
    again = TileStore(folder, dict(reversed(JOB.items())))
    assert (again.n_found, again.count()) == (2, 2)
    assert again.load("1-0-5").tolist() == [3, 9]
    assert again.load("1-5-9").tolist() == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    again.remove()
    assert not folder.exists()


def test_tiles_of_another_job_are_removed(tmp_path):
    TileStore(tmp_path / "x", JOB).save("1-0-5", np.arange(3))
    store = TileStore(tmp_path / "x", JOB | {"seed": 1})
    assert (store.n_found, store.load("1-0-5")) == (0, None)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"something else"])
def test_a_damaged_tile_counts_as_not_there(tmp_path, damage):
    store = TileStore(tmp_path / "x", JOB)
    store.save("t", np.arange(100))
    path = tmp_path / "x" / "t.npy"
    path.write_bytes(path.read_bytes()[:150] if damage == b"" else damage)
    assert store.load("t") is None


def test_a_tile_of_objects_is_not_opened(tmp_path):
    store = TileStore(tmp_path / "x", JOB)
    np.save(tmp_path / "x" / "t.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert store.load("t") is None


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "letter.txt").write_text("dear")
    with pytest.raises(PprlError, match=r"x: is in the way of this run's unfinished work; move it away"):
        TileStore(tmp_path / "x", JOB)
    assert (tmp_path / "x" / "letter.txt").read_text() == "dear"


def test_a_full_disk_is_told_and_earlier_tiles_stay(tmp_path, monkeypatch):
    store = TileStore(tmp_path / "x", JOB)
    store.save("1", np.arange(5))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("numpy.lib.format.write_array", full)
        with pytest.raises(PprlError, match=r"2\.npy: cannot be written \(No space left on device\)"):
            store.save("2", np.arange(5))
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["1.npy", "job.json"]
    assert TileStore(tmp_path / "x", JOB).load("1").tolist() == list(range(5))
