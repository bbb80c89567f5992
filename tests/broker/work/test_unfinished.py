"""Who goes on with what an attempt has left."""

from __future__ import annotations

import pytest

from broker.engines.tiles import JOB_FILE, TileStore
from broker.work.housekeeping import _clear_folders
from broker.work.unfinished import folders_of, take_over, work_folder
from pprl.errors import PprlError
from pprl.guid import new_guid

from .test_queue import Kind, ask_for

JOB = new_guid()


def test_an_attempt_goes_on_with_what_the_one_before_left(store):
    first = take_over(store, JOB, 1, holds=JOB_FILE)
    assert not first.exists()
    TileStore(first, {"a": 1})
    (first / "tile.npy").write_bytes(b"")
    second = take_over(store, JOB, 2, holds=JOB_FILE)
    assert folders_of(store, JOB) == [second]
    assert (second / "tile.npy").exists()
    assert take_over(store, JOB, 2, holds=JOB_FILE) == second  # put back, and taken up under the same number
    assert (second / "tile.npy").exists()


def test_one_that_was_held_up_finds_its_folder_gone(store):
    slow = TileStore(take_over(store, JOB, 9, holds=JOB_FILE), {"a": 1})
    mine = take_over(store, JOB, 10, holds=JOB_FILE)
    with pytest.raises(PprlError):
        slow.save("tile", None)
    assert [path.name for path in mine.iterdir()] == [JOB_FILE]


def test_a_folder_that_was_only_begun_is_made_anew(store):
    """Everything stopped before the file was there that says whose it is."""
    for attempt in (1, 2):
        folder = work_folder(store) / f"{JOB}-{attempt}"
        folder.mkdir(parents=True)
        (folder / f".{JOB_FILE}.x.part").write_bytes(b"{")
        assert not take_over(store, JOB, 2, holds=JOB_FILE).exists()
    TileStore(take_over(store, JOB, 3, holds=JOB_FILE), {"a": 1})


def test_folders_of_jobs_that_are_over_go(hospital):
    job = ask_for(hospital, Kind.LINK)
    for job_id in (job.id, new_guid()):
        TileStore(take_over(hospital.store, job_id, 1, holds=JOB_FILE), {})
    (work_folder(hospital.store) / "something else").mkdir()
    _clear_folders(hospital.store)
    assert [path.name for path in work_folder(hospital.store).iterdir()] == [f"{job.id}-1"]
