"""``pprl represent``: how representative a cohort is of a population."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import click

EXAMPLES = {"red-coral": "builtin:cdc-2020-03", "midrc-n3c": "builtin:cdc-2020-03--2021-06"}
"""Built-in cohorts, and the reference each was published with."""


@click.command()
@click.argument("cohort", required=False, type=click.Path(path_type=Path))
@click.option(
    "--reference",
    metavar="FILE",
    help="The population: a CSV attribute,category,count,period_start,period_end,kind,source[,geography]; "
    "a CDC line list (CSV), Census API answer (JSON) or workbook of cumulative counts (XLSX); or "
    "builtin:cdc-2020-03, builtin:cdc-2020-03--2021-06.",
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder the report is written to.",
)
@click.option(
    "--example", type=click.Choice(list(EXAMPLES)), help="Take a published cohort in place of COHORT."
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="FILE",
    help="Category map, a CSV attribute,label,category; or builtin:omb. Repeatable, applied in order.",
)
@click.option(
    "--attribute", "attributes", multiple=True, help="Attribute to compare; repeatable. Default: all shared."
)
@click.option(
    "--describe", multiple=True, metavar="COLUMN", help="Column to describe without comparing; repeatable."
)
@click.option(
    "--columns", multiple=True, metavar="ATTRIBUTE=COLUMN", help="The column of an attribute; repeatable."
)
@click.option(
    "--id", "id_column", metavar="COLUMN", help="The cohort's column of ids: nobody may stand twice."
)
@click.option(
    "--only",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep only people whose id this CSV lists.",
)
@click.option(
    "--only-column", metavar="COLUMN", help="Column of --only that holds the ids. Default: the first."
)
@click.option(
    "--period",
    metavar="START:END",
    help="Days of the reference that count, YYYY-MM-DD; either may be left out.",
)
@click.option("--geography", help="Place of the reference that counts, where it has several.")
@click.option(
    "--base", type=click.Choice(["2", "e"]), default="2", show_default=True, help="Base of the logarithm."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of intervals and perfect samples.",
)
@click.option(
    "--suppress",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show no count below N, nor what would give one away; 11 and 20 are usual. Default: show all.",
)
@click.option(
    "--suppressed-as",
    type=click.Choice(["split", "pool"]),
    default="split",
    show_default=True,
    help="How counts such as <20 in COHORT enter the distances: in equal parts, or as one category.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def represent(
    cohort: Path | None,
    reference: str | None,
    out: Path,
    example: str | None,
    maps: tuple[str, ...],
    attributes: tuple[str, ...],
    describe: tuple[str, ...],
    columns: tuple[str, ...],
    id_column: str | None,
    only: Path | None,
    only_column: str | None,
    period: str | None,
    geography: str | None,
    base: str,
    seed: int,
    suppress: int,
    suppressed_as: str,
    as_json: bool,
) -> None:
    """Measure how representative COHORT is of a population.

    COHORT is a CSV or Parquet table of people, one row each with columns such as sex, race and ethnicity, or
    a count table attribute,category,count. Prints the Jensen-Shannon distance of each attribute, raw (with
    "Not reported" as a category) and adjusted (without it), beside what chance alone would give, and writes
    represent.json, represent.md, figure.svg and figure.png to DIR.
    """
    if (cohort is None) == (example is None):
        raise click.UsageError("give either COHORT or --example")
    if example is not None and (describe or columns or id_column or only):
        raise click.UsageError("--example has counts only: leave out --describe, --columns, --id and --only")
    if only is not None and id_column is None:
        raise click.UsageError("--only needs --id, the cohort's column of ids")
    if only is None and only_column is not None:
        raise click.UsageError("--only-column names a column of --only, which is not given")
    if reference is None and example is None:
        raise click.UsageError("give --reference FILE")
    days = _period(period)
    renamed = _columns(columns)

    from pprl import cohort as engine
    from pprl.console import note

    population = engine.load_reference(reference or EXAMPLES[str(example)])
    counted = engine.load_cohort(
        cohort if cohort is not None else f"builtin:{example}",
        attributes=[*attributes, *describe],
        optional=() if attributes else population.attributes,
        columns=renamed,
        id_column=id_column,
        only=only,
        only_column=only_column,
    )
    if counted.n_ids_not_found:
        note(f"{counted.n_ids_not_found:,} ids of {only} are not in {cohort}")
    result = engine.represent(
        counted,
        population,
        attributes=[name for name in attributes if name not in describe]
        or [name for name in population.attributes if name in counted.tallies and name not in describe],
        maps=[engine.load_category_map(one) for one in maps],
        period=days,
        geography=geography,
        base=2.0 if base == "2" else math.e,
        seed=seed,
        suppress=suppress,
        suppressed_as="split" if suppressed_as == "split" else "pool",
    )
    engine.write_report(result, out)
    if as_json:
        click.echo(engine.to_json(result), nl=False)
        return
    rows = engine.to_rows(result)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if place in {0, len(row) - 1} else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
    click.echo(f"Jensen-Shannon distance, base {base}; report in {out}")


def _period(text: str | None) -> tuple[dt.date | None, dt.date | None]:
    if text is None:
        return None, None
    start, colon, end = text.partition(":")
    try:
        days = tuple(dt.date.fromisoformat(day) if day else None for day in (start, end))
    except ValueError:
        raise click.UsageError(f"--period {text}: write YYYY-MM-DD:YYYY-MM-DD") from None
    if not colon or days == (None, None):
        raise click.UsageError(f"--period {text}: write YYYY-MM-DD:YYYY-MM-DD")
    if days[0] and days[1] and days[1] < days[0]:
        raise click.UsageError(f"--period {text}: ends before it starts")
    return days[0], days[1]


def _columns(texts: tuple[str, ...]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for text in texts:
        attribute, equals, column = text.partition("=")
        if not (attribute and equals and column):
            raise click.UsageError(f"--columns {text}: write ATTRIBUTE=COLUMN, for example race=RACE_CD")
        renamed[attribute] = column
    return renamed
