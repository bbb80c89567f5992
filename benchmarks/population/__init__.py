"""Invented people at several sites, as many as are wanted, with all that makes linking hospitals hard.

`Population` says who there is and which sites hold records of them; `write` puts the files into a folder;
`agreement.agreement` measures how alike the records of one person are. People are named after public frequency
tables by birth year, sex and group; nobody among them exists, nor do their places, phone numbers and ids.
docs/population.md describes the model, its rates and where they come from.
"""

from benchmarks.population.generator import BLOCK_PEOPLE, MAX_PEOPLE, Population
from benchmarks.population.noise import PRESETS, Noise
from benchmarks.population.output import FORMATS, write
from benchmarks.population.sites import COLUMNS, Site, several_sites

__all__ = [
    "BLOCK_PEOPLE",
    "COLUMNS",
    "FORMATS",
    "MAX_PEOPLE",
    "PRESETS",
    "Noise",
    "Population",
    "Site",
    "several_sites",
    "write",
]
