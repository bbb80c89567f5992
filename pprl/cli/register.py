"""``pprl register``: a party tells the broker its public keys."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.cli.service import connected, service_options


@click.command(no_args_is_help=True)
@click.option(
    "--site-key",
    "site_key",
    metavar="SITE.pub",
    help="Of a site: the key that its packages are signed with, file or text. Once only.",
)
@click.option(
    "--recipient", metavar="MY.pub", help="The key that releases to you are sealed to, file or text."
)
@service_options
def register(
    site_key: str | None, recipient: str | None, url: str | None, token_file: Path | None, allow_http: bool
) -> None:
    """Tell the broker your public keys.

    Compare them with the broker by another way, over the phone say. A signing key can be replaced by the broker only.

    \b
    Example:
      pprl register --site-key site.pub --recipient my.pub --broker https://broker.example --token-file token
    """
    if site_key is None and recipient is None:
        raise click.UsageError("give --site-key, --recipient or both")
    from pprl.package import Recipient, VerifyKey

    public = None if site_key is None else VerifyKey.find(site_key)
    seal_to = None if recipient is None else Recipient.find(recipient)
    with connected(url, token_file, allow_http) as client:
        if public is not None:
            client.set_site_key(public)
        if seal_to is not None:
            client.set_recipient(seal_to)
        party = client.me().party
    click.echo(f"{party.name} signs with {party.site_key or 'no key'}")
    click.echo(f"releases to {party.name} are sealed to {party.recipient or 'no key'}")
