"""The command: ``python -m benchmarks.accuracy [CASE...]``, and its sisters ``files`` and ``docs``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.accuracy import linkage
from benchmarks.accuracy.cases import CASES, Case, Settings
from benchmarks.accuracy.contest import Work, hold, workplace
from benchmarks.accuracy.files import Described, case_of_files
from benchmarks.accuracy.page import write_docs
from benchmarks.accuracy.peers import contestants as neighbours
from benchmarks.accuracy.results import Results, read
from benchmarks.environment import ROOT
from pprl.console import note, run

_OUT = ROOT / ".cache" / "accuracy"
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DATE_ORDERS = click.Choice(["ymd", "dmy", "mdy"])


class _CasesByDefault(click.Group):
    """A group whose command ``cases`` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name in front where no command is named."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["cases", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_CasesByDefault)
def main() -> None:
    """Measure how right links are, pprl's beside its peers', and how near pprl's own estimates come.

    ``cases`` is what runs where no command is named: ``python -m benchmarks.accuracy febrl4 --no-peers``.
    """


def _of_run(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every command that measures."""
    options = (
        click.option(
            "--profiles",
            default=",".join(linkage.PROFILES),
            show_default=True,
            callback=lambda _context, _option, text: _profiles(text),
            help="Of pprl, with commas between.",
        ),
        click.option("--peers/--no-peers", default=True, show_default=True, help="Whether others take part."),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder; a run whose results are there is gone on with.  [default: .cache/accuracy/TIME]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--people", type=click.IntRange(1), help="Records at a site of generated cases.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first one.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many, one after another."
)
@click.option(
    "--names",
    type=click.Choice(["full", "small"]),
    default="full",
    show_default=True,
    help="Of generated people: the real frequency tables, or a few names that need no download.",
)
@_of_run
def cases(
    cases: tuple[str, ...], people: int | None, seed: int, seeds: int, names: str, **options: Any
) -> None:
    """Measure on data whose truth is known."""

    def made(folder: Path) -> Iterable[Case]:
        for name in cases or CASES:
            for number in range(seed, seed + seeds):
                yield CASES[name](Settings(folder=folder, seed=number, people=people, names=names))

    _measure(made, **options)


@main.command()
@click.argument("a", type=_FILE)
@click.argument("b", type=_FILE)
@click.argument("truth", type=_FILE)
@click.option("--schema", type=_FILE, required=True, help="The linkage schema; its profile does not matter.")
@click.option("--id", "id_column", required=True, metavar="COLUMN", help="Of record ids, in both files.")
@click.option("--id-b", metavar="COLUMN", help="Of record ids in B, where it is another one.")
@click.option("--columns-a", multiple=True, metavar="FIELD=COLUMN", help="As of pprl tokenise. Repeatable.")
@click.option("--columns-b", multiple=True, metavar="FIELD=COLUMN", help="Likewise.")
@click.option("--date-order-a", type=_DATE_ORDERS, default="ymd", show_default=True)
@click.option("--date-order-b", type=_DATE_ORDERS, default="ymd", show_default=True)
@click.option("--with-duplicates-a", is_flag=True, help="A person may have several rows in A.")
@click.option("--with-duplicates-b", is_flag=True, help="A person may have several rows in B.")
@click.option("--label", multiple=True, metavar="COLUMN", help="Tell recall by its values too. Repeatable.")
@_of_run
def files(
    a: Path,
    b: Path,
    truth: Path,
    schema: Path,
    id_column: str,
    id_b: str | None,
    columns_a: tuple[str, ...],
    columns_b: tuple[str, ...],
    date_order_a: Any,
    date_order_b: Any,
    with_duplicates_a: bool,
    with_duplicates_b: bool,
    label: tuple[str, ...],
    **options: Any,
) -> None:
    """Measure on two CSV files of your own.

    TRUTH is a CSV file: left_id,right_id, the pairs of A and B that are one person; or record_id,cluster_id of all
    records, with a column dataset that says a or b where both files have the same ids.
    """
    described = (
        Described(
            path=a,
            id_column=id_column,
            columns=columns_a,
            date_order=date_order_a,
            duplicates=with_duplicates_a,
        ),
        Described(
            path=b,
            id_column=id_b or id_column,
            columns=columns_b,
            date_order=date_order_b,
            duplicates=with_duplicates_b,
        ),
    )
    _measure(lambda _: [case_of_files(described, truth, schema, labels=label)], **options)


@main.command()
@click.argument("result", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--page",
    type=_FILE,
    default=ROOT / "docs" / "accuracy.md",
    help="With markers.  [default: docs/accuracy.md]",
)
def docs(result: Path, page: Path) -> None:
    """Put the tables and charts of RESULT, a folder or its accuracy.json, into the page, between its markers."""
    for path in write_docs(read(result / "accuracy.json" if result.is_dir() else result), page):
        click.echo(path)


def _measure(
    made: Callable[[Path], Iterable[Case]], *, profiles: tuple[str, ...], peers: bool, out: Path | None
) -> None:
    now = datetime.now(UTC)
    out = (out or _OUT / now.strftime("%Y%m%dT%H%M%SZ")).resolve()
    out.mkdir(parents=True, exist_ok=True)
    note(f"{out}: give it as --out to go on with this run")
    results = Results(out, now=now)
    contestants = [linkage.contestant(profile) for profile in profiles] + (neighbours() if peers else [])
    with workplace(out) as generated:
        for case in made(generated):
            with workplace(out) as folder:
                work = Work(case, folder)
                results.add_case(work)
                for result in hold(work, contestants, results.of_before, say=note):
                    results.add(result)
    results.draw()
    click.echo(results.markdown())


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
