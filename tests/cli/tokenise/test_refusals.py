"""What ``pprl tokenise`` refuses, what it says then, and that it leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pprl.errors import InputError, KeyFileError, PackageError, PprlError, SchemaError, WrongProjectError
from pprl.package import SigningKey

from .command import ASKED, GIVEN, PATIENTS, SCHEMA, call, names, well


def fails(error, message, *inputs, **changes):
    result = call(*inputs, **changes)
    assert type(result.exception) is error, result.output
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("in.csv: no column 'MNR'; did you mean 'MRN'?", {"id": "MNR"}),
        ("in.csv: no column 'ZZZ'; columns here: MRN, given_name", {"columns": "surname=ZZZ"}),
        ("in.csv: the schema has no field 'surnam'; did you mean 'surname'?", {"columns": "surnam=surname"}),
        ("in.csv: no text encoding 'klingon'", {"encoding": "klingon"}),
        ("in.csv: the delimiter must be one character", {"delimiter": "::"}),
    ],
)
def test_wrong_columns(folder, message, changes):
    fails(InputError, message, **changes)
    assert names(folder) == GIVEN


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "b.csv: the file is empty; a header and records are needed"),
        (PATIENTS.splitlines()[0], "b.csv: has a header but no records"),
        (
            PATIENTS.replace("1951-12-31,M", "1951-12-31"),
            "b.csv, row 3: expected 5 values as in the header, found 4",
        ),
        (PATIENTS.replace("9,Bela", ",Bela"), "b.csv, row 3, column 'MRN': the local id is missing"),
        (
            PATIENTS.replace("9,Bela", "7,Bela"),
            "b.csv, row 3, column 'MRN': the local id stands in row 2 already",
        ),
        (
            PATIENTS.replace("Bela", "Béla").encode("latin-1"),
            "b.csv, row 3, column 'given_name': not utf-8 text",
        ),
        (
            PATIENTS,
            "b.csv, row 2, column 'MRN': the local id stands in in.csv, row 2 already; ids must be unique",
        ),
    ],
    ids=[
        "empty",
        "only a header",
        "broken row",
        "missing id",
        "one id twice",
        "another encoding",
        "known ids",
    ],
)
def test_a_bad_second_file(folder, content, message):
    (folder / "b.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    fails(InputError, message, "in.csv", "b.csv")
    assert names(folder) == GIVEN | {"b.csv"}


def test_wrong_inputs(folder):
    fails(InputError, "no.csv: there is no such file", "no.csv")
    fails(InputError, ".: is a folder", ".")
    fails(InputError, "in.csv: is named twice", "in.csv", "in.csv")
    assert names(folder) == GIVEN


def test_wrong_keys(folder):
    fails(KeyFileError, "no.key: there is no such file; expected a linkage key", key="no.key")
    fails(KeyFileError, "no.pub: there is no such file; expected an age recipient", recipient="no.pub")
    fails(KeyFileError, "not an age recipient", recipient="age1qqqq")
    fails(KeyFileError, "no.key: there is no such file; expected a site's signing key", sign="no.key")
    fails(KeyFileError, "linkage.key: ", sign="linkage.key")
    (folder / "linkage.key").chmod(0o644)
    fails(KeyFileError, "chmod 600 linkage.key")
    assert names(folder) == GIVEN


def test_wrong_schemas(folder):
    fails(SchemaError, "no.toml: cannot be read", schema="no.toml")
    (folder / "linkage.toml").write_text(SCHEMA.replace("given_name", "give_name"))
    fails(SchemaError, "linkage.toml: [linkage], key 'fields': 'give_name' is not one of them; did you mean")
    (folder / "linkage.toml").write_text(SCHEMA.replace("heart", "lung"))
    fails(
        WrongProjectError,
        "the linkage key is of project heart, epoch 2026; the schema of project lung, epoch 2026",
    )
    assert names(folder) == GIVEN


def test_wrong_names(folder):
    fails(PackageError, "dataset", dataset="a clinic")
    fails(PackageError, "site", site="")
    fails(PprlError, "no/out.pprl: the folder no does not exist; make it first", out="no/out.pprl")
    fails(PprlError, "out.pprl: is named as package and as ids file", ids="./out.pprl")
    assert names(folder) == GIVEN


@pytest.mark.parametrize("name", ["out.pprl", "out.ids.csv"])
def test_existing_outputs(folder, name):
    (folder / name).write_text("precious")
    fails(PprlError, f"{name}: exists already and is not overwritten")
    assert (folder / name).read_text() == "precious"
    assert names(folder) == GIVEN | {name}
    well(flags=["--force"])
    assert (folder / name).read_text(errors="replace") != "precious"


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_what_is_read_is_never_replaced(folder, name):
    before = (folder / name).read_bytes()
    fails(PprlError, f"{name}: is read by this command", out=name, flags=["--force"])
    fails(PprlError, f"{name}: is read by this command", ids=f"./{name}", flags=["--force"])
    assert (folder / name).read_bytes() == before
    assert names(folder) == GIVEN


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("write FIELD=COLUMN", {"columns": "surname"}),
        ("write FIELD=COLUMN", {"columns": "=LAST"}),
        ("has a column already", {"columns": "sex=A", "flags": ["--columns", "sex=B"]}),
        ("is not one of 'n3c'", {"preset": "n4c"}),
        ("is not one of 'ymd'", {"date_order": "dym"}),
        ("Missing option '--dataset'", {"dataset": None}),
        ("--valid-for", {"valid_for": 0}),
        ("--sequence", {"sequence": 0}),
        ("--workers", {"workers": 0}),
    ],
)
def test_wrong_usage(folder, message, changes):
    result = call(**changes)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert names(folder) == GIVEN


def test_a_signing_key_that_was_made_goes_with_a_failed_run(folder, monkeypatch):
    def interrupt(*_, **__):
        assert (folder / "site.key").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("pprl.site.tokenise.write_package", interrupt)
    assert call().exit_code == 1  # click's own; the program says 130
    assert names(folder) == GIVEN
    SigningKey(b"\x05" * 32).save("site.key")
    call()
    assert names(folder) == GIVEN | {"site.key"}


@pytest.mark.parametrize(("sign", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signals(folder, sign, code):
    script = (
        "import os, signal, sys, pprl.cli, pprl.site.tokenise as pipeline\n"
        f"pipeline.write_package = lambda *_, **__: os.kill(os.getpid(), signal.{sign})\n"
        "pprl.cli.main()\n"
    )
    words = [word for option in ASKED.items() for word in option]
    done = subprocess.run(
        [sys.executable, "-c", script, "tokenise", "in.csv", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert names(folder) == GIVEN
