"""Text files: what is read, and that bad ones are refused in a line that names the place only."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.errors import InputError
from pprl.site.readers import read_input

HEADER = "id,given_name,surname,birth_date,postcode\n"
ROWS = "a1,Zoë,Quux,1980-05-03,02139\nb2,Xanthippe,Plugh,1981-01-01,10001\n"


def rows_of(path, schema, **settings):
    with read_input(path, schema, **settings) as file:
        return [row for batch in file for row in batch.to_pylist()]


def fault_of(path, schema, **settings):
    with pytest.raises(InputError) as caught:
        rows_of(path, schema, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    for value in ("Zo", "Quux", "Xanthippe", "Plugh", "1980", "02139", "10001", "a1", "b2"):
        assert value not in message.removeprefix(str(path))
    return caught.value


def test_values_are_text_as_written(write, schema):
    assert rows_of(write(HEADER + ROWS), schema, id_column="id") == [
        {
            "local_id": "a1",
            "given_name": "Zoë",
            "surname": "Quux",
            "birth_date": "1980-05-03",
            "postcode": "02139",
        },
        {
            "local_id": "b2",
            "given_name": "Xanthippe",
            "surname": "Plugh",
            "birth_date": "1981-01-01",
            "postcode": "10001",
        },
    ]


def test_columns_are_strings_and_ids_never_null(write, schema):
    with read_input(write(HEADER + ROWS + "c3,,,,\n"), schema, id_column="id") as file:
        (batch,) = file
    assert batch.schema.names == ["local_id", "given_name", "surname", "birth_date", "postcode"]
    assert all(field.type == pa.string() for field in batch.schema)
    assert batch.column("surname").to_pylist() == ["Quux", "Plugh", None]
    assert batch.column("local_id").null_count == 0


def test_without_an_id_column_records_are_numbered_across_chunks(write, schema):
    with read_input(write(HEADER + ROWS * 3), schema, rows_per_chunk=4) as file:
        batches = list(file)
    assert [batch.column("local_id").to_pylist() for batch in batches] == [["1", "2", "3", "4"], ["5", "6"]]
    assert file.n_rows == 6


@pytest.mark.parametrize(
    ("content", "name", "settings"),
    [
        (HEADER + ROWS, "in.csv", {}),
        ((HEADER + ROWS).rstrip("\n"), "in.csv", {}),
        ((HEADER + ROWS).replace("\n", "\r\n"), "in.csv", {}),
        ((HEADER + ROWS).replace("\n", "\r"), "in.csv", {}),
        ((HEADER + ROWS).replace("\n", "\n\n"), "in.csv", {}),
        ("\n" + HEADER + ROWS, "in.csv", {}),
        ("\ufeff" + HEADER + ROWS, "in.csv", {}),
        ((HEADER + ROWS).replace(",", "\t"), "in.tsv", {}),
        ((HEADER + ROWS).replace(",", "\t"), "in.csv", {}),
        ((HEADER + ROWS).replace(",", "|"), "in.txt", {}),
        ((HEADER + ROWS).replace(",", ";"), "in.csv", {}),
        ((HEADER + ROWS).replace(",", "~"), "in.csv", {"delimiter": "~"}),
        ((HEADER + ROWS).encode("latin-1"), "in.csv", {"encoding": "latin-1"}),
        ((HEADER + ROWS).encode("cp1252"), "in.csv", {"encoding": "cp1252"}),
        ((HEADER + ROWS).encode("utf-16"), "in.csv", {"encoding": "utf-16"}),
        (("\ufeff" + HEADER + ROWS).encode(), "in.csv", {"encoding": "utf-8-sig"}),
        (gzip.compress((HEADER + ROWS).encode()), "in.csv.gz", {}),
        (gzip.compress((HEADER + ROWS).replace(",", "\t").encode()), "in.tsv.gz", {}),
        ('"id", "given_name" ,surname, birth_date ,POSTCODE\n' + ROWS, "in.csv", {}),
        (HEADER + ROWS.replace("Quux", '"Quux"'), "in.csv", {}),
    ],
    ids=lambda value: None,
)
def test_all_these_files_say_the_same(write, schema, content, name, settings):
    expected = rows_of(write(HEADER + ROWS, "plain.csv"), schema, id_column="id")
    assert rows_of(write(content, name), schema, id_column="id", **settings) == expected


def test_quoted_values_may_hold_delimiters_quotes_and_line_breaks(write, schema):
    path = write(HEADER + 'a1,"A, B","C ""D"" E","19\n80",""\n')
    assert rows_of(path, schema, id_column="id") == [
        {
            "local_id": "a1",
            "given_name": "A, B",
            "surname": 'C "D" E',
            "birth_date": "19\n80",
            "postcode": None,
        }
    ]


def test_a_quotation_mark_within_a_bare_value_is_a_character(write, schema):
    (row,) = rows_of(write(HEADER + 'a1,5" Bob,Quux,,\n'), schema)
    assert row["given_name"] == '5" Bob'


def test_columns_that_are_not_read_may_hold_anything(write, schema):
    content = (HEADER.strip() + ",notes,notes,\n").encode() + ROWS.encode().replace(b"\n", b",\xff\xfe,x,\n")
    assert len(rows_of(write(content), schema, id_column="id")) == 2


@pytest.mark.parametrize(
    ("content", "row", "column", "says"),
    [
        ("", None, None, "the file is empty"),
        ("\n\r\n", None, None, "nothing but blank lines"),
        (HEADER, None, None, "has a header but no records"),
        (HEADER.strip(), None, None, "has a header but no records"),
        (
            HEADER + ROWS + "c3,x\n",
            4,
            None,
            "expected 5 values as in the header, found 2; is the row cut short?",
        ),
        (HEADER + ROWS + "c3,x,y,z,1,2\n", 4, None, "found 6; quote values that hold the delimiter"),
        (HEADER + "\n" + ROWS + "\n\nc3,x\n", 7, None, "found 2"),
        (
            HEADER + 'a1,"Zoë\n\n",Quux,,\nb2,x\n',
            3,
            None,
            "found 2; is the row cut short? (line 5 of the file)",
        ),
        (
            HEADER + 'a1,"Zoë,Quux,,\nb2,Plugh,",,\n',
            2,
            None,
            "spans lines 2 to 3: is a quotation mark not closed?",
        ),
        (HEADER + 'a1,"Zoë,Quux,,\n' + ROWS * 5, 2, None, "a quotation mark is opened and never closed"),
        (HEADER + 'a1,"Zoë,Quux,,\n' + ROWS * 5000, 2, None, "a quotation mark"),
        (
            (HEADER + ROWS).encode("latin-1"),
            2,
            "given_name",
            "not utf-8 text at byte 47; try --encoding cp1252",
        ),
        ((HEADER + ROWS).encode() + b"c3,x,\x81\n", 4, "surname", "try --encoding latin-1"),
        ((HEADER + ROWS).encode("utf-16"), 1, None, "add --encoding utf-16"),
        (HEADER + ROWS.replace("Plugh", "Pl\0gh"), 3, "surname", "holds a NUL character"),
        (b"\0\1\2\3", 1, None, "holds a NUL character"),
        (gzip.compress((HEADER + ROWS).encode())[:-12], None, None, "gzip file is cut short or damaged"),
        (HEADER + ROWS + ",x,y,,\n", 4, "id", "the local id is missing"),
        (HEADER + ROWS + "  ,x,y,,\n", 4, "id", "the local id is missing"),
        (HEADER + ROWS + "\na1,x,y,,\n", 5, "id", "stands in row 2 already; ids must be unique"),
        (
            HEADER + 'a1,"x\ny",,,\nb2,,,,\nb2 ,,,,\n',
            4,
            "id",
            "stands in row 3 already; ids must be unique (line 5",
        ),
    ],
)
def test_bad_files_are_refused_by_row_and_column(write, schema, content, row, column, says):
    fault = fault_of(write(content), schema, id_column="id")
    assert says in str(fault)
    assert (fault.row, fault.column) == (row, column)


def test_a_row_far_down_is_named_exactly(write, schema):
    rows = "".join(f"{n},x,y,1980-05-03,02139\n" for n in range(200_000))
    for bad, says in (
        ("x,y\n", "found 2"),
        ("7,x,y,,\n", "stands in row 9 already"),
        (",x,y,,\n", "is missing"),
    ):
        path = write(HEADER + rows + bad + rows.replace("\n", "z\n", 1))
        with pytest.raises(InputError, match=says) as caught:
            rows_of(path, schema, id_column="id")
        assert caught.value.row == 200_002


def test_other_faults_of_the_call(write, schema, tmp_path):
    path = write(HEADER + ROWS)
    assert "no text encoding 'utf-9'" in str(fault_of(path, schema, encoding="utf-9"))
    assert "no text encoding 'zlib'" in str(fault_of(path, schema, encoding="zlib"))
    assert "the delimiter must be one character" in str(fault_of(path, schema, delimiter=",,"))
    assert "there is no such file" in str(fault_of(tmp_path / "none.csv", schema))
    assert "is a folder" in str(fault_of(tmp_path, schema))


def test_progress_adds_up_to_the_size_of_the_file(write, schema):
    done = []
    for content, name in (
        (HEADER + ROWS * 9, "a.csv"),
        (gzip.compress((HEADER + ROWS).encode()), "a.csv.gz"),
    ):
        done.clear()
        path = write(content, name)
        with read_input(path, schema, rows_per_chunk=2, advance=done.append) as file:
            assert file.n_bytes == path.stat().st_size
            for _ in file:
                assert 0 < file.bytes_read <= file.n_bytes
        assert sum(done) == file.n_bytes


def test_nothing_stays_open_after_a_fault(write, schema):
    path = write("id,other\n1,2\n")
    with pytest.raises(InputError):
        read_input(path, schema)
    path.rename(path.with_suffix(".moved"))


CELL = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=8), mark=st.sampled_from(",\t|;")
)
def test_what_was_written_is_read(write, schema, table, mark):
    text = io.StringIO()
    for row in [("given_name", "surname", "birth_date", "postcode"), *table]:
        text.write(mark.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n")
    found = rows_of(write(text.getvalue()), schema)
    assert [tuple(row[name] or "" for name in schema.field_names) for row in found] == table
