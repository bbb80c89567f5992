"""``pprl tokenise`` as a data manager meets it: what it says, what it leaves, what it refuses."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from pprl.cli import cli
from pprl.cli.tokenise import PRESETS
from pprl.errors import InputError, KeyFileError, PackageError, PprlError, SchemaError, WrongProjectError
from pprl.package import Identity, SigningKey, VerifyKey, inspect_package, open_package
from pprl.site.keys import LinkageKey
from pprl.site.readers import PRESETS as READERS_PRESETS

SCHEMA = """
[linkage]
project = "heart"
epoch = "2026"
fields = ["given_name", "surname", "birth_date", "sex"]
"""
PATIENTS = """MRN,given_name,surname,birth_date,sex
7,Anna,Weber,1980-05-03,F
9,Bela,Kun,1951-12-31,M
11,,Weber,2000-02-29,
13,UNKNOWN,Curie,1867-11-07,F
"""
KEY = LinkageKey("heart", "2026", b"\x03" * 32)
BROKER = Identity(b"\x02" * 32)
GIVEN = {"linkage.toml", "linkage.key", "broker.pub", "in.csv"}
ASKED = {
    "--schema": "linkage.toml",
    "--key": "linkage.key",
    "--dataset": "clinic",
    "--recipient": "broker.pub",
    "--out": "out.pprl",
    "--id": "MRN",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linkage.toml").write_text(SCHEMA)
    (tmp_path / "in.csv").write_text(PATIENTS)
    KEY.save("linkage.key")
    BROKER.recipient.save("broker.pub")
    return tmp_path


def call(*inputs, flags=(), **changes):
    """Run it with the usual options, some of them changed: ``date_order="dmy"``."""
    options = ASKED | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return CliRunner().invoke(cli, ["tokenise", *(inputs or ["in.csv"]), *words, *flags])


def well(*inputs, **changes):
    result = call(*inputs, **changes)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_first_package(folder):
    result = well()
    assert names(folder) == GIVEN | {"out.pprl", "out.ids.csv", "site.key", "site.pub"}
    for name, mode in (("out.pprl", 0o644), ("out.ids.csv", 0o600), ("site.key", 0o600)):
        assert stat.S_IMODE((folder / name).stat().st_mode) == mode
    made, warning, rest = result.stderr.split("\n", 2)
    assert made == (
        "made site.key (secret, signs your packages, keep it) and site.pub: hand site.pub to the broker"
    )
    assert warning.startswith(
        "warning: birth_date: 25.0% of the values are invalid; is --date-order ymd right"
    )
    assert rest == ""
    manifest = inspect_package("out.pprl")
    table = """\
4 records, one for each person

