"""Files: the same bytes however they are made, and a truth that is true."""

from __future__ import annotations

import hashlib
import json
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.population import BLOCK_PEOPLE, PRESETS, Noise, Population, Site, output, several_sites, write
from benchmarks.population.__main__ import main
from pprl.errors import PprlError

SITES = several_sites(2, PRESETS["default"])


def read(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_bytes_do_not_depend_on_chunks_and_processes(tmp_path, monkeypatch):
    population = Population(2 * BLOCK_PEOPLE + 3_000, seed=6, names="small")
    files = write(population, tmp_path / "one", workers=1)
    monkeypatch.setattr(output, "_GROUP_BLOCKS", 1)
    again = write(population, tmp_path / "three", workers=3)
    assert set(files) == {"a", "b", "truth", "population"}
    for name in files:
        assert files[name].read_bytes() == again[name].read_bytes()
    alone = population.records(1, 2).to_pandas().fillna("").reset_index(drop=True)
    whole = read(files["b"])
    part = whole[whole["record_id"].isin(alone["record_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, alone)


def test_seed_means_these_bytes(tmp_path):
    """Where this fails every population has changed: say so in the changelog and put the new digest here."""
    files = write(Population(500, seed=1, names="small"), tmp_path / "out")
    digest = hashlib.sha256(b"".join(files[name].read_bytes() for name in ("a", "b", "truth"))).hexdigest()
    assert digest == "662179e613d316934d90ed10514433922d0daaaa434af13468e19f8874465500"


def test_other_seed_other_people(tmp_path):
    first, second = (
        write(Population(300, seed=seed, names="small"), tmp_path / str(seed)) for seed in (0, 1)
    )
    assert not set(read(first["a"])["phone"]) & set(read(second["a"])["phone"]) - {""}


def test_truth_is_pairs_of_the_same_people(tmp_path):
    sites = several_sites(2, Noise())
    population = Population(3_000, seed=3, sites=sites, overlap=0.333, names="small")
    files = write(population, tmp_path / "out")
    a, b, truth = (read(files[name]) for name in ("a", "b", "truth"))
    assert list(truth.columns) == ["left_id", "right_id"]
    assert len(truth) == 999
    assert len(a) + len(b) == 3_999
    assert truth["left_id"].is_unique
    assert truth["right_id"].is_unique
    # clean records carry each person's own number
    left, right = a.set_index("record_id")["national_id"], b.set_index("record_id")["national_id"]
    assert left[truth["left_id"]].tolist() == right[truth["right_id"]].tolist()
    assert len(set(left) & set(right)) == 999


def test_truth_is_clusters_with_duplicates_or_more_sites(tmp_path):
    sites = several_sites(3, Noise(), duplicates=0.2)
    population = Population(2_000, seed=3, sites=sites, overlap=0.4, names="small")
    files = write(population, tmp_path / "out")
    truth = read(files["truth"]).set_index("record_id")["cluster_id"]
    people = pd.concat([read(files[name]) for name in "abc"]).set_index("record_id")["national_id"]
    assert truth.index.is_unique
    assert set(truth.index) == set(people.index)
    assert truth.nunique() == people.nunique() == 2_000
    assert people.groupby(truth[people.index].to_numpy()).nunique().eq(1).all()
    described = json.loads(files["population"].read_text())
    assert described["shared_people"] == 800
    assert sum(site["records"] for site in described["sites"]) == len(truth)
    assert described["truth"] == "clusters"


def test_order_of_rows_tells_nothing(tmp_path):
    files = write(
        Population(3_000, seed=3, sites=several_sites(2, Noise()), overlap=1.0, names="small"), tmp_path / "o"
    )
    a, b, truth = (read(files[name]) for name in ("a", "b", "truth"))
    row = {
        name: pd.Series(range(len(frame)), index=frame["record_id"]) for name, frame in (("a", a), ("b", b))
    }
    left, right = row["a"][truth["left_id"]].to_numpy(), row["b"][truth["right_id"]].to_numpy()
    assert abs(pd.Series(left).corr(pd.Series(right))) < 0.1


def test_blocks_are_in_another_order_at_each_site():
    population = Population(50 * BLOCK_PEOPLE, names="small")
    orders = [population.block_order(site).tolist() for site in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(50))
    assert orders[0] != orders[1]


def test_parquet_holds_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_GROUP_BLOCKS", 1)
    population = Population(BLOCK_PEOPLE + 500, seed=9, names="small")
    csv = write(population, tmp_path / "csv")
    parquet = write(population, tmp_path / "parquet", format="parquet")
    again = write(population, tmp_path / "again", format="parquet", workers=2)
    for name in ("a", "b", "truth"):
        frame = pd.read_parquet(parquet[name])
        pd.testing.assert_frame_equal(frame.fillna("").astype("str"), read(csv[name]).astype("str"))
        assert pq.ParquetFile(parquet[name]).num_row_groups == 2
        assert parquet[name].read_bytes() == again[name].read_bytes()
    assert pd.read_parquet(parquet["a"])["phone"].isna().any()


def test_a_thousand_people_take_less_than_a_second(tmp_path):
    begin = time.perf_counter()
    write(Population(1_000, names="small"), tmp_path / "out")
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("n_people", [1, 2, 7])
def test_few_people(n_people, tmp_path):
    for sites in (1, 2, 4):
        population = Population(
            n_people, sites=several_sites(sites, PRESETS["hard"], duplicates=0.5), names="small"
        )
        files = write(population, tmp_path / f"{sites}")
        assert read(files["truth"])["cluster_id"].nunique() == n_people


def test_failed_run_leaves_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise PprlError("no")

    monkeypatch.setattr(output, "_made", fails)
    with pytest.raises(PprlError):
        write(Population(10, names="small"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: write(Population(9, names="small"), out, format="xlsx"), "no format 'xlsx'"),
        (lambda out: write(Population(9, names="small"), out, workers=0), "0 workers"),
        (lambda out: Population(0), "0 people"),
        (lambda out: Population(9, seed=-1), "seed is -1"),
        (lambda out: Population(9, sites=[Site(name="a")], names="small").people(1), "no block 1"),
    ],
)
def test_nonsense_is_refused(make, message, tmp_path):
    with pytest.raises(PprlError, match=message):
        make(tmp_path / "out")


def test_command(tmp_path):
    out = tmp_path / "out"
    arguments = [
        "--people",
        "600",
        "--names",
        "small",
        "--noise",
        "hard",
        "--overlap",
        "0.5",
        "--workers",
        "1",
    ]
    done = CliRunner().invoke(main, [*arguments, "--seed", "4", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.output.split() == [
        str(out / name) for name in ("a.csv", "b.csv", "truth.csv", "population.json")
    ]
    assert len(read(out / "truth.csv")) == 300
