"""``pprl-broker gen3``: what Gen3 clients come with, and crosswalks in and out of metadata services."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from broker.cli.location import day_option, opened, store_options
from pprl.console import day, note, progress
from pprl.errors import PprlError

_FILE = click.Path(path_type=Path)
_service_options = (
    click.option("--mds", "url", required=True, metavar="URL", help="The commons: https://data.example.org"),
    click.option(
        "--token-file",
        type=_FILE,
        required=True,
        help="A token, or the credentials.json that the service gave you.",
    ),
)


@click.group()
def gen3() -> None:
    """Work with Gen3: credentials for its client, and crosswalks in metadata services."""


@gen3.command()
@click.argument("party")
@click.option("--url", required=True, help="Under which the client reaches this broker.")
@click.option("--name", default="gen3", show_default=True, help="What the token is called.")
@day_option("--until", required=True, text="Last day it is valid, 400 days from now at most.")
@click.option(
    "--out",
    type=_FILE,
    default="credentials.json",
    show_default=True,
    help="New file that only you may read.",
)
@store_options
def key(party: str, url: str, name: str, until: datetime, out: Path, where: str, files: Path | None) -> None:
    """Make a token for a party, in the form that the gen3 client wants.

    It lets the client read and write metadata records of the party, and fetch its releases; nothing else. Revoke it as
    any other token.

    \b
    Example:
      pprl-broker gen3 key cohort-lab --url https://broker.example.org --until 2027-06-30 --store store/
      gen3 --auth ./credentials.json objects crosswalk read
    """
    from broker.auth import issue
    from broker.auth.access import SCOPES, api_key
    from broker.governance import find_party
    from broker.journal import LOCAL
    from broker.service.context import Settings
    from pprl.files import new_file

    Settings(public_url=url)  # refuses what is no such address
    with new_file(out, mode=0o600, overwrite=False) as file:
        with opened(where, files) as store, store.begin() as session:
            found, now = find_party(session, party), store.clock()
            made, text = issue(
                session, found, name=name, scopes=sorted(SCOPES), expires_at=until, by=LOCAL, now=now
            )
            content = api_key(text, url=url, token_id=made.id, now=now, expires_at=until)
        file.write(json.dumps(content).encode() + b"\n")
    note(f"wrote {out} (secret) for {found.name}, until {day(until)}")


@gen3.command()
@click.argument("source", metavar="RELEASE_FOLDER|mds.json", type=_FILE)
@_service_options[0]
@_service_options[1]
@click.option(
    "--previous",
    type=_FILE,
    help="The release before: its records that this one has no more are deleted.",
)
@click.option(
    "--share",
    metavar="PROJECT|everybody|nobody",
    help="At a broker's service: who else may read the records.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def publish(
    source: Path, url: str, token_file: Path, previous: Path | None, share: str | None, as_json: bool
) -> None:
    """Publish the crosswalk of an opened release to a metadata service.

    Can be done again at any time: what is there already is compared and, where it differs, merged.

    \b
    Example:
      pprl-broker gen3 publish release-3/ --mds https://data.example.org --token-file credentials.json \\
          --previous release-2/
    """
    from dataclasses import asdict

    from broker.gen3.publication import publish as publish_records
    from broker.gen3.remote import MetadataService, read_records

    records = read_records(source)
    before = [] if previous is None else read_records(previous)
    with MetadataService(url, _read(token_file)) as service:
        done = publish_records(service, records, previous=before, share=share, progress=progress)
    if as_json:
        click.echo(json.dumps(asdict(done)))
    else:
        note(
            f"{done.n_created} records created, {done.n_updated} updated, {done.n_same} there already, "
            f"{done.n_deleted} deleted"
        )
    if done.n_refused or done.n_aliases_refused:
        raise PprlError(
            f"{done.n_refused} records were refused, as GUID or a value is another's; of {done.n_aliases_refused} more "
            "not all values could be made aliases"
        )


@gen3.command()
@click.argument("out", type=_FILE)
@_service_options[0]
@_service_options[1]
def read(out: Path, url: str, token_file: Path) -> None:
    """Read all crosswalks of a metadata service into a new folder OUT.

    One CSV for every combination of identifiers, without blanks, however many records there are: the gen3 client can
    publish each of them again.

    \b
    Example:
      pprl-broker gen3 read crosswalks/ --mds https://data.example.org --token-file credentials.json
    """
    from broker.gen3.documents import GUID_TYPE
    from broker.gen3.export import write_crosswalks
    from broker.gen3.remote import MetadataService
    from pprl.files import new_folder

    with MetadataService(url, _read(token_file)) as service, new_folder(out) as folder:
        counts = write_crosswalks(service.records(GUID_TYPE), folder)
    note(f"wrote {sum(counts.values())} rows in {len(counts)} files to {out}")


def _read(path: Path) -> str:
    from pprl.errors import KeyFileError

    try:
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path}: others can read it; run chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise KeyFileError(f"{path}: cannot be read") from None
