"""From files of patients to a package that the broker can open, and the ids file that leads back."""

from __future__ import annotations

import csv
import io
import random
import resource
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pprl.errors import InputError, PackageError, PprlError, WrongProjectError
from pprl.guid import from_text
from pprl.package import Identity, SigningKey, open_package
from pprl.schema import parse_schema
from pprl.schema.columns import token_columns
from pprl.site import tokenise as pipeline
from pprl.site.encode import Encoder
from pprl.site.keys import LinkageKey
from pprl.site.normalise import FieldCounts, normalise
from pprl.site.readers import InputFormat
from pprl.site.tokenise import ids_path, tokenise

NOW = datetime(2026, 7, 25, 12, 0, 0, tzinfo=UTC)
BROKER = Identity(b"\x02" * 32)
KEY = LinkageKey("heart", "2026", b"\x03" * 32)
SCHEMA_TEXT = """
[linkage]
project = "heart"
epoch = "2026"
fields = ["given_name", "surname", "birth_date", "postcode"]
"""
SCHEMA = parse_schema(SCHEMA_TEXT)
HEADER = "mrn,given_name,surname,birth_date,postcode"
NAMES = ("Anna", "Bela", "Carl", "Dora", "Emil", "UNKNOWN", "")
BIRTHS = ("1980-05-03", "1951-12-31", "2031-01-01", "1900-01-01", "")


def a_row(number):
    name, birth = NAMES[number % len(NAMES)], BIRTHS[number % len(BIRTHS)]
    return f"{name},Weber{'abcdefghij'[number % 10]},{birth},{10000 + 7 * number}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def patients(folder):
    """``patients(first, stop)``: write a file of them, their ids P001 and so on."""

    def write(first=0, stop=50, name="in.csv"):
        lines = [f"P{number:03d},{a_row(number)}" for number in range(first, stop)]
        (folder / name).write_text("\n".join([HEADER, *lines, ""]))
        return name

    return write


def make(*inputs, **changes):
    settings = {
        "schema": SCHEMA,
        "key": KEY,
        "signing_key": SigningKey(b"\x01" * 32),
        "recipient": BROKER.recipient,
        "dataset": "clinic",
        "now": NOW,
        "input_format": InputFormat(id_column="mrn"),
        "random_bytes": random.Random(7).randbytes,
    }
    return tokenise(inputs, changes.pop("package", "out.pprl"), **(settings | changes))


def opened(path="out.pprl"):
    with open_package(path, BROKER, trusted=None, now=NOW) as package:
        return pa.Table.from_batches(list(package)), package.manifest


def ids(path="out.ids.csv"):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return dict(csv.reader(file))


def by_local_id(package="out.pprl"):
    """Tokens of each record under its local id, the GUID left out."""
    table, _ = opened(package)
    local = {from_text([guid]).tobytes(): local for guid, local in list(ids(ids_path(package)).items())[1:]}
    rows = table.drop_columns(["record_guid"]).to_pylist()
    return dict(zip((local[guid] for guid in table["record_guid"].to_pylist()), rows, strict=True))


def test_from_a_file_to_an_opened_package_and_back(folder, patients):
    made = make(patients())
    table, manifest = opened()
    assert table.schema == token_columns(SCHEMA)
    assert manifest == made.manifest
    assert manifest.n_records == table.num_rows == 50
    assert (manifest.dataset, manifest.site, manifest.duplicate_free) == ("clinic", "clinic", True)
    assert (manifest.created, manifest.expires) == (NOW, NOW + timedelta(days=90))
    assert manifest.sequence == round(NOW.timestamp() * 1000)
    assert manifest.key_check == KEY.tree(SCHEMA).check_value
    assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "out.ids.csv", "out.pprl"]
    assert stat.S_IMODE((folder / "out.ids.csv").stat().st_mode) == 0o600

    assert next(iter(ids().items())) == ("record_guid", "local_id")
    assert sorted(ids().values())[:-1] == [f"P{number:03d}" for number in range(50)]
    # What the record of a local id holds is what its row gives, encoded alone.
    row = [f"P012,{a_row(12)}".split(",")[1:]]
    batch = pa.record_batch([pa.array([value or None]) for value in row[0]], names=list(SCHEMA.field_names))
    clean = normalise(batch, SCHEMA, today=NOW.date()).batch
    alone = Encoder(SCHEMA, KEY.tree(SCHEMA)).encode(clean, np.zeros((1, 16), np.uint8))
    assert by_local_id()["P012"] == alone.drop_columns(["record_guid"]).to_pylist()[0]


