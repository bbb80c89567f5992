"""``pprl-broker party``: sites, researchers and operators, and their keys."""

from __future__ import annotations

import json
from pathlib import Path

import click

from broker.cli.location import opened, store_options
from pprl.console import day, note, table


@click.group()
def party() -> None:
    """Administer parties: sites, researchers, operators."""


@party.command()
@click.argument("kind", type=click.Choice(["site", "researcher", "operator"]))
@click.argument("name")
@click.option("--recipient", metavar="age1...|FILE", help="Public key that releases to it are sealed to.")
@click.option("--key", "key_text", metavar="SITE.pub", help="Of a site: the key it signs with, file or text.")
@store_options
def add(
    kind: str, name: str, recipient: str | None, key_text: str | None, where: str, files: Path | None
) -> None:
    """Make a party known; its id goes to stdout.

    \b
    Example:
      pprl-broker party add site "University Hospital" --key hospital.pub --store store/
    """
    from broker.governance import create_party, register_site_key
    from broker.journal import LOCAL
    from broker.store.tables import PartyKind
    from pprl.package import Recipient, VerifyKey

    seal_to = None if recipient is None else Recipient.find(recipient)
    key = None if key_text is None else VerifyKey.find(key_text)
    with opened(where, files) as store, store.begin() as session:
        now = store.clock()
        made = create_party(session, PartyKind(kind), name=name, recipient=seal_to, by=LOCAL, now=now)
        if key is not None:
            register_site_key(session, made, key, by=LOCAL, now=now)
    click.echo(made.id)


@party.command("list")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def list_parties(as_json: bool, where: str, files: Path | None) -> None:
    """List the parties.

    \b
    Example:
      pprl-broker party list --store store/
    """
    from sqlalchemy import select

    from broker.governance import site_key
    from broker.store.tables import Party

    with opened(where, files) as store, store.read() as session:
        rows = [
            {
                "id": one.id,
                "kind": one.kind.value,
                "name": one.name,
                "signing_key": None if (key := site_key(session, one)) is None else str(key),
                "recipient": one.recipient,
                "created": day(one.created_at),
                "disabled": None if one.disabled_at is None else day(one.disabled_at),
            }
            for one in session.scalars(select(Party).order_by(Party.kind, Party.name))
        ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    table(
        ("kind", "name", "id", "keys", "disabled"),
        (
            (
                str(row["kind"]),
                str(row["name"]),
                str(row["id"]),
                ", ".join(
                    word
                    for word, is_there in (("signs", row["signing_key"]), ("sealed", row["recipient"]))
                    if is_there
                ),
                row["disabled"] or "",
            )
            for row in rows
        ),
    )


@party.command()
@click.argument("name")
@click.argument("key_text", metavar="SITE.pub")
@click.option("--replace", is_flag=True, help="Revoke the key there is.")
@store_options
def key(name: str, key_text: str, replace: bool, where: str, files: Path | None) -> None:
    """Register the key that a site signs with, file or text.

    Compare it with the site over another channel. It is registered once; --replace revokes the one there is.

    \b
    Example:
      pprl-broker party key "University Hospital" hospital.pub --store store/
    """
    from broker.governance import find_party, register_site_key, revoke_site_key
    from broker.journal import LOCAL
    from pprl.package import VerifyKey

    public = VerifyKey.find(key_text)
    with opened(where, files) as store, store.begin() as session:
        found, now = find_party(session, name), store.clock()
        if replace:
            revoke_site_key(session, found, by=LOCAL, now=now)
            session.flush()
        register_site_key(session, found, public, by=LOCAL, now=now)
    note(f"{found.name} signs with {public}")


@party.command()
@click.argument("name")
@click.argument("recipient_text", metavar="age1...|FILE")
@store_options
def recipient(name: str, recipient_text: str, where: str, files: Path | None) -> None:
    """Set the public key that releases to a party are sealed to.

    \b
    Example:
      pprl-broker party recipient cohort-lab lab.pub --store store/
    """
    from broker.governance import find_party, set_recipient
    from broker.journal import LOCAL
    from pprl.package import Recipient

    public = Recipient.find(recipient_text)
    with opened(where, files) as store, store.begin() as session:
        found = find_party(session, name)
        set_recipient(session, found, public, by=LOCAL, now=store.clock())
    note(f"releases to {found.name} are sealed to {public}")


@party.command()
@click.argument("name")
@store_options
def disable(name: str, where: str, files: Path | None) -> None:
    """Let a party do nothing any more.

    \b
    Example:
      pprl-broker party disable cohort-lab --store store/
    """
    from broker.governance import disable_party, find_party
    from broker.journal import LOCAL

    with opened(where, files) as store, store.begin() as session:
        found = find_party(session, name)
        disable_party(session, found, by=LOCAL, now=store.clock())
    note(f"{found.name} is disabled")


@party.command()
@click.argument("name")
@click.option("--issuer", required=True, metavar="URL", help="The login service, as in its claim iss.")
@click.option("--subject", required=True, metavar="SUB", help="Whom it means, as in its claim sub.")
@click.option("--remove", is_flag=True, help="Let this login be the party no more.")
@store_options
def login(name: str, issuer: str, subject: str, remove: bool, where: str, files: Path | None) -> None:
    """Let somebody who logs in with Fence or OpenID Connect be a party.

    The service trusts the issuers of its own settings alone; this tells who their people are here.

    \b
    Example:
      pprl-broker party login cohort-lab --issuer https://data.example.org/user --subject 42 --store store/
    """
    from broker.auth import link_identity, unlink_identity
    from broker.governance import find_party
    from broker.journal import LOCAL

    with opened(where, files) as store, store.begin() as session:
        found, now = find_party(session, name), store.clock()
        change = unlink_identity if remove else link_identity
        change(session, found, issuer=issuer, subject=subject, by=LOCAL, now=now)
    note(f"the login is {found.name} {'no more' if remove else 'from now on'}")


@party.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def logins(name: str, as_json: bool, where: str, files: Path | None) -> None:
    """List the logins that are a party.

    \b
    Example:
      pprl-broker party logins cohort-lab --store store/
    """
    from broker.auth import list_identities
    from broker.governance import find_party

    with opened(where, files) as store, store.read() as session:
        rows = [
            {"issuer": one.issuer, "subject": one.subject, "since": day(one.created_at)}
            for one in list_identities(session, find_party(session, name))
        ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    table(("issuer", "subject", "since"), ((row["issuer"], row["subject"], row["since"]) for row in rows))
