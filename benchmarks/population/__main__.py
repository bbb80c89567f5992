"""The command: ``python -m benchmarks.population --people N --out FOLDER``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from benchmarks.population.generator import Population
from benchmarks.population.noise import PRESETS
from benchmarks.population.output import FORMATS, n_steps, write
from benchmarks.population.sites import several_sites
from pprl.console import progress, run


@click.command()
@click.option("--people", type=int, required=True, help="Size of the population.")
@click.option("--sites", "n_sites", type=int, default=2, show_default=True, help="1 to 8, called a, b, c ...")
@click.option(
    "--overlap",
    type=float,
    default=0.333,
    show_default=True,
    help="Share of the people who are at two sites or more.",
)
@click.option(
    "--noise",
    type=click.Choice(list(PRESETS)),
    default="default",
    show_default=True,
    help="How wrong and incomplete the records are.",
)
@click.option(
    "--duplicates",
    type=float,
    default=0.0,
    show_default=True,
    help="Further records of people a site knows, as a share of these.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write."
)
@click.option("--format", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option(
    "--names",
    type=click.Choice(["full", "small"]),
    default="full",
    show_default=True,
    help="The real frequency tables, or a few names that need no download.",
)
@click.option("--workers", type=int, default=os.cpu_count() or 1, show_default="all processors")
def main(
    people: int,
    n_sites: int,
    overlap: float,
    noise: str,
    duplicates: float,
    seed: int,
    out: Path,
    format: str,
    names: str,
    workers: int,
) -> None:
    """Invent people and write what each site knows of them, and who is who.

    Files: one for each site; truth, with left_id,right_id for two sites without duplicates and with
    record_id,cluster_id else; population.json, with all parameters and counts. The same options give the same
    bytes.
    """
    sites = several_sites(n_sites, PRESETS[noise], duplicates=duplicates)
    population = Population(people, seed=seed, sites=sites, overlap=overlap, names=names)
    with progress("inventing", n_steps(population), unit="blocks") as advance:
        files = write(population, out, format=format, workers=workers, advance=advance)
    for path in files.values():
        click.echo(path)


if __name__ == "__main__":
    run(main)