@pytest.mark.parametrize("rows_per_chunk", [7, 1000])
def test_a_refreshed_dataset(folder, patients, rows_per_chunk):
    """Rows that go, come, and change; the order of the rows is still that of the GUIDs."""
    make(patients(0, 40), package="first.pprl")
    text = (folder / patients(10, 60)).read_text().replace("Webera", "Kunz")
    (folder / "in.csv").write_text(text)
    made = make(
        "in.csv",
        previous_ids="first.ids.csv",
        rows_per_chunk=rows_per_chunk,
        random_bytes=random.Random(8).randbytes,
    )
    assert (made.n_kept, made.n_gone, made.manifest.n_records) == (30, 10, 50)
    before, now = (
        {local: guid for guid, local in ids(path).items()} for path in ("first.ids.csv", "out.ids.csv")
    )
    assert len(now) == 51
    for local, guid in now.items():
        assert (before.get(local) == guid) == (local in before)
    assert not {guid for local, guid in before.items() if local not in now} & set(now.values())
    guids = opened()[0]["record_guid"].to_pylist()
    assert guids == sorted(set(guids))
    assert sorted(path.name for path in folder.iterdir()) == [
        *("first.ids.csv", "first.pprl", "in.csv", "out.ids.csv", "out.pprl"),
    ]
    old, new = by_local_id("first.pprl"), by_local_id()
    changed = {local for local in set(old) & set(new) if old[local] != new[local]}
    assert changed == {"P010", "P020", "P030"}  # tokens of the others are the same, byte for byte


def test_without_the_previous_ids_all_guids_are_fresh(patients):
    made = make(patients(), package="first.pprl")
    make(patients(), random_bytes=random.Random(8).randbytes)
    assert set(ids()) & set(ids("first.ids.csv")) == {"record_guid"}
    assert (made.n_kept, made.n_gone) == (None, None)


def test_the_ids_file_of_another_dataset(folder, patients):
    make(patients(0, 20), package="other.pprl")
    with pytest.raises(InputError) as caught:
        make(patients(20, 50), previous_ids="other.ids.csv")
    assert str(caught.value) == (
        "other.ids.csv: none of its local ids is in the input; is it of another dataset, or --id another column?"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "other.ids.csv", "other.pprl"]


def test_row_numbers_are_no_ids_that_last(folder, patients):
    make(patients(), package="first.pprl", input_format=InputFormat())
    with pytest.raises(InputError, match="row numbers are no ids that last; name the column"):
        make("in.csv", previous_ids="first.ids.csv", input_format=InputFormat())


def test_the_previous_ids_are_not_written_over(folder, patients):
    make(patients())
    before = (folder / "out.ids.csv").read_bytes()
    with pytest.raises(PprlError, match="is read, and cannot be written as well"):
        make("in.csv", previous_ids="out.ids.csv", overwrite=True)
    assert (folder / "out.ids.csv").read_bytes() == before


def test_counts(patients):
    made = make(patients())
    assert made.counts == {
        "given_name": FieldCounts(present=36, missing=7, placeholder=7),
        "surname": FieldCounts(present=50),
        "birth_date": FieldCounts(present=20, missing=10, placeholder=10, invalid=10),
        "postcode": FieldCounts(present=50),
    }
    present = {name: counts.present for name, counts in made.counts.items()}
    assert present == dict(made.manifest.field_counts)


def test_records_are_in_the_order_of_their_guids(patients):
    make(patients())
    guids = opened()[0]["record_guid"].to_pylist()
    assert guids == sorted(set(guids))
    local = list(by_local_id())
    assert local != sorted(local)


