"""The command: ``python -m benchmarks.speed [CASE...] --out FOLDER``."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.environment import ROOT
from benchmarks.machine import load, stamp
from benchmarks.speed.cases import CASES
from benchmarks.speed.contest import hold
from benchmarks.speed.figure import draw
from benchmarks.speed.inputs import Workplace
from benchmarks.speed.results import markdown, ratios
from pprl.console import note, run
from pprl.errors import PprlError

SIZES = {
    "kernel": (40_000,),
    "encode": (20_000, 200_000),
    "tokenise": (100_000,),
    "link": (20_000, 100_000, 1_000_000),
}
"""Records a site, by default: some half an hour on two idle cores, and 8 GiB."""


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / ".cache" / "speed",
    help="Folder for speed.json, speed.md, speed.png and speed.svg.  [default: .cache/speed]",
)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Rounds of every case.")
@click.option(
    "--sizes",
    multiple=True,
    metavar="CASE=N[,N...]",
    help="Records a site: --sizes link=20000,100000. Repeatable.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the populations.")
@click.option(
    "--budget",
    type=float,
    default=150.0,
    show_default=True,
    metavar="SECONDS",
    help="A contestant whose runs of one case took longer is not run again.",
)
@click.option(
    "--limit",
    type=float,
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="A run that takes longer is ended.",
)
def main(
    cases: tuple[str, ...],
    out: Path,
    repeats: int,
    sizes: tuple[str, ...],
    seed: int,
    budget: float,
    limit: float,
) -> None:
    """Time pprl beside its neighbours, in one run, each in an environment of its own."""
    wanted = sizes_of(sizes)
    out.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    document: dict[str, Any] = {
        "machine": stamp(ROOT, now=now),
        "command": f"{repeats} rounds, seed {seed}",
        "cases": [],
    }
    folder = Path(tempfile.mkdtemp(prefix="work-", dir=out))
    try:
        place = Workplace(folder, seed=seed)
        place.make_keys()
        for name in cases or CASES:
            for size in wanted[name]:
                held = _hold(name, size, place, repeats=repeats, budget_s=budget, limit_s=limit)
                document["cases"].append(held)
                document["ratios"] = ratios(document["cases"])
                (out / "speed.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
                (out / "speed.md").write_text(markdown(document), encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    draw(document, out)
    click.echo(markdown(document))


def _hold(name: str, size: int, place: Workplace, **options: Any) -> dict[str, Any]:
    """Make the inputs of a case, run it, and return what goes into the JSON file."""
    note(f"{name}, {size:,} records a site: making the inputs")
    held: dict[str, Any] = {"case": name, "size": size, "about": "", "entries": []}
    try:
        case = CASES[name](place, size)
    except PprlError as error:
        note(f"{name} {size:,}: {error}")
        return held | {"load": load(), "absent": {"everybody": str(error)}}
    for absent, reason in case.absent.items():
        note(f"{name} {size:,}: {absent} is absent: {reason}")
    held |= {"about": case.about, "load": load(), "absent": case.absent}
    return held | {"entries": [one.as_dict() for one in hold(case, folder=place.folder, say=note, **options)]}


def sizes_of(texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return the sizes of every case.

    Raises
    ------
    click.UsageError
        Where a text is not ``CASE=N,N``.
    """
    wanted = dict(SIZES)
    for text in texts:
        case, _, numbers = text.partition("=")
        try:
            given = tuple(int(number) for number in numbers.split(","))
        except ValueError:
            given = ()
        if case not in CASES or not given or min(given) < 1:
            raise click.UsageError(f"--sizes {text}: write CASE=N,N, for example link=20000,100000")
        wanted[case] = given
    return wanted


if __name__ == "__main__":
    run(main)
