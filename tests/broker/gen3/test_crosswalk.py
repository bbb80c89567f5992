"""Match tables as Gen3 crosswalks: the bytes that the ``gen3`` client takes, and records of a metadata service."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from broker.gen3.crosswalk import Crosswalk, Identifier, crosswalk_files, mds_record
from pprl.errors import GovernanceError
from pprl.guid import to_text
from pprl.release.table import Content, empty, match_table

NAMES = ("bdcat", "midrc", "private")
MIDRC = Identifier("https://data.midrc.org", "gen3_node_property", "Case.submitter_id", "The case")
BDCAT = Identifier("https://gen3.biodatacatalyst.nhlbi.nih.gov", "gen3_node_property", "Subject.submitter_id")
ENTITY = Identifier(
    "https://broker.example.org", "pprl_entity", "Entity GUID", "Of this project and recipient"
)
CROSSWALK = Crosswalk(
    ENTITY,
    {"midrc": MIDRC, "bdcat": BDCAT},
    methodologies=("Probabilistic, privacy-preserving",),
    guid_prefix="dg.TEST/",
)


def guids(*numbers):
    return np.array([[n] + [7] * 15 for n in numbers], np.uint8).reshape(-1, 16)


def text(number):
    return to_text(guids(number))[0]


def content(rows):
    """From ``{(dataset, subject): entity}``."""
    datasets = np.array([NAMES.index(dataset) for dataset, _ in rows], np.int32)
    table = match_table("subject", NAMES, guids(*rows.values()), datasets, guids(*(row for _, row in rows)))
    return Content(table, empty("subject").superseded)


SOME = content(
    {
        ("midrc", 1): 50,
        ("bdcat", 2): 50,
        ("midrc", 3): 51,
        ("private", 4): 51,
        ("midrc", 5): 52,
        ("private", 6): 53,
    }
)


def made(some=SOME):
    return {extra.name: extra for extra in crosswalk_files(CROSSWALK)(some)}


def test_a_file_for_every_combination_of_commons_and_no_blanks():
    files = made()
    assert list(files) == ["crosswalk-1.csv", "crosswalk-2.csv", "crosswalk-info.csv", "mds.json"]
    both = files["crosswalk-1.csv"].content.decode().splitlines()
    assert both == [
        "https://broker.example.org|pprl_entity|Entity GUID,"
        "https://gen3.biodatacatalyst.nhlbi.nih.gov|gen3_node_property|Subject.submitter_id,"
        "https://data.midrc.org|gen3_node_property|Case.submitter_id",
        f"{text(50)},{text(2)},{text(1)}",
    ]
    assert files["crosswalk-2.csv"].content.decode().splitlines()[1:] == [
        f"{text(51)},{text(3)}",
        f"{text(52)},{text(5)}",
    ]
    for name in ("crosswalk-1.csv", "crosswalk-2.csv"):
        header, *rows = csv.reader(io.StringIO(files[name].content.decode()))
        assert all(column.count("|") == 2 for column in header)
        assert all(all(cell for cell in row) and len(row) == len(header) for row in rows)


def test_the_info_file():
    assert made()["crosswalk-info.csv"].content.decode().splitlines() == [
        "commons_url,identifier_name,description",
        "https://broker.example.org,Entity GUID,Of this project and recipient",
        "https://data.midrc.org,Case.submitter_id,The case",
        "https://gen3.biodatacatalyst.nhlbi.nih.gov,Subject.submitter_id,",
    ]


def test_records_of_a_metadata_service():
    records = json.loads(made()["mds.json"].content)
    assert [record["guid"] for record in records] == [f"dg.TEST/{text(n)}" for n in (50, 51, 52)]
    assert records[0]["data"] == {
        "_guid_type": "subject",
        "crosswalk": {
            "subject": {
                "https://broker.example.org": {
                    "Entity GUID": {
                        "value": text(50),
                        "type": "pprl_entity",
                        "description": "Of this project and recipient",
                    }
                },
                "https://data.midrc.org": {
                    "Case.submitter_id": {
                        "value": text(1),
                        "type": "gen3_node_property",
                        "description": "The case",
                    }
                },
                "https://gen3.biodatacatalyst.nhlbi.nih.gov": {
                    "Subject.submitter_id": {
                        "value": text(2),
                        "type": "gen3_node_property",
                        "description": "",
                    }
                },
                "mapping_methodologies": ["Probabilistic, privacy-preserving"],
            }
        },
    }


def test_a_record_as_in_the_clients_documentation():
    crosswalk = Crosswalk(ENTITY, {"midrc": MIDRC})
    record = mds_record(crosswalk, {"midrc": "A01-00888"})
    assert (
        record["crosswalk"]["subject"]["https://data.midrc.org"]["Case.submitter_id"]["value"] == "A01-00888"
    )


def test_values_are_unique_and_opaque():
    """Every value becomes an alias, which must be unique in a metadata service."""
    records = json.loads(made()["mds.json"].content)
    cells = [
        entry["value"]
        for record in records
        for commons, names in record["data"]["crosswalk"]["subject"].items()
        if commons != "mapping_methodologies"
        for entry in names.values()
    ]
    assert len(set(cells)) == len(cells) == 7
    assert all(len(cell) == 36 for cell in cells)


def test_nobody_in_a_commons():
    files = made(content({("private", 6): 53}))
    assert list(files) == ["crosswalk-info.csv", "mds.json"]
    assert json.loads(files["mds.json"].content) == []
    assert list(made(empty("subject", NAMES))) == ["crosswalk-info.csv", "mds.json"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: Identifier("data.midrc.org", "t", "n"), "URL of the commons"),
        (lambda: Identifier("https://data.midrc.org/x|y", "t", "n"), "URL of the commons"),
        (lambda: Identifier("https://a.org", "a|b", "n"), "type of identifier"),
        (lambda: Identifier("https://a.org", "t", "a|b"), "name of the identifier"),
        (lambda: Identifier("https://a.org", "t", "n", 'a "word"'), "description of 'n'"),
        (lambda: Identifier("https://a.org", "t", "n", "a\\b"), "description of 'n'"),
        (lambda: Crosswalk(ENTITY, {"a": ENTITY}), "two columns of the crosswalk would be the same"),
        (lambda: Crosswalk(ENTITY, {}, guid_prefix="dg.x"), "the prefix of GUIDs"),
    ],
)
def test_what_cannot_stand_in_a_crosswalk(bad, message):
    with pytest.raises(GovernanceError, match=message):
        bad()