def test_the_same_randomness_and_time_give_the_same_files(folder, patients):
    make(patients())
    first = [(folder / name).read_bytes() for name in ("out.pprl", "out.ids.csv")]
    make("in.csv", overwrite=True)
    assert [(folder / name).read_bytes() for name in ("out.pprl", "out.ids.csv")] == first
    make("in.csv", overwrite=True, random_bytes=random.Random(8).randbytes)
    assert (folder / "out.ids.csv").read_bytes() != first[1]


def test_chunks_do_not_show(patients):
    make(patients(), rows_per_chunk=3)
    make("in.csv", package="whole.pprl")
    assert by_local_id() == by_local_id("whole.pprl")


def test_several_files_count_as_one(patients):
    made = make(patients(0, 20, "a.csv"), patients(20, 50, "b.csv"))
    make(patients(), package="one.pprl")
    assert made.manifest.n_records == 50
    assert by_local_id() == by_local_id("one.pprl")


def test_records_without_ids_are_numbered_through_all_files(patients):
    make(patients(0, 20, "a.csv"), patients(20, 50, "b.csv"), input_format=InputFormat())
    assert list(ids().values())[1:] == [str(number) for number in range(1, 51)]


def test_local_ids_of_any_characters_come_back(folder):
    awkward = ['a,"b"', "c\r\nd", "é", "00012", "x\ry", "' OR 1", "=1+1"]
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER.split(","), *([local, *a_row(1).split(",")] for local in awkward)])
    make("in.csv")
    assert list(ids().values())[1:] == awkward


def test_nothing_of_the_patients_is_in_the_package(folder, patients):
    make(patients())
    content = (folder / "out.pprl").read_bytes()
    table = opened()[0].to_pylist()
    for text in ("Weber", "weber", "P012", KEY.secret.hex()):
        assert text.encode() not in content
        assert text not in str(table)


def test_one_id_in_two_files(folder, patients):
    a, b = patients(0, 20, "a.csv"), patients(17, 30, "b.csv")
    with pytest.raises(InputError) as caught:
        make(a, b, rows_per_chunk=5)
    assert str(caught.value) == (
        "b.csv, row 2, column 'mrn': the local id stands in a.csv, row 19 already; ids must be unique"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "b.csv"]


def test_a_file_named_twice(patients):
    with pytest.raises(InputError, match=r"^\./in.csv: is named twice"):
        make(patients(), "./in.csv")


def test_the_second_file_is_looked_at_before_the_first_is_read(folder, patients):
    (folder / "b.csv").write_text("mrn,given_name\n1,Anna\n")
    drawn = []
    with pytest.raises(InputError, match=r"^b\.csv: no column for fields surname"):
        make(patients(), "b.csv", random_bytes=drawn.append)
    assert drawn == []


def test_outputs_are_not_overwritten(folder, patients):
    for name in ("out.pprl", "out.ids.csv"):
        (folder / name).write_text("precious")
        with pytest.raises(PprlError, match=rf"^{name}: exists already"):
            make(patients())
        assert (folder / name).read_text() == "precious"
        (folder / name).unlink()
    assert [path.name for path in folder.iterdir()] == ["in.csv"]


