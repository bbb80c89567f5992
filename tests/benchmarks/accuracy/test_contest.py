"""Who takes part: what is kept of an earlier run, who is absent, what peers' answers are made into."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.accuracy import peers
from benchmarks.accuracy.cases import CASES, Settings
from benchmarks.accuracy.contest import Contestant, Work, code_of, hold
from pprl.errors import PprlError


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return Work(CASES["generated"](Settings(folder=folder, people=60, names="small")), folder)


@pytest.fixture
def with_duplicates(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    return Work(CASES["three-sites"](Settings(folder=folder, people=60, names="small")), folder)


def _contestant(source, play):
    return Contestant("x", (source,), play)


def _played(work, folder):
    assert not any(folder.iterdir())
    return {"entries": [], "seconds": {"all": 1.0}}


def test_a_result_of_the_same_inputs_is_kept(work, tmp_path):
    source = tmp_path / "code.py"
    source.write_text("one")
    said = []
    [first] = hold(work, [_contestant(source, _played)], [], say=said.append)
    [again] = hold(work, [_contestant(source, _played)], [first], say=said.append)
    assert again is first
    assert said[-1] == "generated, seed 0: x: kept"
    source.write_text("two")
    [anew] = hold(work, [_contestant(source, _played)], [first], say=said.append)
    assert anew["inputs"] != first["inputs"]


def test_who_fails_is_absent_and_tried_again(work, tmp_path):
    source = tmp_path / "code.py"
    source.write_text("")

    def fails(work, folder):
        raise PprlError("no network")

    results = list(
        hold(work, [_contestant(source, fails), _contestant(source, _played)], [], say=lambda _: None)
    )
    assert [one.get("absent") for one in results] == ["no network", None]
    [again] = hold(work, [_contestant(source, _played)], results[:1], say=lambda _: None)
    assert "absent" not in again


def test_digest_is_of_code_and_settings_alone(tmp_path):
    for name in ("a.py", "b.toml", "c.pyc", "d.md"):
        (tmp_path / name).write_text("")
    assert [path.name for path in code_of([tmp_path, tmp_path / "x.lock"])] == ["a.py", "b.toml", "x.lock"]


def _clusters(work, path, n):
    """A true pair of each of ``n`` people as a peer's clusters, and two people of one site as another."""
    people = work.truth.people.groupby("cluster_id")["record_id"].agg(list)
    chosen = [records[:1] + records[-1:] for records in people if records[0][0] != records[-1][0]][:n]
    alone = [records[0] for records in people if len(records) == 1 and records[0].startswith("b/")]
    lines = ["dataset,local_id,cluster_id"]
    for number, records in enumerate([*chosen, alone[:2]]):
        lines += [f"{record.replace('/', ',', 1)},{number}" for record in records]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_splink_is_asked_for_what_the_case_is(work, with_duplicates, tmp_path, monkeypatch):
    asked = []

    def say(words, folder):
        job = json.loads(words[-1])
        asked.append(job)
        ways = [
            {"model": model, "method": "clusters", "threshold": threshold}
            | {"path": _clusters(of, tmp_path / f"{len(asked)}-{model}-{threshold}.csv", n)}
            for model, n in (("all fields", 20), ("without street and city", 10))
            for threshold, n in ((0.95, n), (0.5, n + 5))
        ]
        return {"facts": {"ways": ways}, "seconds": {"train": 1.0}, "versions": {}}

    monkeypatch.setattr(peers, "_say", say)
    monkeypatch.setattr(peers, "interpreter", lambda peer: tmp_path / peer)
    for of in (work, with_duplicates):
        made = peers._splink(of, tmp_path)
        fixed, tuned = made["entries"]
        assert (fixed["about"], fixed["tuned"]) == ("all fields, 0.95", False)
        assert (tuned["about"], tuned["tuned"]) == ("all fields, 0.5", True)
        assert (fixed["figures"]["links"]["tp"], tuned["figures"]["links"]["tp"]) == (20, 25)
    assert [job["link_type"] for job in asked] == ["link_only", "link_and_dedupe"]
    assert asked[0]["kinds"]["birth_date"] == "birth_date"
    assert not any("truth" in json.dumps(job) for job in asked)


def test_pairs_within_a_site_count_where_it_has_duplicates(work, with_duplicates, tmp_path):
    for of, n_links in ((work, 5), (with_duplicates, 6)):
        path = _clusters(of, tmp_path / "clusters.csv", 5)
        clusters = peers._clusters(of, {"path": path})
        assert len(peers.links_of(of, clusters)) == n_links


def test_everybody_as_one_person_is_no_result(work, tmp_path, monkeypatch):
    path = _clusters(work, tmp_path / "clusters.csv", 5)
    way = {"model": "m", "method": "clusters", "threshold": 0.95, "path": path}
    assert len(list(peers._entries(work, [way], "x", 0.95))) == 2
    monkeypatch.setattr(peers, "_PAIRS_A_RECORD", 0.01)
    with pytest.raises(PprlError, match=r"x at 0\.95 makes nearly everybody one person"):
        list(peers._entries(work, [way], "x", 0.95))


def test_filters_rows_are_named(work, tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("dataset,row,cluster_id\na,0,7\nb,3,7\n")
    clusters = peers._clusters(work, {"path": str(path)})
    ids = [work.records["a"].iat[0], work.records["b"].iat[3]]
    assert clusters["record_id"].tolist() == [f"a/{ids[0]}", f"b/{ids[1]}"]


def test_tokens_link_whoever_shares_one(work, tmp_path, monkeypatch):
    def say(words, folder):
        job = json.loads(words[-1])
        assert job["tokens"] == [1, 2, 3, 4, 5, 6]
        for site, path in job["files"].items():
            ids = pd.read_csv(path, dtype=str)["record_id"]
            columns = {
                f"opprl_token_{number}v2": [f"{site}{n}" for n in range(len(ids))] for number in job["tokens"]
            }
            columns["opprl_token_4v2"][0] = "shared"
            (folder / site).mkdir()
            pq.write_table(pa.table({"record_id": ids} | columns), folder / site / "part.parquet")
        return {"seconds": {"start": 9.0, "tokenise": 1.0}, "versions": {}}

    monkeypatch.setattr(peers, "_say", say)
    monkeypatch.setattr(peers, "interpreter", lambda peer: tmp_path / peer)
    folder = tmp_path / "tokens"
    folder.mkdir()
    made = peers._opprl(work, folder)
    links = made["entries"][0]["figures"]["links"]
    assert links["tp"] + links["fp"] == 1
    assert made["seconds"] == {"tokenise": 1.0}


def test_all_pairs_have_an_end(work, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "interpreter", lambda peer: tmp_path / peer)
    monkeypatch.setattr(peers, "_ANONLINK_AT_MOST", 10)
    with pytest.raises(PprlError, match=r"it compares all 3\.6e\+03 pairs"):
        peers._anonlink(work, tmp_path)
    assert [one.name for one in peers.contestants()] == ["clkhash and anonlink", "Splink", "OPPRL"]
    assert all(path.exists() for one in peers.contestants() for path in one.sources)
