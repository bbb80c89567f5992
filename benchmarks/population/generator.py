"""A population of any size, block by block, and the sites that hold records of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.population.chance import Dice, Ints, Permutation
from benchmarks.population.noise import PRESETS
from benchmarks.population.people import People, block_of_people
from benchmarks.population.places import N_NATIONAL_IDS, Places
from benchmarks.population.records import records_of
from benchmarks.population.sites import Attendance, Site, several_sites
from benchmarks.population.tables import NameTables, name_tables
from benchmarks.population.words import zero_padded
from pprl.errors import PprlError

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_PEOPLE = 8192
"""People of a block. Part of what a seed means: another size gives other people."""

MAX_PEOPLE = N_NATIONAL_IDS


@dataclass(frozen=True)
class Population:
    """A population and its sites; the same parameters give the same records, whatever is asked for first.

    Parameters
    ----------
    n_people : int
        1 to `MAX_PEOPLE`.
    seed : int
        0 to 2**64 - 1.
    sites : sequence of Site
        By default two, ``a`` and ``b``, with noise ``default``.
    overlap : float
        Share of the people who are at two sites or more, exactly, rounded to a person.
    names : {"full", "small"}
        Which name tables: the real ones (made on first use), or a few names for tests.

    Raises
    ------
    PprlError
        Where a parameter is out of range.
    """

    n_people: int
    seed: int = 0
    sites: Sequence[Site] = several_sites(2, PRESETS["default"])
    overlap: float = 1 / 3
    names: str = "full"

    def __post_init__(self) -> None:
        if not 1 <= self.n_people <= MAX_PEOPLE:
            raise PprlError(f"{self.n_people} people; there can be 1 to {MAX_PEOPLE}")
        if not 0 <= self.seed < 2**64:
            raise PprlError(f"seed is {self.seed}; it goes from 0 to 2**64 - 1")
        object.__setattr__(self, "sites", tuple(self.sites))
        _ = self.attendance

    @property
    def n_blocks(self) -> int:
        """Number of blocks, each made by itself."""
        return -(-self.n_people // BLOCK_PEOPLE)

    @cached_property
    def attendance(self) -> Attendance:
        """Who is at which site."""
        return Attendance(self.n_people, self.sites, overlap=self.overlap, seed=self.seed)

    @property
    def truth_is_pairs(self) -> bool:
        """Whether `truth` gives pairs: with two sites and no duplicates."""
        return len(self.sites) == 2 and not any(site.duplicates for site in self.sites)

    def people(self, block: int) -> People:
        """Return the people of a block, as they are."""
        if not 0 <= block < self.n_blocks:
            raise PprlError(f"no block {block}; there are 0 to {self.n_blocks - 1}")
        first = block * BLOCK_PEOPLE
        names, places = self._world()
        return block_of_people(
            block,
            min(BLOCK_PEOPLE, self.n_people - first),
            first=first,
            seed=self.seed,
            places=places,
            names=names,
        )

    def records(self, site: int, block: int) -> pa.Table:
        """Return a site's records of the people of a block, in the order of their ids.

        Parameters
        ----------
        site : int
            Index into ``sites``.
        block : int
            Number of the block.

        Returns
        -------
        Table
            The site's columns, all text, null where nothing is there.
        """
        people = self.people(block)
        numbers = self.attendance.records(people.number)[site]
        rows, copies = np.nonzero(numbers >= 0)
        which = numbers[rows, copies]
        order = np.argsort(which)
        rows, which = rows[order], which[order]
        dice = Dice(self.seed, block, purpose=f"site/{self.sites[site].name}", n=len(rows))
        ids = self.attendance.record_ids(site, which)
        return records_of(people, rows, ids, site=self.sites[site], places=self._world()[1], dice=dice)

    def block_order(self, site: int) -> Ints:
        """Return the blocks in the order in which a site's file has them, another one at each site."""
        order = Permutation(self.n_blocks, seed=self.seed, purpose=f"blocks/{self.sites[site].name}")
        return order(np.arange(self.n_blocks))

    def truth(self, block: int) -> pa.Table:
        """Return who is who among the people of a block.

        Returns
        -------
        Table
            ``left_id, right_id`` where `truth_is_pairs`, else ``record_id, cluster_id`` of all records.
        """
        import pyarrow as pa

        first = block * BLOCK_PEOPLE
        person = np.arange(first, min(first + BLOCK_PEOPLE, self.n_people))
        numbers = self.attendance.records(person)
        if self.truth_is_pairs:
            both = (numbers[0][:, 0] >= 0) & (numbers[1][:, 0] >= 0)
            left, right = (self.attendance.record_ids(s, numbers[s][both, 0]) for s in (0, 1))
            return pa.table({"left_id": pa.array(left), "right_id": pa.array(right)})
        shuffled = Permutation(self.n_people, seed=self.seed, purpose="cluster id")(person)
        clusters = np.strings.add("p-", zero_padded(shuffled + 1, len(str(self.n_people))))
        ids, whose = [], []
        for site, held in enumerate(numbers):
            rows, copies = np.nonzero(held >= 0)
            ids.append(self.attendance.record_ids(site, held[rows, copies]))
            whose.append(clusters[rows])
        return pa.table(
            {"record_id": pa.array(np.concatenate(ids)), "cluster_id": pa.array(np.concatenate(whose))}
        )

    def site_table(self, site: int) -> pa.Table:
        """Return all records of a site, as its file has them; for populations that fit into memory."""
        import pyarrow as pa

        return pa.concat_tables([self.records(site, int(block)) for block in self.block_order(site)])

    def truth_table(self) -> pa.Table:
        """Return who is who of all blocks; for populations that fit into memory."""
        import pyarrow as pa

        return pa.concat_tables([self.truth(block) for block in range(self.n_blocks)])

    def _world(self) -> tuple[NameTables, Places]:
        return name_tables(self.names), _places(self.n_people, self.seed)


@lru_cache(maxsize=4)
def _places(n_people: int, seed: int) -> Places:
    return Places(n_people, seed=seed)
