"""The command ``pprl-broker``: the honest broker's side."""

from __future__ import annotations

import click

from pprl import __version__
from pprl.console import LazyGroup, run

COMMANDS = {
    "keys": ("broker.cli.keys:keys", "Make the broker's keys."),
    "link": ("broker.cli.link:link", "Link the records of several packages and write match tables."),
    "store": ("broker.cli.store:store", "Make and keep the store: the broker's database and bulk data."),
    "party": ("broker.cli.party:party", "Administer parties: sites, researchers, operators."),
    "token": ("broker.cli.token:token", "Make, list and revoke the tokens that parties come with."),
    "project": ("broker.cli.project:project", "Administer projects, their members and datasets."),
    "permit": ("broker.cli.permit:permit", "Allow and forbid linkage: dataset by dataset, use by use."),
    "serve": ("broker.cli.serve:serve", "Serve the broker's API and console."),
    "work": ("broker.cli.serve:work", "Do the jobs of a store until told to stop."),
    "job": ("broker.cli.job:job", "Start, list, cancel and retry jobs."),
    "gen3": (
        "broker.cli.gen3:gen3",
        "Work with Gen3: credentials for its client, and crosswalks in metadata services.",
    ),
    "journal": ("broker.cli.journal:journal", "Read, sign and verify the journal."),
    "explain": ("broker.cli.explain:explain", "Explain why two records were linked, or why not."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pprl-broker")
def cli() -> None:
    """Match the tokens of several sites, holding no key to them.

    \b
    Once:           pprl-broker keys new
    For every run:  pprl-broker link
    To look closer: pprl-broker explain
    For a service:  pprl-broker serve, work, job, store, party, token, project, permit, journal
    """


def main() -> None:
    """Run ``pprl-broker`` and leave the process with its exit code."""
    run(cli)
