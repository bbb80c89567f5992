"""``pprl tokenise`` as a data manager meets it: what it says and what it leaves."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime

import pytest

from pprl.cli.tokenise import PRESETS
from pprl.errors import PprlError
from pprl.package import SigningKey, VerifyKey, inspect_package, open_package
from pprl.site.readers import PRESETS as READERS_PRESETS

from .command import BROKER, GIVEN, KEY, PATIENTS, SCHEMA, call, names, well


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
