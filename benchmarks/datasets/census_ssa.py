"""Pseudopeople: a simulated town's answers to the US census of 2020 against its Social Security records.

Both files are noised by the package pseudopeople with its own defaults (typing, hearing and scanning errors,
blanks, nicknames, values copied from a housemate, wrong birth dates) over the sample population that it
ships. Harder than FEBRL: no field but name, birth date and sex is in both, and people marry and change their
names between them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.datasets.environment import run_script

ID_COLUMN = "record_id"

YEAR = 2020
"""Of the census; Social Security's file is as of that year's end."""

CENSUS_COLUMNS = [
    "first_name",
    "middle_initial",
    "last_name",
    "date_of_birth",
    "sex",
    "age",
    "race_ethnicity",
    "street_number",
    "street_name",
    "unit_number",
    "city",
    "state",
    "zipcode",
]
SSA_COLUMNS = ["first_name", "middle_name", "last_name", "date_of_birth", "sex", "ssn"]

_SCRIPT = Path(__file__).with_name("noise_pseudopeople.py")
_PERSON = "simulant_id"


def two_sites(*, overlap: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the two files and the truth.

    Parameters
    ----------
    overlap : {"full", "third"}
        ``full``: everyone in both files, as simulated. ``third``: the people are dealt out at random in equal
        parts to both files, to the census only, and to Social Security only; who was in one file only to
        begin with may fall out, so the files have two thirds, and the true pairs one third, of their full
        sizes.
    seed : int
        Of the noise, of the dealing out, and of the rows' order.

    Returns
    -------
    census : DataFrame
        `ID_COLUMN` and `CENSUS_COLUMNS`; ``date_of_birth`` is MM/DD/YYYY. One row a person.
    ssa : DataFrame
        `ID_COLUMN` and `SSA_COLUMNS`; ``date_of_birth`` is YYYYMMDD. One row a person: the event by which the
        number was given out; deaths are left away.
    truth : DataFrame
        Columns ``left_id``, ``right_id``.
    """
    with tempfile.TemporaryDirectory() as folder:
        run_script(_SCRIPT, folder, str(YEAR), str(seed))
        census, ssa = (
            pd.read_csv(Path(folder) / name, dtype=str, keep_default_na=False)
            for name in ("census.csv", "ssa.csv")
        )
    return split(census, ssa, overlap=overlap, seed=seed)


def split(
    census: pd.DataFrame, ssa: pd.DataFrame, *, overlap: str, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Make noised rows duplicate-free, deal the people out and pair them (see `two_sites`)."""
    random = np.random.default_rng(seed)
    ssa = ssa[ssa["event_type"] == "creation"]
    # a census household may list a child twice; a noised second event repeats a person at Social Security
    census, ssa = census.drop_duplicates(_PERSON), ssa.drop_duplicates(_PERSON)
    if overlap == "third":
        everyone = random.permutation(np.union1d(census[_PERSON], ssa[_PERSON]))
        both, census_only, ssa_only = np.array_split(everyone, 3)
        census = census[census[_PERSON].isin(np.concatenate([both, census_only]))]
        ssa = ssa[ssa[_PERSON].isin(np.concatenate([both, ssa_only]))]
    census, ssa = _numbered(census, "census", random), _numbered(ssa, "ssa", random)
    pairs = census[[_PERSON, ID_COLUMN]].merge(ssa[[_PERSON, ID_COLUMN]], on=_PERSON)
    truth = pairs.set_axis([_PERSON, "left_id", "right_id"], axis="columns")[["left_id", "right_id"]]
    return census[[ID_COLUMN, *CENSUS_COLUMNS]], ssa[[ID_COLUMN, *SSA_COLUMNS]], truth


def _numbered(frame: pd.DataFrame, prefix: str, random: np.random.Generator) -> pd.DataFrame:
    """Shuffle the rows and number them: neither order nor id tells who a row is."""
    shuffled = frame.iloc[random.permutation(len(frame))].reset_index(drop=True)
    return shuffled.assign(**{ID_COLUMN: [f"{prefix}-{number:05d}" for number in range(1, len(frame) + 1)]})
