"""``pprl fetch``: a release from the broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pprl.cli.service import connected, json_option, project_option, resumable, service_options
from pprl.console import progress
from pprl.errors import NotFoundError, PprlError

if TYPE_CHECKING:
    from pprl.client import Client, Release

_PATH = click.Path(path_type=Path)


@click.command(no_args_is_help=True)
@click.option("--out", type=_PATH, required=True, help="Folder for the release as it is, sealed.")
@project_option("Name or id of the project, where you are in several.")
@click.option("--release", "asked", metavar="ID|NUMBER", help="Which release.  [default: the newest for you]")
@click.option(
    "--broker-key",
    help="The broker's public key of releases, release.pub or pprlrelease1... itself; without it, the one that the "
    "service names is believed.",
)
@click.option(
    "--open-to",
    type=_PATH,
    metavar="FOLDER",
    help="Unseal it too, as 'pprl open-release' does; needs --identity and --broker-key.",
)
@click.option("--identity", "identity_path", type=_PATH, help="Your secret key, that it is sealed to.")
@click.option(
    "--acknowledge",
    is_flag=True,
    help="Once it is opened, tell the broker that it is in use and what it took back is gone.",
)
@json_option
@service_options
def fetch(
    out: Path,
    project: str | None,
    asked: str | None,
    broker_key: str | None,
    open_to: Path | None,
    identity_path: Path | None,
    acknowledge: bool,
    as_json: bool,
    url: str | None,
    token_file: Path | None,
    allow_http: bool,
) -> None:
    """Fetch a release from the broker.

    The folder appears when every file is there and is what the signed release.json says. After a break the same command
    goes on where it was.

    \b
    Example:
      pprl fetch --out fetched/ --broker https://broker.example --token-file token
      pprl fetch --out fetched/ --open-to tables/ --identity my.key --broker-key release.pub --acknowledge
    """
    if open_to is not None and (identity_path is None or broker_key is None):
        raise click.UsageError("--open-to needs --identity and --broker-key")
    if open_to is None and identity_path is not None:
        raise click.UsageError("--identity is for --open-to, which is not given")
    if acknowledge and open_to is None:
        raise click.UsageError("--acknowledge needs --open-to; afterwards there is 'pprl acknowledge'")

    from pprl.files import check_output_folder
    from pprl.package import Identity
    from pprl.release import ReleaseVerifyKey, open_release

    identity = None if identity_path is None else Identity.load(identity_path)
    key = None if broker_key is None else ReleaseVerifyKey.find(broker_key)
    if open_to is not None:
        check_output_folder(open_to)
    with connected(url, token_file, allow_http) as client:
        release = _chosen(client, project, asked)
        with resumable():
            fetched = client.fetch(release, out, key=key, progress=progress)
        manifest = fetched.manifest
        if open_to is not None and identity is not None and key is not None:
            open_release(out, open_to, identity=identity, broker=key)
        if acknowledge:
            client.acknowledge(release.id)
    if as_json:
        document = {
            "folder": str(out),
            "release": manifest.release,
            "project": manifest.project,
            "number": manifest.number,
            "n_bytes": fetched.n_bytes,
            "was_there": fetched.was_there,
            "files": [file.sealed_name for file in manifest.files],
            "tables": None if open_to is None else str(open_to),
            "acknowledged": acknowledge,
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(
        f"release {manifest.number} of project {manifest.project}, {manifest.created:%Y-%m-%d %H:%M} UTC"
    )
    there = "were there already" if fetched.was_there else "are what was signed"
    click.echo(f"{out}: {len(manifest.files)} files, {fetched.n_bytes:,} bytes, {there}")
    if open_to is None:
        click.echo("open them with 'pprl open-release', then tell the broker with 'pprl acknowledge'")
    else:
        click.echo(f"{open_to}: its tables" + (", acknowledged" if acknowledge else ""))


def _chosen(client: Client, project: str | None, asked: str | None) -> Release:
    """The release that is meant."""
    from pprl.client.fitting import is_of
    from pprl.client.overview import newest

    me = client.me()
    of_project = None if project is None else client.project(project)
    releases = client.releases(project=None if of_project is None else of_project.id)
    mine = [one for one in releases if is_of(one.recipient, me)]
    found = newest(mine, me) if asked is None else [one for one in mine if asked in (one.id, str(one.number))]
    where = "" if of_project is None else f" of project {of_project.name}"
    if not found:
        which = "release" if asked is None else "such release"
        raise NotFoundError(
            f"{client.url}: there is no {which}{where} for {me.party.name} yet; 'pprl status' shows what there is"
        )
    if len(found) > 1:
        names = {one.id: one.name for one in client.projects()}
        listed = ", ".join(sorted(names.get(one.project, one.project) for one in found))
        raise PprlError(f"there are releases of several projects for you; name one by --project: {listed}")
    return found[0]
