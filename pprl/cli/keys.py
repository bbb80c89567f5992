"""``pprl keys``: make keys, show what is public of them, hand the linkage key to sites."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.console import note

if TYPE_CHECKING:
    from pprl.package import Recipient

_SEALED = b"age-encryption.org/"
_PATH = click.Path(path_type=Path)


@click.group()
def keys() -> None:
    """Make, show and hand over keys.

    \b
    The linkage key    shared by the sites of a project, never given to the broker: new, seal, open
    A site's key       signs the packages of that site: site
    An identity        what is sealed to its public half, it opens: identity
    """


@keys.command()
@click.option("--project", required=True, help="The project, as in the schema.")
@click.option("--epoch", help="The epoch, as in the schema.  [default: this year]")
@click.option(
    "--out", type=_PATH, default="linkage.key", show_default=True, help="Key file; never overwritten."
)
def new(project: str, epoch: str | None, out: Path) -> None:
    """Make the linkage key of a project and epoch.

    For the key authority. Hand it to each site with 'pprl keys seal'; the broker must never have it.

    \b
    Example:
      pprl keys new --project heart-registry --epoch 2026 --out linkage.key
    """
    from pprl.site.keys import LinkageKey

    try:
        key = LinkageKey.new(project, epoch or str(datetime.now(UTC).year))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    key.save(out)
    note(
        f"wrote {out} (secret, for the sites only): project {key.project}, epoch {key.epoch}, "
        f"check {key.check_value}"
    )


@keys.command()
@click.option(
    "--out", type=_PATH, default="site.key", show_default=True, help="Secret key file; never overwritten."
)
def site(out: Path) -> None:
    """Make the key that signs a site's packages.

    Writes the secret key and, beside it, NAME.pub, which the broker gets. The public key goes to stdout
    as well.

    \b
    Example:
      pprl keys site --out site.key
    """
    from pprl.package import SigningKey

    key = SigningKey.new()
    public = key.save_pair(out)
    note(f"wrote {out} (secret, stays here) and {public} (for the broker)")
    click.echo(key.verify_key)


@keys.command()
@click.option(
    "--out", type=_PATH, default="my.key", show_default=True, help="Secret key file; never overwritten."
)
def identity(out: Path) -> None:
    """Make an identity that others can seal the linkage key to.

    Writes the secret key and, beside it, NAME.pub, which the key authority gets. Both are files of the age
    tool. The public key goes to stdout as well.

    \b
    Example:
      pprl keys identity --out my.key
    """
    from pprl.package import Identity

    made = Identity.new()
    public = made.save_pair(out)
    note(f"wrote {out} (secret, stays here) and {public} (for the key authority)")
    click.echo(made.recipient)


@keys.command()
@click.argument("file", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show(file: Path, as_json: bool) -> None:
    """Show what is public of a key file.

    That is its kind, project and epoch, check value or public key; never a secret.

    \b
    Example:
      pprl keys show linkage.key
    """
    facts = _facts(file)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        width = max(len(name) for name in facts)
        for name, value in facts.items():
            click.echo(f"{name.replace('_', ' '):<{width}}  {value}")


@keys.command()
@click.argument("file", type=_PATH)
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    required=True,
    help="age1..., or a file that holds it; may be repeated.",
)
@click.option("--out", type=_PATH, help="Sealed file; never overwritten.  [default: FILE.age]")
def seal(file: Path, recipients: tuple[str, ...], out: Path | None) -> None:
    """Seal a linkage key to a site, to be sent to it.

    The site makes an identity with 'pprl keys identity', sends its public half, and opens the sealed file
    with 'pprl keys open'. Compare the check value with it by another way, over the phone say.

    \b
    Example:
      pprl keys seal linkage.key --recipient my.pub --out linkage.key.age
    """
    from pprl.package import Recipient
    from pprl.site.keys import LinkageKey

    out = out or file.with_name(f"{file.name}.age")
    key = LinkageKey.load(file)
    found: list[Recipient] = [Recipient.find(text) for text in recipients]
    key.save_sealed(out, found)
    note(f"wrote {out}: project {key.project}, epoch {key.epoch}, check {key.check_value}")


@keys.command(name="open")
@click.argument("file", type=_PATH)
@click.option(
    "--identity", "identity_file", type=_PATH, required=True, help="The secret key file it is sealed to."
)
@click.option(
    "--out", type=_PATH, default="linkage.key", show_default=True, help="Key file; never overwritten."
)
def open_(file: Path, identity_file: Path, out: Path) -> None:
    """Open a sealed linkage key.

    \b
    Example:
      pprl keys open linkage.key.age --identity my.key --out linkage.key
    """
    from pprl.package import Identity
    from pprl.site.keys import LinkageKey

    key = LinkageKey.load_sealed(file, Identity.load(identity_file))
    key.save(out)
    note(
        f"wrote {out} (secret): project {key.project}, epoch {key.epoch}, check {key.check_value}; "
        "compare the check value with the key authority's"
    )


def _facts(file: Path) -> dict[str, Any]:
    """What may be shown of a key file, whatever its kind."""
    from pprl.errors import KeyFileError
    from pprl.package import Identity, Recipient, SigningKey, VerifyKey
    from pprl.package.keyfiles import read_public_file
    from pprl.site.keys import LinkageKey

    if _begins_sealed(file):
        raise KeyFileError(f"{file}: is sealed; open it first with 'pprl keys open {file}'")
    lines = read_public_file(file, what="a key file")
    first = lines[0] if lines else ""
    if first.startswith("pprl-linkage-key"):
        key = LinkageKey.load(file)
        return {
            "type": "linkage key (secret)",
            "project": key.project,
            "epoch": key.epoch,
            "check": key.check_value,
        }
    if first.startswith("PPRL-SITE-KEY-"):
        return {"type": "site key (secret)", "public_key": str(SigningKey.load(file).verify_key)}
    if first.startswith("AGE-SECRET-KEY-"):
        return {"type": "identity (secret)", "public_key": str(Identity.load(file).recipient)}
    if first.startswith("pprlsite1"):
        return {"type": "public key of a site", "public_key": str(VerifyKey.load(file))}
    if first.startswith("age1"):
        return {"type": "public key of an identity", "public_key": str(Recipient.load(file))}
    raise KeyFileError(f"{file}: is not a key file of a kind known here")


def _begins_sealed(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as handle:
        return handle.read(len(_SEALED)) == _SEALED
