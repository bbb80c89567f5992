"""``pprl-broker keys``: the identity that packages are sealed to, and the key that signs releases."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.console import note


@click.group()
def keys() -> None:
    """Make the broker's keys."""


@keys.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default="broker.key", show_default=True, help="Secret key file."
)
def new(out: Path) -> None:
    """Make the identity that sites seal their packages to.

    Writes the secret key and, beside it, NAME.pub, which the sites get. Both are files of the age tool; the
    public key goes to stdout as well.

    \b
    Example:
      pprl-broker keys new --out broker.key
    """
    from pprl.package import Identity

    identity = Identity.new()
    public = identity.save_pair(out)
    note(f"wrote {out} (secret, stays here) and {public} (for the sites)")
    click.echo(identity.recipient)


@keys.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="release.key",
    show_default=True,
    help="Secret key file.",
)
def release(out: Path) -> None:
    """Make the key that the broker signs its releases with.

    Writes the secret key and, beside it, NAME.pub, which recipients get by a way on which they know the broker. The
    public key goes to stdout as well.

    \b
    Example:
      pprl-broker keys release --out release.key
    """
    from pprl.release import ReleaseKey

    key = ReleaseKey.new()
    public = key.save_pair(out)
    note(f"wrote {out} (secret, stays here) and {public} (for the recipients of releases)")
    click.echo(key.public_half)
