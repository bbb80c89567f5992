"""The sites, and who is at which, exactly as many as asked for.

Everybody gets a place in a secret order of the whole population. Stretches of that order are given out: so many
to both sites, so many to the first alone, and so on. From the place follow the numbers of the person's records
at each site, without a look at anybody else, so that any block can be made alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from benchmarks.population.chance import Bools, Floats, Ints, Permutation, Text
from benchmarks.population.noise import PRESETS, Noise
from benchmarks.population.words import zero_padded
from pprl.errors import PprlError

COLUMNS = (
    "record_id",
    "given_name",
    "middle_name",
    "surname",
    "birth_date",
    "sex",
    "street",
    "city",
    "postcode",
    "phone",
    "national_id",
    "race",
    "ethnicity",
)

MAX_SITES = 8
_THIRD_RECORDS = 0.1  # of duplicates: a person's third record
_MANY_SITES = 0.4  # how much less frequent it is to be at one more site


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site and its habits.

    Attributes
    ----------
    name : str
        Of the file, and in front of record ids: small letters, digits, hyphens.
    share : float
        How many of those at one site only are here, relative to the other sites.
    duplicates : float
        Further records of people who have one, as a share of people here; 0 to 1.
    noise : Noise
        How wrong and incomplete records are.
    lacks : tuple of str
        Columns that the file does not have.
    diacritics : bool
        Whether names keep them.
    initials : bool
        Whether only the initial of a middle name is kept.
    spelled_out : bool
        ``North Oak Street`` instead of ``N Oak St``.
    capitals : bool
        Whether names and addresses are in capitals.
    """

    name: str
    share: float = 1.0
    duplicates: float = 0.0
    noise: Noise = field(default_factory=lambda: PRESETS["default"])
    lacks: tuple[str, ...] = ()
    diacritics: bool = True
    initials: bool = False
    spelled_out: bool = False
    capitals: bool = False

    def __post_init__(self) -> None:
        if not self.name or not all(
            c.isascii() and (c.islower() or c.isdigit() or c == "-") for c in self.name
        ):
            raise PprlError(f"site {self.name!r}: a name is small letters, digits and hyphens")
        if self.name in ("truth", "population"):
            raise PprlError(f"site {self.name!r}: that is the name of another file; choose another")
        if not self.share > 0:
            raise PprlError(f"site {self.name}: share is {self.share}; it must be above 0")
        if not 0 <= self.duplicates <= 1:
            raise PprlError(f"site {self.name}: duplicates is {self.duplicates}; it goes from 0 to 1")
        unknown = set(self.lacks) - set(COLUMNS[1:])
        if unknown:
            raise PprlError(f"site {self.name}: no column {min(unknown)!r} that could be lacking")

    @property
    def columns(self) -> tuple[str, ...]:
        """The file's columns."""
        return tuple(name for name in COLUMNS if name not in self.lacks)


def several_sites(n: int, noise: Noise, *, duplicates: float = 0.0) -> tuple[Site, ...]:
    """Return sites ``a``, ``b``, ``c`` ... of differing habits.

    Every second one writes in capitals without diacritics, spells out streets, and keeps initials of middle
    names only.
    """
    if not 1 <= n <= MAX_SITES:
        raise PprlError(f"{n} sites; there can be 1 to {MAX_SITES}")
    return tuple(
        Site(
            name="abcdefgh"[number],
            duplicates=duplicates,
            noise=noise,
            diacritics=number % 2 == 0,
            spelled_out=number % 2 == 1,
            capitals=number % 2 == 1,
            initials=number % 2 == 1,
        )
        for number in range(n)
    )


