"""Labelled data: who is who is known, so that a linkage can be scored.

============ ============================================================ ========
name         what                                                         truth
============ ============================================================ ========
febrl4       5,000 invented Australians, each once at each of two sites   pairs
pseudopeople a simulated US town: its census against Social Security      pairs
febrl1       1,000 rows of 500 people at one site                         clusters
febrl2       5,000 rows of 4,000 people, up to 5 duplicates (Poisson)     clusters
febrl3       5,000 rows of 2,000 people, up to 5 duplicates (Zipf)        clusters
============ ============================================================ ========

`load` returns paths of CSV files below ``.cache/data``, made on first use; nothing is fetched after that.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.datasets.environment import CACHE, LOCK
from pprl.errors import PprlError
from pprl.files import new_folder

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("febrl4", "pseudopeople", "febrl1", "febrl2", "febrl3")

OVERLAPS = ("third", "full")
"""What share of the people is at both sites, of sets with two."""


@dataclass(frozen=True, slots=True)
class LabelledData:
    """Paths of one data set.

    Attributes
    ----------
    name : str
        One of `NAMES`.
    a, b : Path
        The sites' files, CSV with a header; ``b`` is None where all rows are at one site.
    truth : Path
        CSV: ``left_id,right_id`` with two sites, ``record_id,cluster_id`` with one.
    id_column : str
        The column of ``a`` and ``b`` that the truth speaks of.
    """

    name: str
    a: Path
    b: Path | None
    truth: Path
    id_column: str


def load(name: str, *, overlap: str = "third", seed: int = 0) -> LabelledData:
    """Make a data set, or find it where it was made before.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    overlap : {"third", "full"}
        Of sets with two sites: a third of the people at both sites, a third at each site alone; or all of
        them.
    seed : int
        Of all that is drawn: noise, who is where, the rows' order.

    Raises
    ------
    PprlError
        Where the name or overlap is not known, or the packages that ship the data cannot be installed.
    """
    if name not in NAMES:
        raise PprlError(f"no data set {name!r}; there are {', '.join(NAMES)}")
    if overlap not in OVERLAPS:
        raise PprlError(f"no overlap {overlap!r}; there are {' and '.join(OVERLAPS)}")
    one_site = name in ("febrl1", "febrl2", "febrl3")
    variant = name if one_site else f"{name}-{overlap}"
    folder = CACHE / f"{variant}-seed{seed}-{_loader_digest()[:12]}"
    if not folder.is_dir():
        _write(_rows(name, overlap=overlap, seed=seed), folder)
    return _paths(name, folder)


def copy(data: LabelledData, out: str | Path) -> LabelledData:
    """Copy a data set's files to a folder as ``a.csv``, ``b.csv``, ``truth.csv``."""
    with new_folder(out) as folder:
        for path in (data.a, data.b, data.truth):
            if path is not None:
                shutil.copyfile(path, folder / path.name)
    return _paths(data.name, Path(out))


def _rows(name: str, *, overlap: str, seed: int) -> dict[str, pd.DataFrame]:
    from benchmarks.datasets import census_ssa, febrl

    if name in ("febrl1", "febrl2", "febrl3"):
        records, clusters = febrl.one_site(name, seed=seed)
        return {"a.csv": records, "truth.csv": clusters}
    two_sites = febrl.two_sites if name == "febrl4" else census_ssa.two_sites
    left, right, truth = two_sites(overlap=overlap, seed=seed)
    return {"a.csv": left, "b.csv": right, "truth.csv": truth}


def _write(frames: dict[str, pd.DataFrame], out: Path) -> None:
    with new_folder(out) as folder:
        for file_name, frame in frames.items():
            frame.to_csv(folder / file_name, index=False, lineterminator="\n")


def _paths(name: str, folder: Path) -> LabelledData:
    b = folder / "b.csv"
    return LabelledData(
        name=name,
        a=folder / "a.csv",
        b=b if b.exists() else None,
        truth=folder / "truth.csv",
        id_column="record_id" if name == "pseudopeople" else "rec_id",
    )


def _loader_digest() -> str:
    """Return a digest of what decides the rows: the packages' versions and the code here."""
    digest = hashlib.sha256(LOCK.read_bytes())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
