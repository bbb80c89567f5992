"""Column maps: precedence, presets, and errors that lead on."""

from __future__ import annotations

import pytest

from pprl.errors import InputError
from pprl.schema import parse_schema, schema_from_json
from pprl.site.readers import PRESETS, column_map, read_input


def schema_of(*kinds, extra=""):
    fields = ", ".join(f'"{kind}"' for kind in kinds)
    return parse_schema(f'[linkage]\nproject = "p"\nepoch = "1"\nfields = [{fields}]\n{extra}')


NAMES = schema_of("given_name", "surname")
FEBRL = "rec_id, given_name, surname, street_number, address_1, address_2, suburb, postcode, state"
FEBRL += ", date_of_birth, soc_sec_id"
SYNTHEA = "Id,BIRTHDATE,DEATHDATE,SSN,DRIVERS,PASSPORT,PREFIX,FIRST,MIDDLE,LAST,SUFFIX,MAIDEN,MARITAL"
SYNTHEA += ",RACE,ETHNICITY,GENDER,BIRTHPLACE,ADDRESS,CITY,STATE,COUNTY,FIPS,ZIP,LAT,LON"
N3C = "N3C_ID,INTERNAL_ID,FIRST_NAME,LAST_NAME,DATE_BIRTH,ZIP5,SEX"
CODI = "record_id,given_name,family_name,DOB,sex,phone_number,household_street_address,household_zip"


def test_headers_are_found_by_field_name_or_kind():
    found = column_map(NAMES, ["Surname ", "x", "GIVEN_NAME"])
    assert found.fields == {"given_name": ("GIVEN_NAME",), "surname": ("Surname ",)}
    assert found.id_column is None
    assert found.columns == ("GIVEN_NAME", "Surname ")


def test_a_kind_is_looked_for_once_by_its_first_field():
    schema = schema_of(
        "given_name",
        extra='[[field]]\nname = "family"\nkind = "surname"\n'
        '[[field]]\nname = "maiden_name"\nkind = "surname"\n',
    )
    found = column_map(schema, ["given_name", "surname", "maiden_name"])
    assert found.fields == {
        "given_name": ("given_name",),
        "family": ("surname",),
        "maiden_name": ("maiden_name",),
    }
    with pytest.raises(InputError, match="no column for field maiden_name"):
        column_map(schema, ["given_name", "surname"])


def test_what_is_said_comes_before_the_preset_and_that_before_names():
    header = ["Id", "FIRST", "given_name", "LAST", "surname", "other"]
    assert column_map(NAMES, header).fields["given_name"] == ("given_name",)
    assert column_map(NAMES, header, preset="synthea").fields["given_name"] == ("FIRST",)
    said = column_map(NAMES, header, preset="synthea", columns={"given_name": "other"}, id_column="surname")
    assert said.fields == {"given_name": ("other",), "surname": ("LAST",)}
    assert said.id_column == "surname"


@pytest.mark.parametrize(
    ("preset", "header", "kinds", "fields", "id_column"),
    [
        ("n3c", N3C, ["given_name", "surname", "birth_date", "sex", "postcode"],
         "FIRST_NAME LAST_NAME DATE_BIRTH SEX ZIP5", "INTERNAL_ID"),
        ("codi", CODI, ["given_name", "surname", "birth_date", "sex", "phone", "street", "postcode"],
         "given_name family_name DOB sex phone_number household_street_address household_zip", "record_id"),
        ("synthea", SYNTHEA, ["given_name", "middle_name", "surname", "birth_date", "sex", "national_id"],
         "FIRST MIDDLE LAST BIRTHDATE GENDER SSN", "Id"),
        ("febrl", FEBRL.replace(" ", ""), ["given_name", "surname", "birth_date", "city", "national_id"],
         "given_name surname date_of_birth suburb soc_sec_id", "rec_id"),
    ],
)  # fmt: skip
def test_presets_fit_the_files_they_are_named_after(preset, header, kinds, fields, id_column):
    found = column_map(schema_of(*kinds), header.split(","), preset=preset)
    assert [column for columns in found.fields.values() for column in columns] == fields.split()
    assert found.id_column == id_column


def test_every_preset_names_kinds_or_fields_only():
    assert set(PRESETS) == {"n3c", "codi", "febrl", "synthea"}


def test_older_synthea_files_lack_the_middle_name():
    schema = schema_of("given_name", "middle_name", "surname")
    header = SYNTHEA.replace("MIDDLE,", "").split(",")
    with pytest.raises(InputError, match="no column for field middle_name"):
        column_map(schema, header, preset="synthea")
    assert (
        column_map(schema, header, preset="synthea", columns={"middle_name": ""}).fields["middle_name"] == ()
    )


def test_febrl_headers_and_values_with_blanks(tmp_path):
    path = tmp_path / "febrl.csv"
    path.write_text(
        f"{FEBRL}\nrec-1-org, mia, ward, 12, elm street, , perth, 6000, wa, 19450203, 5304218\n"
        "rec-2-org,,,,,,,,,,\n"
    )
    schema = schema_of("given_name", "street", "birth_date")
    with read_input(path, schema, preset="febrl") as file:
        (batch,) = file
    assert batch.to_pylist() == [
        {
            "local_id": "rec-1-org",
            "given_name": " mia",
            "street": " 12  elm street",
            "birth_date": " 19450203",
        },
        {"local_id": "rec-2-org", "given_name": None, "street": None, "birth_date": None},
    ]


