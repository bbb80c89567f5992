"""The demonstration behind ``make demo``: labelled data, linked with the commands a user types, then scored.

Every command is shown before it runs, from the folder it runs in, so that a reader can repeat it. All that
the broker's command gets of the people is what the sealed packages hold; the truth is opened after it ended.
"""

from __future__ import annotations

import copy
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks import datasets
from benchmarks.environment import ROOT
from benchmarks.scoring import RunScore, score_run
from pprl.console import run as run_command
from pprl.errors import PprlError

FOLDER = ROOT / "demo"
_EPOCH = "2026"
_PROFILES = ("standard", "fields")


@dataclass(frozen=True, slots=True)
class Site:
    """One party with identifiers: the name of its dataset, and the options that its file needs."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One linkage: which labelled data, what the sites agree on, and the two sites."""

    name: str
    title: str
    fields: tuple[str, ...]
    left: Site
    right: Site
    profile: str

    @property
    def folder(self) -> str:
        """Name of the folder below ``demo``."""
        return self.name if self.profile == _PROFILES[0] else f"{self.name}-{self.profile}"

    @property
    def schema(self) -> str:
        """The linkage schema, as a project would write it."""
        names = ", ".join(f'"{field}"' for field in self.fields)
        head = f'project = "{self.name}"\nepoch = "{_EPOCH}"\nprofile = "{self.profile}"'
        return f"[linkage]\n{head}\nfields = [{names}]\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a linkage gave: how right it is, what the broker said of it, and the seconds sites and broker took."""

    example: Example
    n_records: tuple[int, int]
    n_true: int
    score: RunScore
    estimate: dict[str, Any]
    tokenise_s: float
    link_s: float


def _columns(*maps: str) -> tuple[str, ...]:
    return tuple(part for one in maps for part in ("--columns", one))


_NAMES = ("given_name=first_name", "surname=last_name", "birth_date=date_of_birth")

_FEBRL = Example(
    name="febrl4",
    title="FEBRL4: invented Australians, a third of them at both sites",
    fields=("given_name", "surname", "birth_date", "street", "city", "postcode"),
    left=Site("clinic", ("--preset", "febrl")),
    right=Site("registry", ("--preset", "febrl")),
    profile=_PROFILES[0],
)
_TOWN = Example(
    name="pseudopeople",
    title="pseudopeople: a simulated town, its census against Social Security",
    fields=("given_name", "middle_name", "surname", "birth_date", "sex"),
    left=Site("census", ("--date-order", "mdy", *_columns(*_NAMES, "middle_name=middle_initial"))),
    right=Site("ssa", ("--date-order", "ymd", *_columns(*_NAMES))),
    profile=_PROFILES[0],
)
EXAMPLES = tuple(replace(example, profile=profile) for example in (_FEBRL, _TOWN) for profile in _PROFILES)
"""Each linkage at both ends of the trade: the profile for most projects, and the one that discloses most."""


