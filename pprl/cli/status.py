"""``pprl status``: how things stand at the broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.cli.service import connected, count, json_option, project_option, service_options
from pprl.console import day, table

if TYPE_CHECKING:
    from pprl.client import Job, Overview, Standing


@click.command()
@project_option("Name or id of the only project to show.")
@json_option
@service_options
def status(
    project: str | None, as_json: bool, url: str | None, token_file: Path | None, allow_http: bool
) -> None:
    """Show how things stand at the broker.

    Whom it takes you for, your projects, your datasets with the latest delivery of each, what it is working on,
    releases that you have not acknowledged, and withdrawals that are not complete.

    \b
    Example:
      pprl status --broker https://broker.example --token-file token
    """
    with connected(url, token_file, allow_http) as client:
        found = client.overview(project=project)
        address = client.url
    if as_json:
        click.echo(json.dumps(asdict(found), default=_time, indent=2))
        return
    for line in _head(found, address):
        click.echo(line)
    _projects(found)
    _datasets(found)
    _jobs(found)
    _releases(found)
    _withdrawals(found)


def _head(found: Overview, address: str) -> Iterator[str]:
    party = found.me.party
    until = f", until {day(found.me.expires_at)}" if found.me.expires_at is not None else ""
    yield f"broker     {address}, version {found.broker.version}"
    yield f"you are    {party.name}, {party.kind}{until}"
    if party.kind == "site":
        yield f"you sign   {party.site_key or 'with no key known yet: pprl register --site-key site.pub'}"
    if party.kind != "operator":
        yield f"sealed to  {party.recipient or 'no key known yet: pprl register --recipient my.pub'}"


def _projects(found: Overview) -> None:
    click.echo()
    if not found.projects:
        click.echo("no projects yet: ask the broker to make you a member")
        return
    table(
        ("project", "epoch", "your role", "schema", "closed"),
        [
            (one.name, one.epoch, one.role or "", one.schema_sha256[:12], day(one.closed_at))
            for one in found.projects
        ],
    )


def _datasets(found: Overview) -> None:
    if not found.datasets:
        return
    click.echo()
    table(
        ("dataset", "project", "delivery", "records", "arrived", "state"),
        [_dataset(one) for one in found.datasets],
        right=("delivery", "records"),
    )
    for one in found.datasets:
        if one.delivery is not None and one.delivery.refusal:
            click.echo(f"{one.dataset.name} was refused: {one.delivery.refusal}")


def _dataset(one: Standing) -> tuple[str, ...]:
    retired = "retired" if one.dataset.retired_at is not None else ""
    delivery = one.delivery
    if delivery is None:
        return one.dataset.name, one.project, "", "", "", retired or "nothing yet"
    return (
        one.dataset.name,
        one.project,
        str(delivery.sequence),
        count(delivery.n_records),
        day(delivery.received_at),
        retired or delivery.state,
    )


def _jobs(found: Overview) -> None:
    if not found.jobs:
        return
    click.echo()
    names = {one.dataset.id: one.dataset.name for one in found.datasets}
    table(
        ("at work", "project", "dataset", "state", "how far"),
        [
            (one.kind, found.name_of(one.project), names.get(one.dataset or "", ""), one.state, _far(one))
            for one in found.jobs
        ],
    )


def _far(job: Job) -> str:
    share = f"{job.n_done / job.n_total:.0%}" if job.n_done is not None and job.n_total else ""
    return " ".join(word for word in (job.stage, share) if word)


def _releases(found: Overview) -> None:
    if not found.releases:
        return
    click.echo()
    table(
        ("release for you", "project", "published", "rows", "taken back", "id"),
        [
            (
                str(one.number),
                found.name_of(one.project),
                day(one.published_at),
                count(one.n_rows),
                count(one.n_tombstones),
                one.id,
            )
            for one in found.releases
        ],
        right=("rows", "taken back"),
    )
    click.echo("get one with 'pprl fetch'; where its tables are in use, say so with 'pprl acknowledge'")


def _withdrawals(found: Overview) -> None:
    rows = [
        (
            one.dataset.name,
            count(withdrawal.n_records),
            day(withdrawal.requested_at),
            "gone" if withdrawal.purged_at is not None else "not yet",
            ", ".join(withdrawal.waiting_for),
        )
        for one in found.datasets
        for withdrawal in one.withdrawals
    ]
    if rows:
        click.echo()
        table(("withdrawn from", "linked", "asked", "at the broker", "waiting for"), rows, right=("linked",))


def _time(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} has no JSON")
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"
