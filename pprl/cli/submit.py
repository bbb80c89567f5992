"""``pprl submit``: a package to the broker."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from pprl.cli.service import connected, json_option, project_option, resumable, service_options
from pprl.console import progress
from pprl.errors import PprlError


@click.command(no_args_is_help=True)
@click.argument("package", type=click.Path(path_type=Path))
@project_option("Name or id of the only project that will do.  [default: the package's own]")
@click.option("--no-wait", is_flag=True, help="Leave once it is sent; 'pprl status' tells what became of it.")
@json_option
@service_options
def submit(
    package: Path,
    project: str | None,
    no_wait: bool,
    as_json: bool,
    url: str | None,
    token_file: Path | None,
    allow_http: bool,
) -> None:
    """Send a package to the broker and hear whether it is accepted.

    What does not fit is told before anything is sent: the project, its schema, the dataset, your signing key, the
    broker's key. After a break, whatever broke, the same command goes on where it was; until it is done, the file
    PACKAGE.upload.json stands beside the package. Exit code 1 where the broker refuses it.

    \b
    Example:
      pprl submit clinic-a.pprl --broker https://broker.example --token-file token
    """
    with connected(url, token_file, allow_http) as client, resumable():
        sent = client.submit(package, project=project, wait=not no_wait, progress=progress)
    if as_json:
        click.echo(json.dumps(asdict(sent)))
    if sent.state == "refused":
        raise PprlError(f"{package}: the broker refused it: {sent.refusal or 'it gives no reason'}")
    if not as_json:
        what = f"delivery {sent.sequence} of {sent.dataset}, {sent.n_records:,} records"
        click.echo(f"{package}: {what}, is {sent.state}")
        if sent.state == "sent":
            click.echo("'pprl status' tells whether the broker accepts it")