class Shell:
    """Shows commands and runs them in one folder.

    Parameters
    ----------
    folder : Path
        Where they run.
    console : Console
        Where they are shown.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder, self._console, self._variables = folder, console, dict[str, str]()
        console.print(f"[dim]$[/] cd {folder.relative_to(ROOT)}", highlight=False)

    def within(self, **variables: str) -> Shell:
        """The same folder, with variables that commands are given; shown before each."""
        shell = copy.copy(self)
        shell._variables = variables
        return shell

    def __call__(self, *command: str) -> float:
        """Show and run one command; return the seconds it took.

        Raises
        ------
        PprlError
            Where it cannot start or does not end with 0.
        """
        given = "".join(f"{name}={shlex.quote(value)} " for name, value in self._variables.items())
        self._console.print(
            f"[dim]$ {given}[/][bold]{shlex.join(command)}[/]", highlight=False, soft_wrap=True
        )
        sys.stdout.flush()
        program = Path(sys.executable).with_name(command[0])
        begin = time.perf_counter()
        try:
            done = subprocess.run(
                [str(program), *command[1:]],
                cwd=self._folder,
                env=_environment() | self._variables,
                check=False,
            )
        except OSError as error:
            raise PprlError(f"{program}: cannot be run ({error.strerror}); run `make setup`") from None
        if done.returncode:
            raise PprlError(
                f"{shlex.join(command[:2])} ended with code {done.returncode}; the demonstration stops"
            )
        return time.perf_counter() - begin


def link(example: Example, console: Console) -> Outcome:
    """Run one linkage from files to entities in ``demo/<name>``, and score it."""
    data = datasets.load(example.name, overlap="third")
    if data.b is None:
        raise PprlError(f"{example.name} has one site only; the demonstration links two")
    folder = fresh_folder(FOLDER / example.folder)
    left, right = example.left.name, example.right.name
    for source, name in ((data.a, left), (data.b, right), (data.truth, "truth")):
        shutil.copyfile(source, folder / f"{name}.csv")
    (folder / "linkage.toml").write_text(example.schema, encoding="utf-8")

    shell = Shell(folder, console)
    shell("pprl", "schema", "check", "linkage.toml")
    shell("pprl", "keys", "new", "--project", example.name, "--epoch", _EPOCH, "--out", "linkage.key")
    shell("pprl-broker", "keys", "new", "--out", "broker.key")
    tokenise_s = 0.0
    trust: tuple[str, ...] = ()
    for site in (example.left, example.right):
        key = f"{site.name}.site.key"
        shell("pprl", "keys", "site", "--out", key)
        trust += ("--trust", f"{site.name}.site.pub")
        agreed = ("--schema", "linkage.toml", "--key", "linkage.key", "--recipient", "broker.pub")
        own = ("--dataset", site.name, "--id", data.id_column, *site.options)
        out = ("--sign", key, "--out", f"{site.name}.pprl", "--ids", f"{site.name}.ids.csv")
        tokenise_s += shell("pprl", "tokenise", f"{site.name}.csv", *agreed, *own, *out)
    shell("pprl", "inspect", f"{left}.pprl")
    packages = (f"{left}.pprl", f"{right}.pprl")
    link_s = shell("pprl-broker", "link", *packages, "--identity", "broker.key", *trust, "--out", "run")

    ids = {name: folder / f"{name}.ids.csv" for name in (left, right)}
    score = score_run(folder / "run", ids, data.truth)
    (folder / "score.json").write_text(json.dumps(score.as_dict(), indent=1) + "\n", encoding="utf-8")
    return Outcome(
        example=example,
        n_records=(_n_rows(data.a), _n_rows(data.b)),
        n_true=_n_rows(data.truth),
        score=score,
        estimate=json.loads((folder / "run" / "quality.json").read_bytes())["comparisons"][0]["estimate"],
        tokenise_s=tokenise_s,
        link_s=link_s,
    )


def represent(console: Console) -> None:
    """Measure how representative a published cohort is, into ``demo/representativeness``."""
    fresh_folder(FOLDER / "representativeness")
    shell = Shell(FOLDER, console)
    shell("pprl", "represent", "--example", "midrc-n3c", "--out", "representativeness")


def table(outcomes: list[Outcome]) -> Table:
    """Lay the scores out for a terminal."""
    table = Table(
        title="Scored against the truth; below each figure what the broker estimated without it",
        title_justify="left",
    )
    for heading in ("data", "profile"):
        table.add_column(heading)
    for heading in ("records", "true pairs", "precision", "recall", "F1", "sites", "broker"):
        table.add_column(heading, justify="right")
    for outcome in outcomes:
        links = outcome.score.links
        table.add_row(
            outcome.example.name,
            outcome.example.profile,
            " x ".join(f"{n:,}" for n in outcome.n_records),
            f"{outcome.n_true:,}",
            *(
                f"{true:.4f}\n[dim]{outcome.estimate[name]['value']:.4f}[/]"
                for name, true in (("precision", links.precision), ("recall", links.recall), ("f1", links.f1))
            ),
            f"{outcome.tokenise_s:.1f} s",
            f"{outcome.link_s:.1f} s",
        )
    return table


@click.command()
def main() -> None:
    """Link two labelled data sets as sites and a broker would, and score the links against the truth."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110)
    FOLDER.mkdir(exist_ok=True)
    outcomes = []
    for example in EXAMPLES:
        console.rule(f"{example.title}; profile {example.profile}", align="left")
        outcomes.append(link(example, console))
        console.print()
    console.rule("How representative is a linked cohort?", align="left")
    represent(console)
    console.print()
    console.print(table(outcomes))
    console.print("\nLook at")
    for path, what in (
        ("febrl4/run/report.html", "what the broker found, and how sure it is, without a label"),
        (
            "febrl4/run/links.csv",
            "pairs of records with their probabilities; entities.csv: who is one person",
        ),
        ("febrl4/score.json", "the figures above and those of the entities"),
        ("representativeness/figure.png", "who is missing from the cohort"),
    ):
        console.print(f"  demo/{path:30} {what}", soft_wrap=True)
    console.print("\nThe commands are in .venv/bin; `source .venv/bin/activate` to repeat them.")


def fresh_folder(folder: Path) -> Path:
    """Make an empty folder: key files are never overwritten, so an earlier demonstration has to go."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _n_rows(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file) - 1


def _environment() -> dict[str, str]:
    """Return this process's variables; the figure needs no screen."""
    return os.environ | {"MPLBACKEND": "Agg"}


if __name__ == "__main__":
    run_command(main)
