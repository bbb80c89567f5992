"""The command ``pprl``: keys and schemas, the site's tokens, and the downstream analysis."""

from __future__ import annotations

import click

from pprl import __version__
from pprl.console import LazyGroup, run

COMMANDS = {
    "keys": ("pprl.cli.keys:keys", "Make, show and hand over keys."),
    "schema": ("pprl.cli.schema:schema", "Begin, check and show a linkage schema."),
    "tokenise": ("pprl.cli.tokenise:tokenise", "Turn a site's identifiers into a sealed token package."),
    "inspect": ("pprl.cli.inspect:inspect", "Show what a package says of itself; needs no key."),
    "open-release": (
        "pprl.cli.open_release:open_release",
        "Unseal a release, check it, and write its tables.",
    ),
    "register": ("pprl.cli.register:register", "Tell the broker your public keys."),
    "submit": ("pprl.cli.submit:submit", "Send a package to the broker and hear whether it is accepted."),
    "status": ("pprl.cli.status:status", "Show how things stand at the broker."),
    "fetch": ("pprl.cli.fetch:fetch", "Fetch a release from the broker."),
    "acknowledge": ("pprl.cli.acknowledge:acknowledge", "Tell the broker that a release is in use."),
    "withdraw": ("pprl.cli.withdraw:withdraw", "Take records of patients back, for ever."),
    "represent": ("pprl.cli.represent:represent", "Measure how representative a linked cohort is."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pprl")
def cli() -> None:
    """Link records of several sites without showing anybody a name.

    \b
    At the key authority:  pprl keys new
    At every site:         pprl keys site, pprl tokenise, pprl submit
    In the enclave:        pprl fetch, pprl open-release, pprl represent
    Towards the broker:    pprl register, pprl status, pprl acknowledge, pprl withdraw
    """


def main() -> None:
    """Run ``pprl`` and leave the process with its exit code."""
    run(cli)
