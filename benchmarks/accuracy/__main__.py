"""The command: ``python -m benchmarks.accuracy [CASE...]``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.accuracy import linkage
from benchmarks.accuracy.cases import CASES, Settings
from benchmarks.accuracy.contest import Contestant, Work, hold, workplace
from benchmarks.accuracy.peers import contestants as neighbours
from benchmarks.accuracy.results import Results
from benchmarks.environment import ROOT
from pprl.console import note, run

_OUT = ROOT / ".cache" / "accuracy"


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--people", type=click.IntRange(1), help="Records at a site of generated cases.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first one.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many, one after another."
)
@click.option(
    "--profiles",
    default=",".join(linkage.PROFILES),
    show_default=True,
    callback=lambda _context, _option, text: _profiles(text),
    help="Of pprl, with commas between.",
)
@click.option("--peers/--no-peers", default=True, show_default=True, help="Whether others take part.")
@click.option("--names", type=click.Choice(["full", "small"]), default="full", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; one of an earlier run is gone on with.  [default: .cache/accuracy/TIME]",
)
def main(
    cases: tuple[str, ...],
    people: int | None,
    seed: int,
    seeds: int,
    profiles: tuple[str, ...],
    peers: bool,
    names: str,
    out: Path | None,
) -> None:
    """Measure how right links are, pprl's beside its peers', and how near pprl's own estimates come."""
    now = datetime.now(UTC)
    out = out or _OUT / now.strftime("%Y%m%dT%H%M%SZ")
    out.mkdir(parents=True, exist_ok=True)
    note(f"{out}: give it as --out to go on with this run")
    results = Results(out, now=now, command=click.get_current_context().params)
    contestants = [linkage.contestant(profile) for profile in profiles] + (neighbours() if peers else [])
    for name in cases or CASES:
        for number in range(seed, seed + seeds):
            with workplace(out) as folder:
                case = CASES[name](Settings(folder=folder, seed=number, people=people, names=names))
                _play(Work(case, folder), contestants, results)
    click.echo(results.markdown())


def _play(work: Work, contestants: list[Contestant], results: Results) -> None:
    results.add_case(work)
    for result in hold(work, contestants, results.of_before, say=note):
        results.add(result)


def _profiles(text: str) -> tuple[str, ...]:
    profiles = tuple(text.split(","))
    unknown = set(profiles) - set(linkage.PROFILES)
    if unknown:
        raise click.UsageError(
            f"--profiles: no profile {min(unknown)!r}; there are {', '.join(linkage.PROFILES)}"
        )
    return profiles


if __name__ == "__main__":
    run(main)
