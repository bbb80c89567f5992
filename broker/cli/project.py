"""``pprl-broker project``: projects, their members and datasets."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from broker.cli.location import day_option, opened, store_options
from pprl.console import day, note, table
from pprl.suppression import SMALL


@click.group()
def project() -> None:
    """Administer projects, their members and datasets."""


@project.command()
@click.argument("schema", type=click.Path(path_type=Path))
@click.option(
    "--smallest-count",
    type=click.IntRange(0),
    default=SMALL,
    show_default=True,
    help="Counts of people below it are shown to nobody.",
)
@store_options
def create(schema: Path, smallest_count: int, where: str, files: Path | None) -> None:
    """Found the project of a linkage schema; its id goes to stdout.

    \b
    Example:
      pprl-broker project create linkage.toml --store store/
    """
    from broker.governance import create_project
    from broker.journal import LOCAL
    from pprl.schema import load_schema

    loaded = load_schema(schema)
    with opened(where, files) as store, store.begin() as session:
        made = create_project(session, loaded, smallest_count=smallest_count, by=LOCAL, now=store.clock())
    click.echo(made.id)


@project.command("list")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def list_projects(as_json: bool, where: str, files: Path | None) -> None:
    """List the projects.

    \b
    Example:
      pprl-broker project list --store store/
    """
    from sqlalchemy import select

    from broker.store.tables import Project

    with opened(where, files) as store, store.read() as session:
        rows = [
            {
                "id": one.id,
                "name": one.name,
                "epoch": one.epoch,
                "created": day(one.created_at),
                "closed": day(one.closed_at),
            }
            for one in session.scalars(select(Project).order_by(Project.name))
        ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    table(
        ("name", "epoch", "id", "created", "closed"),
        ((row["name"], row["epoch"], row["id"], row["created"], row["closed"]) for row in rows),
    )


@project.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def show(name: str, as_json: bool, where: str, files: Path | None) -> None:
    """Show a project with its members and datasets.

    \b
    Example:
      pprl-broker project show heart-registry --store store/
    """
    from sqlalchemy import select

    from broker.governance import find_project, role_in
    from broker.store.tables import Dataset, Member, Party

    with opened(where, files) as store, store.read() as session:
        found, now = find_project(session, name), store.clock()
        members = [
            {
                "role": member.role.value,
                "name": one.name,
                "id": one.id,
                "until": day(member.expires_at),
                "now": role_in(session, one, found, now=now) is member.role,
            }
            for member, one in session.execute(
                select(Member, Party)
                .join(Party, Member.party_key == Party.key)
                .where(Member.project_key == found.key, Member.ended_at.is_(None))
                .order_by(Member.role, Party.name)
            )
        ]
        datasets = [
            {
                "name": dataset.name,
                "site": one.name,
                "id": dataset.id,
                "guids": "stable" if dataset.stable_guids else "fresh",
                "retired": day(dataset.retired_at),
            }
            for dataset, one in session.execute(
                select(Dataset, Party)
                .join(Party, Dataset.site_key == Party.key)
                .where(Dataset.project_key == found.key)
                .order_by(Dataset.name)
            )
        ]
        facts = {
            "name": found.name,
            "id": found.id,
            "epoch": found.epoch,
            "schema_sha256": found.schema_sha256,
            "smallest_count": found.smallest_count,
            "created": day(found.created_at),
            "closed": day(found.closed_at),
        }
    if as_json:
        click.echo(json.dumps({**facts, "members": members, "datasets": datasets}))
        return
    for key, value in facts.items():
        click.echo(f"{key}: {value}")
    click.echo()
    table(
        ("role", "member", "id", "until"),
        (
            (str(one["role"]), str(one["name"]), str(one["id"]), str(one["until"]) if one["now"] else "over")
            for one in members
        ),
    )
    click.echo()
    table(
        ("dataset", "site", "id", "guids", "retired"),
        ((one["name"], one["site"], one["id"], one["guids"], one["retired"]) for one in datasets),
    )


@project.command()
@click.argument("name")
@store_options
def close(name: str, where: str, files: Path | None) -> None:
    """Close a project: nothing is linked or released any more.

    Sites can still take their records back. It cannot be opened again.

    \b
    Example:
      pprl-broker project close heart-registry --store store/
    """
    from broker.governance import close_project, find_project
    from broker.journal import LOCAL

    with opened(where, files) as store, store.begin() as session:
        close_project(session, find_project(session, name), by=LOCAL, now=store.clock())
    note(f"{name} is closed")


@project.command()
@click.argument("name")
@click.argument("party")
@click.option(
    "--role",
    type=click.Choice(["contributor", "steward", "recipient"]),
    required=True,
    help="What it is here.",
)
@day_option("--until", required=False, text="Last day of the membership.  [default: until it is ended]")
@store_options
def member(name: str, party: str, role: str, until: datetime | None, where: str, files: Path | None) -> None:
    """Make a party a member of a project.

    A contributor is a site and may own datasets. A steward, a site or a researcher, governs. A recipient is a
    researcher that permissions may name.

    \b
    Example:
      pprl-broker project member heart-registry "University Hospital" --role contributor --store store/
    """
    from broker.governance import add_member, find_party, find_project
    from broker.journal import LOCAL
    from broker.store.tables import Role

    with opened(where, files) as store, store.begin() as session:
        found, one = find_project(session, name), find_party(session, party)
        add_member(session, found, one, role=Role(role), expires_at=until, by=LOCAL, now=store.clock())
    note(f"{one.name} is a {role} of {found.name}")


@project.command()
@click.argument("name")
@click.argument("party")
@store_options
def remove(name: str, party: str, where: str, files: Path | None) -> None:
    """End a party's membership.

    \b
    Example:
      pprl-broker project remove heart-registry cohort-lab --store store/
    """
    from broker.governance import end_membership, find_party, find_project
    from broker.journal import LOCAL

    with opened(where, files) as store, store.begin() as session:
        found, one = find_project(session, name), find_party(session, party)
        end_membership(session, found, one, by=LOCAL, now=store.clock())
    note(f"{one.name} is no member of {found.name} any more")


@project.command()
@click.argument("name")
@click.argument("dataset_name", metavar="DATASET")
@click.option("--site", required=True, help="Whose it is, by name or id; a contributor.")
@click.option(
    "--stable-guids", is_flag=True, help="The site vouches that a record keeps its GUID over deliveries."
)
@store_options
def dataset(
    name: str, dataset_name: str, site: str, stable_guids: bool, where: str, files: Path | None
) -> None:
    """Make room for a site's dataset; its id goes to stdout.

    \b
    Example:
      pprl-broker project dataset heart-registry admissions --site "University Hospital" --store store/
    """
    from broker.governance import create_dataset, find_party, find_project
    from broker.journal import LOCAL

    with opened(where, files) as store, store.begin() as session:
        made = create_dataset(
            session,
            find_project(session, name),
            find_party(session, site),
            name=dataset_name,
            stable_guids=stable_guids,
            by=LOCAL,
            now=store.clock(),
        )
    click.echo(made.id)


@project.command()
@click.argument("name")
@click.argument("dataset_name", metavar="DATASET")
@store_options
def retire(name: str, dataset_name: str, where: str, files: Path | None) -> None:
    """Take no more deliveries of a dataset and link it no more.

    \b
    Example:
      pprl-broker project retire heart-registry admissions --store store/
    """
    from broker.governance import find_dataset, find_project, retire_dataset
    from broker.journal import LOCAL

    with opened(where, files) as store, store.begin() as session:
        found = find_dataset(session, find_project(session, name), dataset_name)
        retire_dataset(session, found, by=LOCAL, now=store.clock())
    note(f"{dataset_name} is retired")
