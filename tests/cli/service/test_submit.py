"""``pprl submit`` as a data manager meets it."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from ...client.packages import write
from ...client.twin import TOKEN, Fault, guid
from .command import call, refused, well


def test_a_package_is_accepted(url, folder, twin):
    assert well("submit", "clinic.pprl") == ("clinic.pprl: delivery 7 of clinic, 400 records, is accepted\n")
    assert {path.name for path in folder.iterdir()} == {"clinic.pprl", "token"}


def test_for_machines(url):
    assert json.loads(well("submit", "clinic.pprl", "--json", "--project", "heart")) == {
        "project": "heart",
        "dataset": "clinic",
        "sequence": 7,
        "n_records": 400,
        "upload": guid(100),
        "job": guid(200),
        "state": "accepted",
        "delivery": guid(300),
        "refusal": None,
    }


def test_a_refusal_is_a_line_and_exit_code_1(url, twin):
    twin.intake = {"state": "refused", "refusal": "made with another linkage key; compare the key checks"}
    result = call("submit", "clinic.pprl", "--json")
    assert str(result.exception) == (
        "clinic.pprl: the broker refused it: made with another linkage key; compare the key checks"
    )
    assert json.loads(result.stdout)["state"] == "refused"


def test_without_waiting(url):
    assert well("submit", "clinic.pprl", "--no-wait") == (
        "clinic.pprl: delivery 7 of clinic, 400 records, is sent\n"
        "'pprl status' tells whether the broker accepts it\n"
    )


def test_what_does_not_fit_is_a_line(url, twin):
    twin.datasets[0]["name"] = "ward"
    assert refused("submit", "clinic.pprl") == (
        "clinic.pprl: is of dataset clinic, and the broker has other datasets of yours (ward); tokenise with the "
        "--dataset of one, or ask the broker to set up this one"
    )


def test_where_and_as_whom(folder, twin, url, monkeypatch):
    monkeypatch.setenv("PPRL_TOKEN", "wrong")
    assert "the token may have expired" in refused(
        "submit", "clinic.pprl", "--token-file", wrong_file(folder)
    )
    monkeypatch.delenv("PPRL_TOKEN_FILE")
    assert "the token is not known" in refused("submit", "clinic.pprl")
    monkeypatch.setenv("PPRL_TOKEN", TOKEN)
    monkeypatch.delenv("PPRL_BROKER_URL")
    assert refused("submit", "clinic.pprl").startswith("no broker is named; give --broker https://")
    assert "unencrypted" in refused("submit", "clinic.pprl", "--broker", "http://broker.example")
    assert "is accepted" in well("submit", "clinic.pprl", "--broker", url)


def wrong_file(folder):
    path = folder / "wrong"
    path.write_text("not-the-token\n")
    path.chmod(0o600)
    return path


def test_killed_and_given_again(folder, twin, url):
    """kill -9 in the middle of a large file: the next one sends the rest, and reads nothing again."""
    write(folder / "clinic.pprl", n_records=300_000)
    size = (folder / "clinic.pprl").stat().st_size
    assert size > 2.5 * 8 * 1024 * 1024
    # From the third piece on it is told to wait.
    twin.faults = [
        Fault("PATCH", "none"),
        Fault("PATCH", "none"),
        *[Fault("PATCH", "status", headers={"Retry-After": "300"})] * 50,
    ]
    script = "import sys; sys.argv[0] = 'pprl'; from pprl.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", script, "submit", "clinic.pprl"])
    try:
        while len(twin.faults) > 49:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    (upload,) = twin.uploads.values()
    had = len(upload.data)
    assert 0 < had < size
    twin.faults.clear()
    twin.requests.clear()
    well("submit", "clinic.pprl")
    assert upload.data == (folder / "clinic.pprl").read_bytes()
    assert twin.methods(f"uploads/{upload.id}") == [
        "GET",
        "HEAD",
        *["PATCH"] * -(-(size - had) // (8 << 20)),
        "GET",
    ]
    assert "POST" not in twin.methods()
