"""The table of how alike records of one person are."""

from __future__ import annotations

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.population import Noise, Population, several_sites, write
from benchmarks.population.agreement import agreement, main, names_and_date_equal, read_folder
from pprl.errors import PprlError

LEFT = pd.DataFrame(
    {
        "record_id": ["a1", "a2", "a3", "a4"],
        "given_name": ["José", "Ann", "", "BABY GIRL"],
        "middle_name": ["Luis", "M", "J", ""],
        "surname": ["O'Brien", "Lee", "Ng", "Fox"],
        "birth_date": ["1980-01-02", "1990-05-06", "1970-01-01", "1999-09-09"],
        "street": ["12 N Oak St", "3 Elm Ave", "4 Main St", None],
        "race": ["White", "Asian", "Asian", ""],
        "ethnicity": ["Hispanic or Latino", "Not Hispanic or Latino", "", ""],
    }
)
RIGHT = pd.DataFrame(
    {
        "record_id": ["b1", "b2", "b3", "b4"],
        "given_name": ["JOSE", "ANNE", "MEI", "EVA"],
        "middle_name": ["L", "MARIE", "K", ""],
        "surname": ["OBRIEN", "LEE", "NG", "FOX"],
        "birth_date": ["1980-01-02", "1990-05-06", "1970-01-01", "1999-09-08"],
        "street": ["12 NORTH OAK STREET", "4 ELM AVENUE", "4 MAIN STREET", "1 ELM"],
        "race": ["White", "Other", "Asian", "White"],
        "ethnicity": ["Hispanic or Latino", "", "", ""],
    }
)
TRUTH = pd.DataFrame({"left_id": ["a1", "a2", "a3", "a4"], "right_id": ["b1", "b2", "b3", "b4"]})


def test_agreement_by_hand():
    table = agreement(LEFT, RIGHT, TRUTH)
    assert table.loc["given_name"].tolist() == [0.5, 0.5]
    assert table.loc["surname"].tolist() == [0.0, 1.0]
    assert table.loc["birth_date"].tolist() == [0.0, 0.75]
    assert table.loc["middle_name"].tolist() == [0.25, 0.0]
    assert table.loc["middle initial"].tolist() == pytest.approx([0.25, 2 / 3])
    assert table.loc["street"].tolist() == pytest.approx([0.25, 2 / 3])
    assert table.loc["race"].tolist() == pytest.approx([0.25, 2 / 3])


def test_by_group():
    table = names_and_date_equal(LEFT, RIGHT, TRUTH)
    assert table["equal"].to_dict() == {"Asian": 0.0, "Hispanic or Latino": 1.0, "not stated": 0.0}
    assert table["pairs"].sum() == 4


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_command(tmp_path, format):
    population = Population(800, sites=several_sites(2, Noise()), overlap=0.5, names="small")
    write(population, tmp_path / "out", format=format)
    done = CliRunner().invoke(main, [str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "surname          0.0000 1.0000" in done.output


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(PprlError, match="there is no such file"):
        read_folder(tmp_path)
    write(Population(50, sites=several_sites(2, Noise(), duplicates=0.1), names="small"), tmp_path / "out")
    with pytest.raises(PprlError, match="the truth is clusters"):
        read_folder(tmp_path / "out")