def test_several_columns_are_joined_and_a_lacking_one_is_null(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("y,m,d,a,b\n1980,5,3,x,y\n1980,,3,,y\n1980,5,,x,\n,,,,\n")
    schema = schema_of("given_name", "surname", "birth_date")
    with read_input(
        path, schema, columns={"birth_date": "y+m+d", "given_name": "a+b", "surname": ""}
    ) as file:
        (batch,) = file
    assert batch.column("birth_date").to_pylist() == ["1980 5 3", "1980 0 3", "1980 5 0", None]
    assert batch.column("given_name").to_pylist() == ["x y", "y", "x", None]
    assert batch.column("surname").to_pylist() == [None] * 4


def test_all_fields_may_be_lacking_and_rows_still_count(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    with read_input(path, NAMES, columns={"given_name": "", "surname": ""}) as file:
        assert sum(batch.num_rows for batch in file) == 2


@pytest.mark.parametrize(
    ("header", "settings", "says"),
    [
        (["id", "given_name", "sur_name"], {}, "did you mean --columns surname=sur_name?"),
        (["id", "zip"], {}, "no column for fields given_name, surname; map it with --columns"),
        (["id", "zip"], {}, "columns here: id, zip"),
        (["Id", "FIRST", "LAST"], {}, "the headers are those of --preset synthea"),
        (["given_name", "surname"], {"columns": {"surnmae": "x"}}, "'surnmae'; did you mean 'surname'?"),
        (["given_name", "last name"], {"columns": {"surname": "lastname"}}, "did you mean 'last name'?"),
        (["given_name", "surname"], {"id_column": "patient"}, "no column 'patient'; columns here: given"),
        (["given_name", "surname"], {"preset": "emr"}, "no preset 'emr'; presets are n3c, codi, febrl,"),
        (["given_name", "surname"], {"preset": "n3c"}, "no column 'INTERNAL_ID'"),
        (["given_name", "surname", "surname"], {}, "column 'surname': the header stands twice"),
        (["given_name", "SURNAME", "Surname"], {}, "column 'SURNAME': the header stands twice"),
    ],
)  # fmt: skip
def test_errors_lead_on(header, settings, says):
    with pytest.raises(InputError) as caught:
        column_map(NAMES, header, path="in.csv", **settings)
    assert str(caught.value).startswith("in.csv")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "row",
    ["Xanthippe,Plugh,1980-05-03", "Xanthippe,Plugh,M,7", "Xanthippe,x@example.org", "Xanthippe,5550123"],
)
def test_a_first_record_in_place_of_the_header_is_not_repeated(tmp_path, row):
    path = tmp_path / "in.csv"
    for content, settings in ((row, {}), (row, {"id_column": "id"}), (f"{row}\n\0,x,y\n", {})):
        path.write_text(content + "\n")
        with pytest.raises(InputError) as caught:
            read_input(path, NAMES, **settings)
        message = str(caught.value).removeprefix(str(path))
        assert "must be a header" in message or "NUL" in message
        assert not any(value in message for value in row.split(",") if len(value) > 1)


def test_a_header_that_is_not_used_may_stand_twice():
    assert column_map(NAMES, ["given_name", "surname", "note", "note", ""]).columns == (
        "given_name",
        "surname",
    )


STRATA = parse_schema(
    '[linkage]\nproject = "p"\nepoch = "1"\nfields = ["given_name", "surname", "sex"]\n'
    'strata = ["sex", "race"]\n[[stratum]]\nname = "origin"\nkind = "ethnicity"\n'
    '[[stratum]]\nname = "region"\nkind = "class"\ncategories = ["North", "South"]\n'
)


@pytest.mark.parametrize(
    ("header", "columns", "found"),
    [
        ([], {}, ((), (), ())),
        (["RACE", "Ethnicity", "class"], {}, (("RACE",), ("Ethnicity",), ())),
        (["origin", "ethnicity", "region"], {}, ((), ("origin",), ("region",))),
        (["a", "b", "race"], {"race": "a+b", "region": "b"}, (("a", "b"), (), ("b",))),
        (["race"], {"race": ""}, ((), (), ())),
    ],
)
def test_a_stratum_is_found_like_a_field_but_may_be_lacking(header, columns, found):
    header = ["given_name", "surname", "sex", *header]
    mapped = column_map(STRATA, header, columns=columns)
    assert dict(mapped.strata) == dict(zip(("race", "origin", "region"), found, strict=True))
    assert set(mapped.columns) == {"given_name", "surname", "sex", *(c for some in found for c in some)}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"race": "RAZE"}, "no column 'RAZE'; did you mean 'race'?"),
        ({"rase": "race"}, "no field or stratum 'rase'; did you mean 'race'?"),
        ({"zip": "race"}, "fields are given_name, surname, sex, strata race, origin, region"),
    ],
)
def test_a_stratum_that_is_named_must_be_there(columns, says):
    with pytest.raises(InputError) as caught:
        column_map(STRATA, ["given_name", "surname", "sex", "race"], columns=columns)
    assert says in str(caught.value)


def test_a_stratum_that_follows_from_a_field_has_no_column():
    text = STRATA.canonical_json().replace(
        '"field":"sex","kind":"sex","name":"sex"', '"field":"sex","kind":"sex","name":"gender"'
    )
    with pytest.raises(InputError, match="the stratum 'gender' follows from the field 'sex'; map that"):
        column_map(schema_from_json(text), ["given_name", "surname", "sex"], columns={"gender": "sex"})


def test_a_stratum_travels_beside_the_fields(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("given_name,surname,sex,race,note\nA,B,F,White,x\nC,D,M,,y\n")
    with read_input(path, STRATA) as file:
        (batch,) = file
    assert batch.schema.names[4:] == ["stratum:race", "stratum:origin", "stratum:region"]
    assert batch.column("stratum:race").to_pylist() == ["White", None]
    assert batch.column("stratum:origin").null_count == 2