class Attendance:
    """Who is at which site, and the numbers of their records there.

    Parameters
    ----------
    n_people : int
        Size of the population.
    sites : sequence of Site
        Up to `MAX_SITES`.
    overlap : float
        Share of the people who are at two sites or more. At two: both. At more, which ones follows from the
        sites' shares, and three of them are less frequent than two.
    seed : int
        Of the order.
    """

    def __init__(self, n_people: int, sites: Sequence[Site], *, overlap: float, seed: int) -> None:
        self._sites = tuple(sites)
        subsets, shares = _subsets(self._sites, overlap)
        counts = _whole(np.array(shares) * n_people, n_people)
        self._edges = np.cumsum(counts)
        self._starts = self._edges - counts
        self._at = np.array([[s in subset for s in range(len(sites))] for subset in subsets])
        # how many of a site's people come before each stretch
        self._before = np.cumsum(self._at * counts[:, None], axis=0) - self._at * counts[:, None]
        self.n_members = (self._at * counts[:, None]).sum(axis=0)
        self._order = Permutation(n_people, seed=seed, purpose="attendance")
        self.n_shared = int(counts[self._at.sum(axis=1) > 1].sum())
        n_more = np.array([round(site.duplicates * n) for site, n in zip(sites, self.n_members, strict=True)])
        n_third = np.minimum((n_more * _THIRD_RECORDS).astype(np.int64), n_more // 2)
        self._n_second, self._n_third = n_more - n_third, n_third
        self.n_records = self.n_members + n_more
        self._again = [
            Permutation(int(n), seed=seed, purpose=f"again/{site.name}")
            for site, n in zip(sites, self.n_members, strict=True)
        ]
        self._numbers = [
            Permutation(int(n), seed=seed, purpose=f"record id/{site.name}")
            for site, n in zip(sites, self.n_records, strict=True)
        ]

    def records(self, person: Ints) -> list[Ints]:
        """Return for each site the numbers of these people's records.

        Parameters
        ----------
        person : int64[n]
            Numbers in the population.

        Returns
        -------
        list of int64[n, 3]
            Numbers from 0 of first, second and third record; -1 where there is none.
        """
        place = self._order(person)
        stretch = np.searchsorted(self._edges, place, side="right")
        return [self._records_at(site, place, stretch) for site in range(len(self._sites))]

    def record_ids(self, site: int, numbers: Ints) -> Text:
        """Return ids of records at a site; they tell nothing."""
        digits = zero_padded(numbers + 1, len(str(self.n_records[site])))
        return np.strings.add(f"{self._sites[site].name}-", digits)

    def _records_at(self, site: int, place: Ints, stretch: Ints) -> Ints:
        here = self._at[stretch, site]
        result = np.full((len(place), 3), -1, dtype=np.int64)
        index = (self._before[stretch, site] + place - self._starts[stretch])[here]
        again = self._again[site](index)
        first = self.n_members[site]
        numbers = np.stack([index, first + again, first + self._n_second[site] + again], axis=1)
        exists: Bools = np.stack(
            [np.ones(len(index), np.bool_), again < self._n_second[site], again < self._n_third[site]], axis=1
        )
        shuffled = self._numbers[site](np.where(exists, numbers, 0).reshape(-1)).reshape(-1, 3)
        result[here] = np.where(exists, shuffled, -1)
        return result


def _subsets(sites: Sequence[Site], overlap: float) -> tuple[list[frozenset[int]], list[float]]:
    n = len(sites)
    if not 1 <= n <= MAX_SITES:
        raise PprlError(f"{n} sites; there can be 1 to {MAX_SITES}")
    if len({site.name for site in sites}) < n:
        raise PprlError("two sites have the same name; give each its own")
    if not 0 <= overlap <= 1:
        raise PprlError(f"overlap is {overlap}; it goes from 0 to 1")
    if n == 1:
        return [frozenset({0})], [1.0]
    total = sum(site.share for site in sites)
    subsets = [frozenset({s}) for s in range(n)]
    shares = [(1 - overlap) * site.share / total for site in sites]
    several = [frozenset(c) for size in range(2, n + 1) for c in combinations(range(n), size)]
    weights = [
        float(np.prod([n * sites[s].share / total for s in sorted(subset)]))
        * _MANY_SITES ** (len(subset) - 2)
        for subset in several
    ]
    # those at several sites first: their stretch does not depend on how the rest is dealt out
    return several + subsets, [overlap * w / sum(weights) for w in weights] + shares


def _whole(wanted: Floats, total: int) -> Ints:
    """Round to whole numbers that add up to ``total``, the largest remainders up."""
    counts = np.floor(wanted + 1e-9).astype(np.int64)
    order = np.argsort(-(wanted - counts), kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts
