"""``pprl open-release`` as a recipient meets it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from broker.cli import cli as broker_cli
from pprl.cli import cli
from pprl.errors import PprlError
from pprl.release import ReleaseKey

from ..release.releases import KEY, ME, content, write_release

FIRST = content({("a", 1): 50, ("b", 2): 50, ("a", 3): 51})
SECOND = content({("a", 1): 50, ("b", 2): 52}, [(51, 0)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = write_release(tmp_path / "one", FIRST)
    write_release(tmp_path / "two", SECOND, before=(FIRST, first))
    ME.save("me.key")
    KEY.public_half.save("release.pub")
    return tmp_path


def call(release, out, *more, **changes):
    options = {"--identity": "me.key", "--broker": "release.pub"} | changes
    words = [word for pair in options.items() for word in pair]
    return CliRunner().invoke(cli, ["open-release", release, "--out", out, *words, *more])


def test_a_release_and_the_next(folder):
    result = call("one", "tables")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "release 1 of project town, 2026-03-01 12:00 UTC\n"
        "3 rows of 2 people, from a, b\n"
        "\n"
        "tables/matches.csv: who is whom; tables/superseded.csv: GUIDs that are no more\n"
    )
    result = call("two", "tables", "--apply-to", "tables")
    assert result.output == (
        "release 2 of project town, 2026-03-01 12:00 UTC\n"
        "2 rows of 2 people, from a, b\n"
        "the delta was applied to release 1: 0 rows added, 1 moved to another entity, 1 removed; 0 GUIDs superseded, "
        "1 ended\n"
        "\n"
        "tables/matches.csv: who is whom; tables/superseded.csv: GUIDs that are no more\n"
        "delete the removed rows from all your copies, then acknowledge the release to the broker\n"
    )


def test_json(folder):
    document = json.loads(call("two", "tables", "--json").output)
    assert document["number"] == 2
    assert document["base"] == 1
    assert document["applied"] is False
    assert document["counts"]["removed"] == 1


def test_an_error_is_a_line(folder):
    result = call("one", "tables", **{"--broker": str(ReleaseKey(b"\x0b" * 32).public_half)})
    assert isinstance(result.exception, PprlError)
    assert str(result.exception).startswith("one/release.json: is signed by pprlrelease1")
    assert "\n" not in str(result.exception)


def test_the_brokers_key(folder):
    result = CliRunner().invoke(broker_cli, ["keys", "release", "--out", "new.key"])
    assert result.exit_code == 0, result.output
    assert ReleaseKey.load("new.key").public_half == type(KEY.public_half).load("new.pub")
    assert result.stdout.strip() == str(ReleaseKey.load("new.key").public_half)
    assert oct((folder / "new.key").stat().st_mode)[-3:] == "600"


def test_the_program_imports_all_that_it_needs():
    """In a process where nobody else has imported it: `pyarrow.compute` comes of no import of `pyarrow`."""
    code = (
        "import numpy as np, pyarrow as pa\n"
        "from pprl.release.table import guids_of\n"
        "guids_of([pa.array(['00000000-0000-4000-8000-000000000001'])], what='x')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
