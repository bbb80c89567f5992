"""The command: ``python -m benchmarks.datasets NAME --out FOLDER``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.datasets import NAMES, OVERLAPS, copy, load
from pprl.console import run


@click.command()
@click.argument("name", type=click.Choice([*NAMES, "all"]))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Copy the files to this folder."
)
@click.option(
    "--overlap",
    type=click.Choice(OVERLAPS),
    default="third",
    show_default=True,
    help="Of sets with two sites: the share of people at both.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
def main(name: str, out: Path | None, overlap: str, seed: int) -> None:
    """Make a labelled data set and print where its files are.

    Files: a.csv and b.csv, one for each site, and truth.csv with left_id,right_id. The sets febrl1, febrl2
    and febrl3 have one site, a.csv, and a truth.csv with record_id,cluster_id. ALL makes every set in the
    cache.
    """
    if name == "all" and out is not None:
        raise click.UsageError("--out goes with one data set")
    for one in NAMES if name == "all" else (name,):
        data = load(one, overlap=overlap, seed=seed)
        if out is not None:
            data = copy(data, out)
        for path in (data.a, data.b, data.truth):
            if path is not None:
                click.echo(path)


if __name__ == "__main__":
    run(main)
