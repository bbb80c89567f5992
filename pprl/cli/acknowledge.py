"""``pprl acknowledge``: a recipient tells the broker that a release is in use."""

from __future__ import annotations

from pathlib import Path

import click

from pprl.cli.service import connected, service_options


@click.command(no_args_is_help=True)
@click.argument("release", metavar="ID|FOLDER")
@service_options
def acknowledge(release: str, url: str | None, token_file: Path | None, allow_http: bool) -> None:
    """Tell the broker that a release is in use.

    Name it by its id, or by the folder that it was fetched or opened to. By it you say that the rows it took back are
    gone from all your copies: sites that withdrew records wait for that. All releases before it count as acknowledged
    too.

    \b
    Example:
      pprl acknowledge tables/ --broker https://broker.example --token-file token
    """
    from pprl.release import ReleaseVerifyKey, load_manifest
    from pprl.release.manifest import MANIFEST_FILE

    with connected(url, token_file, allow_http) as client:
        if Path(release).is_dir():
            key = ReleaseVerifyKey.parse(client.broker().release_key)
            release = load_manifest(Path(release) / MANIFEST_FILE, key).release
        done = client.acknowledge(release)
    click.echo(f"release {done.number} is acknowledged")
