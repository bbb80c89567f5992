"""A small hospital's folder, and the command with its usual options."""

from __future__ import annotations

from click.testing import CliRunner

from pprl.cli import cli
from pprl.package import Identity
from pprl.site.keys import LinkageKey

SCHEMA = """
[linkage]
project = "heart"
epoch = "2026"
fields = ["given_name", "surname", "birth_date", "sex"]
"""
PATIENTS = """MRN,given_name,surname,birth_date,sex
7,Anna,Weber,1980-05-03,F
9,Bela,Kun,1951-12-31,M
11,,Weber,2000-02-29,
13,UNKNOWN,Curie,11/07/1867,F
"""
KEY = LinkageKey("heart", "2026", b"\x03" * 32)
BROKER = Identity(b"\x02" * 32)
GIVEN = {"linkage.toml", "linkage.key", "broker.pub", "in.csv"}
ASKED = {
    "--schema": "linkage.toml",
    "--key": "linkage.key",
    "--dataset": "clinic",
    "--recipient": "broker.pub",
    "--out": "out.pprl",
    "--id": "MRN",
}


def call(*inputs, flags=(), **changes):
    """Run it with the usual options, some of them changed: ``date_order="dmy"``."""
    options = ASKED | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return CliRunner().invoke(cli, ["tokenise", *(inputs or ["in.csv"]), *words, *flags])


def well(*inputs, **changes):
    result = call(*inputs, **changes)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def names(folder):
    return {path.name for path in folder.iterdir()}
