"""From packages to an opened release, over HTTP."""

from __future__ import annotations

import hashlib
import json

from pprl.release import open_release

from ..population import Town
from .hospital import KEYS, Hospital


def test_whole_way(hospital: Hospital, town: Town, tmp_path):
    for name in "ab":
        job = hospital.submit(name, hospital.pack(name, town))
        assert job["state"] == "done", job
        assert job["result"]["state"] == "accepted", job
    asked = hospital.ask("stella", "POST", f"projects/{hospital.project.id}/runs", json={})
    assert asked.status_code == 202
    hospital.work()
    job = hospital.ask("stella", "GET", f"jobs/{asked.json()['id']}").json()
    assert job["state"] == "done", job
    run = hospital.ask("stella", "GET", f"runs/{job['result']['run']}").json()
    assert 200 < run["n_links"] < 300
    quality = hospital.ask("stella", "GET", f"runs/{run['id']}/quality").json()
    assert quality["counts"]["links"] == run["n_links"]
    report = hospital.ask("stella", "GET", f"runs/{run['id']}/report")
    assert report.text.startswith("<!doctype html>")

    asked = hospital.ask(
        "stella",
        "POST",
        f"projects/{hospital.project.id}/releases",
        json={"recipient": hospital.parties["rita"].id},
    )
    hospital.store.clock.forward(minutes=1)
    hospital.work()
    job = hospital.ask("stella", "GET", f"jobs/{asked.json()['id']}").json()
    assert job["state"] == "done", job
    (release,) = hospital.ask("rita", "GET", "releases").json()["items"]
    folder = tmp_path / "fetched"
    folder.mkdir()
    for file in release["files"]:
        got = hospital.ask("rita", "GET", f"releases/{release['id']}/files/{file['name']}")
        assert hashlib.sha256(got.content).hexdigest() == file["sha256"]
        (folder / file["name"]).write_bytes(got.content)
    opened = open_release(
        folder, tmp_path / "opened", identity=hospital.identity("rita"), broker=KEYS.release.public_half
    )
    assert opened.manifest.counts["rows"] == release["n_rows"] == run["n_records"]
    entries = hospital.ask("stella", "GET", f"projects/{hospital.project.id}/journal", params={"limit": 500})
    fetched = [json.loads(one["body"]) for one in entries.json()["items"] if "release.fetched" in one["body"]]
    assert [one["words"]["file"] for one in fetched] == [file["name"] for file in release["files"]]
    assert {one["by"] for one in fetched} == {hospital.parties["rita"].id}
    done = hospital.ask("rita", "POST", f"releases/{release['id']}/acknowledge")
    assert done.json()["acknowledged_at"] is not None