def test_overwriting_replaces_both_or_none(folder, patients, monkeypatch):
    make(patients())
    older = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(pipeline, "write_package", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(patients(0, 30), overwrite=True)
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    patients()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == older
    make(patients(0, 30), overwrite=True)
    assert len(by_local_id()) == 30


def _interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["write_package", "encode_chunks", "scratch_file"])
def test_an_interrupted_run_leaves_nothing(folder, patients, monkeypatch, step):
    monkeypatch.setattr(pipeline, step, _interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(patients())
    assert [path.name for path in folder.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk(folder, patients, monkeypatch, workers):
    monkeypatch.setattr("pprl.files.tempfile.TemporaryFile", lambda dir: io.FileIO("/dev/full", "w"))
    with pytest.raises(PprlError) as caught:
        make(patients(), workers=workers, rows_per_chunk=10)
    assert str(caught.value) == "out.pprl, out.ids.csv: cannot be written (No space left on device)"
    assert [path.name for path in folder.iterdir()] == ["in.csv"]


def test_a_disk_that_fills_up_at_any_time(folder, patients):
    """Files of at most so many bytes: too few for the ids, for the scratch file, for the package."""
    path = patients(0, 500)
    make(path)
    sizes = [(folder / name).stat().st_size for name in ("out.ids.csv", "out.pprl")]
    n_scratch = 500 * (sum(field.type.bit_width // 8 for field in token_columns(SCHEMA)))
    assert sizes[0] < n_scratch < sizes[1]
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (sizes[0] - 1, n_scratch - 1, n_scratch, sizes[1] - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
        try:
            with pytest.raises(PprlError) as caught:
                make(path, package="new.pprl")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert str(caught.value) == "new.pprl, new.ids.csv: cannot be written (File too large)"
        assert sorted(path.name for path in folder.iterdir()) == ["in.csv", "out.ids.csv", "out.pprl"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"key": LinkageKey("lung", "2026", b"k" * 32)}, WrongProjectError, "of project lung, epoch 2026"),
        ({"key": LinkageKey("heart", "2025", b"k" * 32)}, WrongProjectError, "epoch 2025"),
        ({"dataset": "a b"}, PackageError, "dataset"),
        ({"site": ""}, PackageError, "site"),
        ({"sequence": 0}, PackageError, "sequence"),
        ({"valid_for": timedelta(0)}, PackageError, "expires before it was made"),
        ({"ids": "./out.pprl"}, PprlError, "different names"),
        ({"package": "nowhere/out.pprl"}, PprlError, "the folder nowhere does not exist"),
    ],
)
def test_wrong_settings_show_before_anything_is_read(folder, patients, changes, error, message):
    patients()
    drawn = []
    with pytest.raises(error, match=message):
        make("in.csv", random_bytes=drawn.append, **changes)
    assert drawn == []
    assert [path.name for path in folder.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("package", "expected"),
    [("d/a.pprl", "d/a.ids.csv"), ("a.b.pprl", "a.b.ids.csv"), ("a.v2", "a.v2.ids.csv")],
)
def test_where_the_ids_go(package, expected):
    assert str(ids_path(package)) == expected


def test_progress(patients):
    stages = {}

    class Bar:
        def __init__(self, label, total, *, unit=""):
            self.label, stages[label] = label, [total, 0, unit]

        def __enter__(self):
            return self.advance

        def __exit__(self, *_):
            pass

        def advance(self, n):
            stages[self.label][1] += n

    make(patients(0, 20, "a.csv"), patients(20, 50, "b.csv"), progress=Bar)
    assert list(stages) == ["reading", "sealing"]
    assert all(total == done for total, done, _ in stages.values())
    assert stages["sealing"] == [100, 100, "records"]


STRATA = parse_schema(SCHEMA_TEXT + 'strata = ["birth_decade", "race"]\n')


@pytest.mark.parametrize("workers", [1, 2])
def test_strata_stay_with_their_records(folder, workers):
    races = ("White", "asian", "", "Purple", "Multiracial")
    lines = [f"P{n:03d},{a_row(n)},{races[n % 5]}" for n in range(60)]
    (folder / "in.csv").write_text(
        "\n".join([HEADER + ",race", *lines, "P900,Zoe,Kun,1931-05-05,10000,Other", ""])
    )
    made = make("in.csv", schema=STRATA, workers=workers, rows_per_chunk=13)
    rows = by_local_id()
    codes = {"White": 1, "asian": 3, "": 0, "Purple": 0, "Multiracial": 6}
    decades = {"1980-05-03": 9, "1951-12-31": 6, "2031-01-01": 0, "1900-01-01": 0, "": 0}
    for n in range(60):
        row = rows[f"P{n:03d}"]
        assert row["stratum:race"] == codes[races[n % 5]]
        assert row["stratum:birth_decade"] == decades[BIRTHS[n % 5]]
    assert rows["P900"]["stratum:race"] == 7
    assert made.strata == {"race": FieldCounts(present=37, missing=12, invalid=12)}
    assert made.n_alone == 1  # P900
    assert made.manifest.stratum_counts["race"] == (24, None, 0, None, 0, 0, None, None)


def test_a_stratum_no_file_has_is_missing(folder, patients):
    made = make(patients(), schema=STRATA)
    assert made.strata == {"race": FieldCounts(missing=50)}
    assert made.manifest.stratum_counts["race"] == (50, *[0] * 7)