field       present          missing  placeholder  invalid
given_name        2   50.0%        1            1        0
surname           4  100.0%        0            0        0
birth_date        3   75.0%        0            0        1
sex               3   75.0%        1            0        0
"""
    assert result.stdout.startswith(table)
    for text in (manifest.schema_sha256, KEY.tree(manifest.linkage_schema).check_value, manifest.signer):
        assert text in result.stdout
    assert result.stdout.endswith(
        "\nout.pprl: settle the warnings above, then send it to the broker\n"
        "out.ids.csv: keep it here, and never with the package\n"
    )
    for text in ("Weber", "weber", KEY.secret.hex(), "PPRL-SITE-KEY"):
        assert text not in result.output


def test_what_the_broker_opens(folder):
    well()
    trusted = [VerifyKey.load("site.pub")]
    with open_package("out.pprl", BROKER, trusted=trusted, now=datetime.now(UTC)) as package:
        assert sum(batch.num_rows for batch in package) == 4
    lines = (folder / "out.ids.csv").read_text().splitlines()
    assert lines[0] == "record_guid,local_id"
    assert [line.split(",")[1] for line in lines[1:]] == ["7", "9", "11", "13"]


def test_a_refresh(folder):
    well(out="first.pprl")
    (folder / "in.csv").write_text(
        "".join(PATIENTS.splitlines(keepends=True)[:-1]) + "15,Dora,Weber,1990-01-02,F\n"
    )
    result = well(previous_ids="first.ids.csv")
    assert (
        "4 records, one for each person\n3 with the GUID they had, 1 new, 1 of the last delivery gone\n"
        in (result.stdout)
    )
    before, now = (
        dict(line.split(",")[::-1] for line in (folder / name).read_text().splitlines())
        for name in ("first.ids.csv", "out.ids.csv")
    )
    assert {local for local, guid in now.items() if before.get(local) == guid} == {"local_id", "7", "9", "11"}
    document = json.loads(well(previous_ids="first.ids.csv", flags=["--json", "--force"]).stdout)
    assert (document["kept"], document["gone"]) == (3, 1)


def test_a_refresh_that_knows_few(folder):
    well(out="first.pprl")
    (folder / "in.csv").write_text(
        PATIENTS.replace("\n9,", "\n09,").replace("\n11", "\n011").replace("\n13", "\n013")
    )
    result = well(previous_ids="first.ids.csv")
    assert (
        "warning: of the 4 ids of the last delivery only 1 are in the input; are --previous-ids and --id right?"
        in (result.stderr)
    )


def test_the_previous_ids_are_kept_even_by_force(folder):
    well()
    result = call(previous_ids="out.ids.csv", flags=["--force"])
    assert isinstance(result.exception, PprlError)
    assert "is read by this command" in str(result.exception)


def test_json(folder):
    result = well(flags=["--json"], site="St. Mary's", valid_for=30, sequence=5)
    document = json.loads(result.stdout)
    manifest = inspect_package("out.pprl")
    assert document["package"] == "out.pprl"
    assert document["ids"] == "out.ids.csv"
    assert document["n_records"] == 4
    assert document["fields"]["given_name"] == {"present": 2, "missing": 1, "placeholder": 1, "invalid": 0}
    assert document["warnings"] == [
        line.removeprefix("warning: ") for line in result.stderr.splitlines() if line.startswith("warning: ")
    ]
    assert (
        (document["site"], document["dataset"])
        == ("St. Mary's", "clinic")
        == (manifest.site, manifest.dataset)
    )
    assert (document["sequence"], manifest.sequence) == (5, 5)
    assert document["duplicate_free"] is True
    assert document["schema_sha256"] == manifest.schema_sha256
    assert document["key_check"] == manifest.key_check
    assert document["signer"] == manifest.signer
    assert (manifest.expires - manifest.created).days == 30
    assert document["expires"] == f"{manifest.expires:%Y-%m-%dT%H:%M:%SZ}"


def test_later_deliveries_are_higher(folder):
    well()
    first = inspect_package("out.pprl")
    well(flags=["--force", "--with-duplicates"])
    second = inspect_package("out.pprl")
    assert second.sequence > first.sequence
    assert second.signer == first.signer == str(SigningKey.load("site.key").verify_key)
    assert (first.duplicate_free, second.duplicate_free) == (True, False)


def test_files_of_ones_own_choice(folder):
    (folder / "private").mkdir()
    SigningKey(b"\x05" * 32).save("my.key")
    (folder / "in.csv").write_text("\n".join(PATIENTS.splitlines()[:2]))
    result = well(ids="private/mine.csv", sign="my.key", recipient=BROKER.recipient)
    assert result.stdout.startswith("1 record, one for each person\n")
    assert "\nout.pprl: send it to the broker\n" in result.stdout
    assert names(folder) == GIVEN | {"out.pprl", "private", "my.key"}
    assert names(folder / "private") == {"mine.csv"}
    assert inspect_package("out.pprl").signer == str(SigningKey(b"\x05" * 32).verify_key)


def test_how_the_file_is_read(folder):
    (folder / "in.csv").write_bytes("FIRST;LAST;DOB\nAnna;Wéber;31/12/1980\nBela;Kun;\n".encode("latin-1"))
    columns = ["given_name=FIRST", "surname=LAST", "birth_date=DOB", "sex="]
    flags = [word for column in columns for word in ("--columns", column)]
    result = well(id=None, flags=[*flags, "--json"], date_order="dmy", delimiter=";", encoding="latin-1")
    document = json.loads(result.stdout)
    assert [document["fields"][name]["present"] for name in document["fields"]] == [2, 2, 1, 0]
    assert document["warnings"] == []
    assert (folder / "out.ids.csv").read_text().endswith(",2\n")
    (folder / "in.csv").write_text("FIRST\tLAST\tDOB\nAnna\tWeber\t1980-12-31\n")
    well(id=None, flags=[*flags, "--force"], delimiter="tab")


def test_preset(folder):
    assert tuple(READERS_PRESETS) == PRESETS
    (folder / "in.csv").write_text(
        "INTERNAL_ID,FIRST_NAME,LAST_NAME,DATE_BIRTH,SEX\n5,Anna,Weber,1980-05-03,F\n"
    )
    assert well(id=None, preset="n3c").stderr.count("warning") == 0
    assert (folder / "out.ids.csv").read_text().endswith(",5\n")


@pytest.mark.parametrize(
    ("rows", "warnings"),
    [
        (
            ["7,Anna,Weber,31/12/1980,F"],
            [
                "birth_date: not one value is valid, so that nothing can be linked by it; is --date-order ymd "
                "right, and --columns birth_date=COLUMN the right column? Do not send this package as it is"
            ],
        ),
        (
            ["7,,Weber,1980-12-31,F", "9,,Kun,1981-12-31,M"],
            [
                "given_name: no record has a value, so that nothing can be linked by it; is "
                "--columns given_name=COLUMN the right column? Do not send this package as it is"
            ],
        ),
        (
            ["7,A,Weber,1980-12-31,F", "9,B,,1981-12-31,M", "11,C,UNKNOWN,1981-12-31,M"],
            [
                "surname: 66.7% of the records have no value; is --columns surname=COLUMN the right column?",
            ],
        ),
        (
            ["7,A,Weber,1980-12-31,F", "9,B,99,1981-12-31,M"],
            [
                "surname: 50.0% of the values are invalid; is --columns surname=COLUMN the right column?",
            ],
        ),
        (["7,A,Weber,1980-12-31,F", "9,,Kun,1981-12-31,M"], []),
    ],
)
def test_warnings(folder, rows, warnings):
    (folder / "in.csv").write_text("\n".join(["MRN,given_name,surname,birth_date,sex", *rows]))
    SigningKey.new().save("site.key")
    result = well()
    assert result.stderr.splitlines() == [f"warning: {warning}" for warning in warnings]


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


STRATA = SCHEMA + 'strata = ["sex", "race", "ethnicity"]\n'


def with_races(folder, *races):
    (folder / "linkage.toml").write_text(STRATA)
    header, *rows = PATIENTS.splitlines()
    lines = [f"{row},{race}" for row, race in zip(rows, races, strict=True)]
    (folder / "in.csv").write_text("\n".join([header + ",RACE_CD", *lines, ""]))


def test_strata(folder):
    with_races(folder, "White", "white", "", "Purple")
    result = well(flags=["--columns", "race=RACE_CD"])
    rows = {tuple(line.split()[:3]) for line in result.stdout.splitlines() if "(stratum)" in line}
    assert rows == {("race", "(stratum)", "2"), ("ethnicity", "(stratum)", "0")}
    assert "strata     sex, race, ethnicity: 3 records are alone in their combination" in result.stdout
    assert "warning: race: 25.0% of the values are in no category of the schema" in result.stderr
    assert "warning: 75.0% of the records are alone in their combination of strata" in result.stderr
    assert (
        "ethnicity: no record has a category; map its column with --columns ethnicity=COLUMN" in result.stderr
    )
    assert inspect_package("out.pprl").stratum_counts["race"] == (2, None, *[None] * 6)


def test_strata_that_a_site_leaves_out_on_purpose(folder):
    with_races(folder, "White", "White", "White", "White")
    result = well(flags=["--columns", "race=", "--columns", "ethnicity=", "--json"])
    assert "no record has a category" not in result.stderr
    document = json.loads(result.stdout)
    assert document["strata"]["race"] == {"present": 0, "missing": 4, "placeholder": 0, "invalid": 0}
    assert document["alone_in_strata"] == 1  # one man, two women, and one of whom nothing is known
