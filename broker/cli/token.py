"""``pprl-broker token``: what parties come with when they ask the service."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click

from broker.cli.location import day_option, opened, store_options
from pprl.console import day, note, table


@click.group()
def token() -> None:
    """Make, list and revoke the tokens that parties come with."""


@token.command()
@click.argument("party")
@click.option("--name", required=True, help="What it is used for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="read, submit, withdraw, fetch, govern, administer, account, metadata or metrics; repeat for several. Without "
    "it, what parties of the kind usually need.",
)
@day_option("--until", required=True, text="Last day it is valid, 400 days from now at most.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="New file for it that only you may read, in place of stdout.",
)
@store_options
def new(
    party: str,
    name: str,
    scopes: tuple[str, ...],
    until: datetime,
    out: Path | None,
    where: str,
    files: Path | None,
) -> None:
    """Make a token for a party. It is shown this once, and nowhere kept.

    \b
    Example:
      pprl-broker token new "University Hospital" --name "nightly delivery" --scope submit --scope read \\
          --until 2027-06-30 --out hospital.token --store store/
    """
    from broker.auth import DEFAULT, issue
    from broker.governance import find_party
    from broker.journal import LOCAL
    from pprl.files import new_file

    with ExitStack() as stack:
        file = None if out is None else stack.enter_context(new_file(out, mode=0o600, overwrite=False))
        with opened(where, files) as store, store.begin() as session:
            found, now = find_party(session, party), store.clock()
            made, text = issue(
                session,
                found,
                name=name,
                scopes=scopes or DEFAULT[found.kind],
                expires_at=until,
                by=LOCAL,
                now=now,
            )
        if file is not None:
            file.write(f"{text}\n".encode("ascii"))
    note(f"{found.name} has the token {made.id} for {', '.join(made.scopes)}, until {day(made.expires_at)}")
    if out is None:
        click.echo(text)
    else:
        note(f"wrote {out} (secret)")


@token.command("list")
@click.argument("party", required=False)
@click.option("--all", "show_all", is_flag=True, help="Expired and revoked ones as well.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def list_them(party: str | None, show_all: bool, as_json: bool, where: str, files: Path | None) -> None:
    """List the tokens of a party, or of all; of the tokens themselves nothing is kept.

    \b
    Example:
      pprl-broker token list "University Hospital" --store store/
    """
    from sqlalchemy import select

    from broker.auth import list_tokens
    from broker.governance import find_party
    from broker.store.tables import Party

    with opened(where, files) as store, store.read() as session:
        now = store.clock()
        parties = (
            session.scalars(select(Party).order_by(Party.kind, Party.name))
            if party is None
            else [find_party(session, party)]
        )
        rows = [
            {
                "id": one.id,
                "party": owner.name,
                "name": one.name,
                "scopes": one.scopes,
                "created": day(one.created_at),
                "until": day(one.expires_at),
                "revoked": day(one.revoked_at) or None,
                "last_used": day(one.last_used_at) or None,
            }
            for owner in parties
            for one in list_tokens(session, owner, now=None if show_all else now)
        ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    table(
        ("party", "name", "id", "scopes", "until", "last used", "revoked"),
        (
            (
                str(row["party"]),
                str(row["name"]),
                str(row["id"]),
                ",".join(row["scopes"] or ()),
                str(row["until"]),
                str(row["last_used"] or ""),
                str(row["revoked"] or ""),
            )
            for row in rows
        ),
    )


@token.command()
@click.argument("party")
@click.argument("name", metavar="NAME|ID")
@store_options
def revoke(party: str, name: str, where: str, files: Path | None) -> None:
    """Let nobody come with a token any more.

    \b
    Example:
      pprl-broker token revoke "University Hospital" "nightly delivery" --store store/
    """
    from broker.auth import find_token
    from broker.auth import revoke as revoke_token
    from broker.governance import find_party
    from broker.journal import LOCAL

    with opened(where, files) as store, store.begin() as session:
        owner = find_party(session, party)
        found = find_token(session, owner, name)
        revoke_token(session, found, by=LOCAL, now=store.clock())
    note(f"the token {found.name} of {owner.name} is revoked")
