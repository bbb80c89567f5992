"""``pprl-broker permit``: the matrix of permissions."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from broker.cli.location import day_option, opened, store_options
from pprl.console import day, note, table


@click.group()
def permit() -> None:
    """Allow and forbid linkage: dataset by dataset, use by use."""


@permit.command()
@click.argument("project")
@click.argument("use", type=click.Choice(["deduplicate", "link", "count"]))
@click.argument("left")
@click.argument("right", required=False)
@click.option("--approver", required=True, help="An operator or a steward, by name or id.")
@click.option("--to", "recipients", multiple=True, help="Who may get what comes of it; repeat for several.")
@day_option("--until", required=True, text="Last day.")
@store_options
def grant(
    project: str,
    use: str,
    left: str,
    right: str | None,
    approver: str,
    recipients: tuple[str, ...],
    until: datetime,
    where: str,
    files: Path | None,
) -> None:
    """Allow a use of one or two datasets of a project; the permission's id goes to stdout.

    To deduplicate takes one dataset, to link or count two. One that is there for the same use is replaced.

    \b
    Example:
      pprl-broker permit grant heart-registry link admissions deaths --store store/ \\
          --approver data-board --to cohort-lab --until 2027-12-31
    """
    from broker.governance import find_dataset, find_party, find_project
    from broker.governance import grant as grant_permission
    from broker.journal import LOCAL
    from broker.store.tables import Use

    with opened(where, files) as store, store.begin() as session:
        found = find_project(session, project)
        one = find_dataset(session, found, left)
        made = grant_permission(
            session,
            Use(use),
            one,
            one if right is None else find_dataset(session, found, right),
            recipients=[find_party(session, name) for name in recipients],
            approver=find_party(session, approver),
            expires_at=until,
            by=LOCAL,
            now=store.clock(),
        )
    click.echo(made.id)


@permit.command("list")
@click.argument("project")
@click.option("--all", "also_past", is_flag=True, help="Expired and revoked ones as well.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def list_permissions(project: str, also_past: bool, as_json: bool, where: str, files: Path | None) -> None:
    """List what is allowed in a project; all else is forbidden.

    \b
    Example:
      pprl-broker permit list heart-registry --store store/
    """
    from sqlalchemy import select

    from broker.governance import find_project, is_valid
    from broker.store.tables import Dataset, Party, Permission, PermissionRecipient

    with opened(where, files) as store, store.read() as session:
        found, now = find_project(session, project), store.clock()
        rows = []
        for one in session.scalars(
            select(Permission).where(Permission.project_key == found.key).order_by(Permission.key)
        ):
            recipients = session.scalars(
                select(Party.name)
                .join(PermissionRecipient, PermissionRecipient.recipient_key == Party.key)
                .where(PermissionRecipient.permission_key == one.key)
                .order_by(Party.name)
            ).all()
            if also_past or is_valid(one, now):
                rows.append(
                    {
                        "id": one.id,
                        "use": one.use.value,
                        "left": session.get_one(Dataset, one.left_key).name,
                        "right": session.get_one(Dataset, one.right_key).name,
                        "recipients": list(recipients),
                        "approver": session.get_one(Party, one.approved_by_key).name,
                        "until": day(one.expires_at),
                        "revoked": day(one.revoked_at),
                    }
                )
    if as_json:
        click.echo(json.dumps(rows))
        return
    table(
        ("use", "left", "right", "to", "approver", "until", "revoked", "id"),
        (
            (
                *(str(row[key]) for key in ("use", "left", "right")),
                ", ".join(row["recipients"]) or "nobody",
                *(str(row[key]) for key in ("approver", "until", "revoked", "id")),
            )
            for row in rows
        ),
    )


@permit.command()
@click.argument("permission_id", metavar="ID")
@click.option("--revoker", required=True, help="An operator, a steward, or a site of either dataset.")
@store_options
def revoke(permission_id: str, revoker: str, where: str, files: Path | None) -> None:
    """Take a permission back.

    What was released stays released.

    \b
    Example:
      pprl-broker permit revoke 6e3b5794-c9fd-4b57-b0e8-8ea104f603c2 --revoker data-board --store store/
    """

    from broker.governance import by_id, find_party
    from broker.governance import revoke as revoke_permission
    from broker.journal import LOCAL
    from broker.store.tables import Permission

    with opened(where, files) as store, store.begin() as session:
        found = by_id(session, Permission, permission_id)
        by = find_party(session, revoker)
        revoke_permission(session, found, revoker=by, by=LOCAL, now=store.clock())
    note("the permission is revoked")
