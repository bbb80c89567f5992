"""The cases: whose files, what the sites agree on, and who is who."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import datasets
from benchmarks.population import PRESETS, Population, several_sites, write
from pprl.schema import Schema, parse_schema
from pprl.site.normalise import DateOrder
from pprl.site.readers import InputFormat

EPOCH = "2026"
_OVERLAP = 1 / 3
_DUPLICATES = 0.1
_ADDRESS = ("street", "city", "postcode")
_FEBRL_FIELDS = ("given_name", "surname", "birth_date", *_ADDRESS)
_TOWN_FIELDS = ("given_name", "middle_name", "surname", "birth_date", "sex")
_GENERATED_FIELDS = (*_TOWN_FIELDS, *_ADDRESS)
_TOWN_NAMES = {"given_name": "first_name", "surname": "last_name", "birth_date": "date_of_birth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site's file, and how it is to be read.

    Attributes
    ----------
    name : str
        Of its dataset.
    path : Path
        CSV file.
    id_column : str
        Column of its own record ids.
    columns : mapping of str to str
        Field to column.
    preset : str or None
        Of ``pprl tokenise``.
    date_order : {"ymd", "dmy", "mdy"}
    duplicates : bool
        Whether a person may have several rows.
    """

    name: str
    path: Path
    id_column: str
    columns: Mapping[str, str] = field(default_factory=dict)
    preset: str | None = None
    date_order: DateOrder = "ymd"
    duplicates: bool = False

    @property
    def options(self) -> list[str]:
        """Options of ``pprl tokenise``."""
        words = ["--dataset", self.name, "--id", self.id_column, "--date-order", self.date_order]
        words += [word for name, column in self.columns.items() for word in ("--columns", f"{name}={column}")]
        words += ["--preset", self.preset] if self.preset else []
        return words + (["--with-duplicates"] if self.duplicates else [])

    @property
    def input_format(self) -> InputFormat:
        """The same for the cleaning of a peer's input."""
        return InputFormat(columns=self.columns, id_column=self.id_column, preset=self.preset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Files of some sites with a truth.

    Attributes
    ----------
    name, title : str
        The title says whose data it is.
    seed : int
        Of all that was drawn.
    sites : tuple of Site
    truth : Path
        As `benchmarks.truth.read_truth` takes it.
    toml : str
        The linkage schema.
    labels : mapping of str to str
        Stratum to a column of the sites' files, beside those that follow from fields (sex, birth decade).
    """

    name: str
    title: str
    seed: int
    sites: tuple[Site, ...]
    truth: Path
    toml: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """The schema, of whatever profile."""
        return parse_schema(self.toml)

    def toml_of(self, profile: str) -> str:
        """Return the schema for a profile."""
        line = f'profile = "{profile}"'
        text, n_found = re.subn(r"(?m)^\s*profile\s*=.*$", line, self.toml, count=1)
        return text if n_found else re.sub(r"(?m)^\s*\[linkage\].*$", rf"[linkage]\n{line}", text, count=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What cases are made with.

    Attributes
    ----------
    folder : Path
        For generated files; must exist.
    seed : int
    people : int or None
        Records at a site of generated cases; None: as many as each has by itself.
    names : {"full", "small"}
        Name tables of generated cases.
    """

    folder: Path
    seed: int = 0
    people: int | None = None
    names: str = "full"


def _toml(project: str, fields: tuple[str, ...]) -> str:
    return f'[linkage]\nproject = "{project}"\nepoch = "{EPOCH}"\nfields = {json.dumps(list(fields))}\n'


def _febrl4(settings: Settings) -> Case:
    data = datasets.load("febrl4", overlap="third", seed=settings.seed)
    sites = zip(("clinic", "registry"), (data.a, data.b), strict=True)
    return Case(
        name="febrl4",
        title="FEBRL4: invented Australians, a third of them at both sites",
        seed=settings.seed,
        sites=tuple(
            Site(name=name, path=path, id_column=data.id_column, preset="febrl")
            for name, path in sites
            if path is not None
        ),
        truth=data.truth,
        toml=_toml("febrl4", _FEBRL_FIELDS),
    )


def _pseudopeople(settings: Settings) -> Case:
    data = datasets.load("pseudopeople", overlap="third", seed=settings.seed)
    assert data.b is not None
    census = Site(
        name="census",
        path=data.a,
        id_column=data.id_column,
        columns=_TOWN_NAMES | {"middle_name": "middle_initial"},
        date_order="mdy",
    )
    return Case(
        name="pseudopeople",
        title="pseudopeople: a simulated town, its census against Social Security",
        seed=settings.seed,
        sites=(census, Site(name="ssa", path=data.b, id_column=data.id_column, columns=_TOWN_NAMES)),
        truth=data.truth,
        toml=_toml("pseudopeople", _TOWN_FIELDS),
        labels={"race": "race_ethnicity"},
    )


def _one_site(name: str) -> Callable[[Settings], Case]:
    titles = {
        "febrl1": "FEBRL1: 1,000 rows of 500 people",
        "febrl2": "FEBRL2: 5,000 rows of 4,000 people, up to 5 duplicates",
        "febrl3": "FEBRL3: 5,000 rows of 2,000 people, up to 5 duplicates",
    }

    def make(settings: Settings) -> Case:
        data = datasets.load(name, seed=settings.seed)
        site = Site(name="clinic", path=data.a, id_column=data.id_column, preset="febrl", duplicates=True)
        toml = _toml(name, _FEBRL_FIELDS)
        return Case(
            name=name, title=titles[name], seed=settings.seed, sites=(site,), truth=data.truth, toml=toml
        )

    return make


@dataclass(frozen=True, slots=True)
class _Generated:
    """A population of this project's own."""

    name: str
    title: str
    n_each: int
    noise: str = "default"
    n_sites: int = 2
    duplicates: float = 0.0

    def __call__(self, settings: Settings) -> Case:
        n_each = settings.people or self.n_each
        sites = several_sites(self.n_sites, PRESETS[self.noise], duplicates=self.duplicates)
        population = Population(
            _people_for(n_each, self.n_sites, self.duplicates),
            seed=settings.seed,
            sites=sites,
            overlap=_OVERLAP,
            names=settings.names,
        )
        folder = settings.folder / f"{self.name}-{n_each}-seed{settings.seed}-{settings.names}"
        if not folder.is_dir():
            write(population, folder)
        return Case(
            name=self.name,
            title=f"{self.title}, some {n_each:,} records a site",
            seed=settings.seed,
            sites=tuple(
                Site(
                    name=site.name,
                    path=folder / f"{site.name}.csv",
                    id_column="record_id",
                    duplicates=self.duplicates > 0,
                )
                for site in sites
            ),
            truth=folder / "truth.csv",
            toml=_toml(self.name, _GENERATED_FIELDS),
            labels={"race": "race", "ethnicity": "ethnicity"},
        )


def _people_for(n_each: int, n_sites: int, duplicates: float) -> int:
    """Return the size of a population whose sites have so many records, those of several sites shared."""
    sites = several_sites(n_sites, PRESETS["default"], duplicates=duplicates)
    n_trial = 1_000_000
    n_records = Population(n_trial, sites=sites, overlap=_OVERLAP).attendance.n_records.mean()
    return max(round(n_each * n_trial / float(n_records)), 1)


CASES: dict[str, Callable[[Settings], Case]] = {
    "febrl4": _febrl4,
    "pseudopeople": _pseudopeople,
    "generated": _Generated("generated", "Generated people", 100_000),
    "generated-hard": _Generated(
        "generated-hard", "Generated people, worst of records", 20_000, noise="hard"
    ),
    "three-sites": _Generated(
        "three-sites", "Generated people with duplicates", 30_000, n_sites=3, duplicates=_DUPLICATES
    ),
    "febrl1": _one_site("febrl1"),
    "febrl2": _one_site("febrl2"),
    "febrl3": _one_site("febrl3"),
}
"""By name, in the order in which they are run."""
