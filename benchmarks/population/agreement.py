"""How alike the records of one person are at two sites: what a linkage has to live with.

``python -m benchmarks.population.agreement FOLDER`` prints it for files made with two sites and no duplicates.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import click
import pandas as pd

from benchmarks.population.households import TODAY
from pprl.console import run
from pprl.errors import PprlError
from pprl.schema import Kind
from pprl.site.normalise import rule_for

_DAY = datetime.date(1970, 1, 1) + datetime.timedelta(days=TODAY)
_CODED = ("race", "ethnicity")
_CORE = ("given_name", "surname", "birth_date")


def agreement(left: pd.DataFrame, right: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Compare the records of true pairs, field by field, after the project's own cleaning rules.

    Parameters
    ----------
    left, right : DataFrame
        Records with ``record_id``; empty or null values are missing.
    truth : DataFrame
        ``left_id``, ``right_id``.

    Returns
    -------
    DataFrame
        Index: the fields that both have, and ``middle initial``. ``missing``: share of pairs where one or both
        have none; ``equal``: share of the others whose normal forms are the same.
    """
    a, b = _cleaned(left, right, truth)
    rows = {}
    for field in a.columns:
        there = (a[field] != "") & (b[field] != "")
        rows[field] = {"missing": 1 - there.mean(), "equal": (a[field] == b[field])[there].mean()}
        if field == "middle_name":
            same = (a[field].str[:1] == b[field].str[:1])[there].mean()
            rows["middle initial"] = {"missing": 1 - there.mean(), "equal": same}
    return pd.DataFrame.from_dict(rows, orient="index")


def names_and_date_equal(left: pd.DataFrame, right: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the share of true pairs that agree on given name, surname and birth date, by race at the left.

    Returns
    -------
    DataFrame
        Index: race, or ``Hispanic or Latino``; ``pairs``: how many, ``equal``: the share.
    """
    a, b = _cleaned(left, right, truth)
    equal = pd.Series(True, index=a.index)
    for field in _CORE:
        equal &= (a[field] == b[field]) & (a[field] != "")
    group = a["race"].where(a["ethnicity"] != "Hispanic or Latino", a["ethnicity"])
    groups = equal.groupby(group.where(group != "", "not stated"))
    return pd.DataFrame({"pairs": groups.size(), "equal": groups.mean()})


def _cleaned(
    left: pd.DataFrame, right: pd.DataFrame, truth: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the fields that both have of the records of true pairs, row by row, in normal form."""
    fields = [name for name in left.columns if name in right.columns and name != "record_id"]
    frames = []
    for frame, ids in ((left, truth["left_id"]), (right, truth["right_id"])):
        chosen = frame.set_index("record_id").loc[ids].reset_index(drop=True)
        frames.append(pd.DataFrame({name: _normal(chosen[name]) for name in fields}))
    return frames[0], frames[1]


def _normal(column: pd.Series) -> pd.Series:
    codes, values = pd.factorize(column.fillna("").astype("str"))
    if column.name in _CODED:
        cleaned = [str(value) for value in values]
    else:
        rule = rule_for(Kind(str(column.name)), date_order="ymd", today=_DAY)
        normal = [rule(str(value)) for value in values]
        cleaned = [value if isinstance(value, str) else "" for value in normal]
    return pd.Series(cleaned, dtype="str").take(codes).reset_index(drop=True)


def read_folder(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read sites ``a`` and ``b`` and the truth of a folder that `output.write` made.

    Raises
    ------
    PprlError
        Where a file is missing or the truth is not pairs.
    """
    frames = []
    for name in ("a", "b", "truth"):
        csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
        if csv.is_file():
            frames.append(pd.read_csv(csv, dtype=str, keep_default_na=False))
        elif parquet.is_file():
            frames.append(pd.read_parquet(parquet))
        else:
            raise PprlError(f"{csv}: there is no such file; make it with python -m benchmarks.population")
    if "left_id" not in frames[2]:
        raise PprlError(f"{folder}: the truth is clusters; make two sites without duplicates")
    return frames[0], frames[1], frames[2]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Print how alike the records of true pairs are in FOLDER, field by field."""
    frames = read_folder(folder)
    for table in (agreement(*frames), names_and_date_equal(*frames)):
        click.echo(table.to_string(float_format=lambda share: f"{share:.4f}") + "\n")


if __name__ == "__main__":
    run(main)
