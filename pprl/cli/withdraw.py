"""``pprl withdraw``: a site takes records back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pprl.cli.service import connected, count, json_option, project_option, service_options
from pprl.console import progress
from pprl.errors import InputError, NotFoundError, PprlError, ServiceError

if TYPE_CHECKING:
    from pprl.client import Client, Dataset

_PATH = click.Path(path_type=Path)
_ROWS_TOLD = 5


@click.command(no_args_is_help=True)
@click.argument("file", type=_PATH)
@click.option("--dataset", required=True, metavar="NAME", help="The dataset that they are of.")
@project_option("Name or id of the project, where several have such a dataset.")
@click.option(
    "--ids",
    type=_PATH,
    metavar="NAME.ids.csv",
    help="FILE holds local ids; find their GUIDs in this ids file, the one of the dataset's last delivery.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--no-wait", is_flag=True, help="Leave once the broker knows; 'pprl status' tells how far it is."
)
@json_option
@service_options
def withdraw(
    file: Path,
    dataset: str,
    project: str | None,
    ids: Path | None,
    yes: bool,
    no_wait: bool,
    as_json: bool,
    url: str | None,
    token_file: Path | None,
    allow_http: bool,
) -> None:
    """Take records of patients back, for ever.

    FILE has a line for each: the record's GUID, or with --ids your own local id, which is looked up here and goes
    nowhere. The records leave the broker, and its recipients are told to delete them; nothing brings them back.

    \b
    Example:
      pprl withdraw gone.txt --dataset clinic-a --ids clinic-a.ids.csv --broker https://broker.example
    """
    lines = _lines(file)
    records = _guids(file, lines) if ids is None else _looked_up(file, lines, ids)
    with connected(url, token_file, allow_http) as client:
        found = _dataset(client, dataset, project)
        if not yes:
            click.confirm(
                f"take {count(len(records), of='record')} of {dataset} back, for ever?", abort=True, err=True
            )
        withdrawal, job = client.withdraw(found.id, records)
        if not no_wait:
            with progress("taken out", None):
                job = client.wait(job.id)
            if job.state != "done":
                raise ServiceError(
                    f"the withdrawal is known to the broker and not carried out yet ({job.error or job.state}); "
                    "ask the broker",
                    code=job.state,
                )
            withdrawal = client.withdrawal(withdrawal.id)
    if as_json:
        document = {
            "withdrawal": withdrawal.id,
            "n_records": len(records),
            "n_linked": withdrawal.n_records,
            "job": job.id,
            "is_complete": withdrawal.is_complete,
            "waiting_for": list(withdrawal.waiting_for),
        }
        click.echo(json.dumps(document))
        return
    where = "out of the broker's files" if withdrawal.purged_at is not None else "on their way out"
    click.echo(f"{count(len(records), of='record')} of {dataset}: {where}")
    if withdrawal.n_records < len(records):
        click.echo(f"{withdrawal.n_records:,} of them had been linked; the others are kept out all the same")
    if withdrawal.waiting_for:
        click.echo(f"told to delete them, and not done yet: {', '.join(withdrawal.waiting_for)}")
    click.echo("leave these patients out of your next delivery")


def _dataset(client: Client, name: str, project: str | None) -> Dataset:
    """The caller's dataset of a name."""
    from pprl.client.fitting import is_of

    me = client.me()
    projects = client.projects() if project is None else [client.project(project)]
    found = [
        dataset
        for one in projects
        for dataset in client.datasets(one.id)
        if name in (dataset.id, dataset.name) and is_of(dataset.site, me)
    ]
    if not found:
        raise NotFoundError(f"{client.url}: no dataset {name} of yours is there; 'pprl status' lists them")
    if len(found) > 1:
        raise PprlError(
            f"{client.url}: several projects have a dataset {name} of yours; name one by --project"
        )
    return found[0]


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise InputError(f"cannot be read ({what})", path=str(file)) from None
    lines = [line.strip() for line in text.splitlines()]
    if not any(lines):
        raise InputError("holds no ids; a line for each is expected", path=str(file))
    return lines


def _guids(file: Path, lines: list[str]) -> list[str]:
    from pprl.guid import from_text, to_text

    found: dict[str, None] = {}
    for row, line in enumerate(lines, 1):
        try:
            if line:
                found[to_text(from_text([line]))[0]] = None
        except ValueError:
            raise InputError(
                "is not a GUID; give --ids NAME.ids.csv where these are your own ids", path=str(file), row=row
            ) from None
    return list(found)


def _looked_up(file: Path, lines: list[str], ids: Path) -> list[str]:
    from pprl.site.ids_lookup import find_records

    wanted = list(dict.fromkeys(line for line in lines if line))
    with progress("reading the ids", ids.stat().st_size if ids.is_file() else None, unit="bytes") as advance:
        found = dict(zip(wanted, find_records(ids, wanted, advance=advance), strict=True))
    missing = [row for row, line in enumerate(lines, 1) if line and found[line] is None]
    if missing:
        rows = ", ".join(map(str, missing[:_ROWS_TOLD])) + (", ..." if len(missing) > _ROWS_TOLD else "")
        raise InputError(
            f"{count(len(missing), of='local id')} not in {ids}: row {rows}; name the ids file of the last delivery, "
            "or take those lines out",
            path=str(file),
        )
    return [guid for guid in found.values() if guid is not None]
