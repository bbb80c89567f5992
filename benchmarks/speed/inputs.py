"""What the contestants get: invented people, cleaned records, a schema with keys, packages, filters."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cleaning import clean
from benchmarks.commands import call, command
from benchmarks.peers.environments import interpreter
from benchmarks.peers.scripts import script
from pprl.schema import load_schema
from pprl.site.readers import InputFormat

SITES = ("a", "b")
OVERLAP = 1 / 3
_PROJECT, _EPOCH = "speed", "2026"
_FIELDS = ("given_name", "surname", "birth_date", "street", "city", "postcode")
_ID = "record_id"


@dataclass(frozen=True, slots=True)
class People:
    """Two sites' files.

    Attributes
    ----------
    raw : tuple of Path
        As the sites have them, CSV.
    cleaned : tuple of Path
        Record id and the six fields in pprl's normal forms, CSV; empty where a value is missing. Peers that do no
        cleaning get these.
    truth : Path
        ``left_id,right_id`` of the true pairs.
    """

    raw: tuple[Path, ...]
    cleaned: tuple[Path, ...]
    truth: Path


class Workplace:
    """A folder in which inputs are made once, when first asked for.

    Parameters
    ----------
    folder : Path
        Must exist and may be thrown away afterwards.
    seed : int
        Of the populations.
    """

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.folder, self._seed = folder, seed
        self.schema, self.filter_schema = folder / "linkage.toml", folder / "filters.toml"
        self.linkage_key, self.broker_key = folder / "linkage.key", folder / "broker.key"
        self._people: dict[int, People] = {}

    def make_keys(self) -> None:
        """Write the schema, one that asks for filters and the least of match keys, and all keys."""
        fields = json.dumps(list(_FIELDS))
        schema = f'[linkage]\nproject = "{_PROJECT}"\nepoch = "{_EPOCH}"\nfields = {fields}\n'
        self.schema.write_text(schema, encoding="utf-8")
        one_key = '[[match_key]]\nparts = ["birth_date"]\n'
        self.filter_schema.write_text(schema + one_key, encoding="utf-8")
        agreed = ["--project", _PROJECT, "--epoch", _EPOCH]
        call([command("pprl"), "keys", "new", *agreed, "--out", str(self.linkage_key)], self.folder)
        call([command("pprl"), "keys", "site", "--out", str(self.folder / "site.key")], self.folder)
        call([command("pprl-broker"), "keys", "new", "--out", str(self.broker_key)], self.folder)

    def people(self, n_each: int) -> People:
        """Return files of ``n_each`` people at either of two sites, a third of whom are at both."""
        if n_each not in self._people:
            folder = self.folder / f"people-{n_each}"
            options = {
                "--people": round(2 * n_each / (1 + OVERLAP)),
                "--sites": len(SITES),
                "--overlap": OVERLAP,
                "--noise": "default",
                "--seed": self._seed,
                "--format": "csv",
                "--out": folder,
            }
            words = [str(word) for pair in options.items() for word in pair]
            call([sys.executable, "-m", "benchmarks.population", *words], self.folder)
            raw = tuple(folder / f"{site}.csv" for site in SITES)
            cleaned = tuple(folder / f"{site}.cleaned.csv" for site in SITES)
            for source, target in zip(raw, cleaned, strict=True):
                self.clean(source, target)
            self._people[n_each] = People(raw, cleaned, folder / "truth.csv")
        return self._people[n_each]

    def filters(self, n_each: int) -> tuple[Path, ...]:
        """Return clkhash's filters of both sites' people, ``uint8[n, 128]`` in ``.npy`` files.

        Raises
        ------
        PprlError
            Where clkhash cannot be had.
        """
        people = self.people(n_each)
        made = tuple(path.with_suffix(".npy") for path in people.cleaned)
        for records, filters in zip(people.cleaned, made, strict=True):
            if not filters.exists():
                job = {"records": str(records), "filters": str(filters)}
                call(script("peers.encode_clkhash", job, python=interpreter("anonlink")), self.folder)
        return made

    def tokenise(self, n_each: int, site: int) -> list[str]:
        """Return the command that makes the package of one site."""
        name = SITES[site]
        return [
            command("pprl"),
            "tokenise",
            str(self.people(n_each).raw[site]),
            *("--schema", str(self.schema), "--key", str(self.linkage_key)),
            *(
                "--recipient",
                str(self.broker_key.with_suffix(".pub")),
                "--sign",
                str(self.folder / "site.key"),
            ),
            *("--dataset", name, "--id", _ID, "--out", str(self.package(n_each, site)), "--force"),
        ]

    def package(self, n_each: int, site: int) -> Path:
        """Return where the package of one site is, once made."""
        return self.folder / f"{SITES[site]}-{n_each}.pprl"

    def packages(self, n_each: int) -> tuple[Path, ...]:
        """Make the packages of both sites."""
        for site in range(len(SITES)):
            call(self.tokenise(n_each, site), self.folder)
        return tuple(self.package(n_each, site) for site in range(len(SITES)))

    def clean(self, source: Path, target: Path) -> None:
        """Write the id and the six fields of a site's file in normal forms, empty where a value is missing."""
        clean(source, target, schema=load_schema(self.schema), input_format=InputFormat(id_column=_ID))
