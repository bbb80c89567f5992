"""What holds for every command: help, an example, speed, exit codes, one-line errors."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import broker.cli
import pprl.cli

WITH_EXAMPLE = {
    *("keys", "schema", "inspect", "tokenise", "open-release", "link", "explain"),
    *("register", "submit", "status", "fetch", "acknowledge", "withdraw"),
    *("store", "party", "project", "permit", "journal", "gen3"),
}
PROGRAMS = {"pprl": pprl.cli, "pprl-broker": broker.cli}


def there_are(program: str) -> list[str]:
    """Names of the commands whose module is there."""
    return [
        name
        for name, (home, _) in PROGRAMS[program].COMMANDS.items()
        if importlib.util.find_spec(home.partition(":")[0]) is not None
    ]


def leaves(program: str) -> list[tuple[str, ...]]:
    """Every command that does something, as typed."""
    found = []
    context = click.Context(PROGRAMS[program].cli)
    for name in there_are(program):
        command = PROGRAMS[program].cli.get_command(context, name)
        if isinstance(command, click.Group):
            found += [(program, name, sub) for sub in command.list_commands(context)]
        else:
            found.append((program, name))
    return found


@pytest.mark.parametrize("words", leaves("pprl") + leaves("pprl-broker"), ids=" ".join)
def test_every_command_has_help(words):
    program, *names = words
    result = CliRunner().invoke(PROGRAMS[program].cli, [*names, "--help"], prog_name=program)
    assert result.exit_code == 0
    if words[1] in WITH_EXAMPLE:
        assert f"Example:\n    {' '.join(words)} " in result.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_list_says_what_the_commands_say(program):
    group = PROGRAMS[program].cli
    context = click.Context(group)
    for name in there_are(program):
        own = group.get_command(context, name).get_short_help_str(limit=200)
        assert own.split()[:3] == group.lazy[name][1].split()[:3]
    listed = CliRunner().invoke(group, ["-h"]).stdout
    for name, line in PROGRAMS[program].COMMANDS.values():
        assert line in " ".join(listed.split())
        assert name.startswith(("pprl.cli.", "broker.cli."))
    assert group.get_command(context, "nothing") is None


@pytest.mark.parametrize("program", ["pprl.cli", "broker.cli"])
def test_help_imports_nothing_heavy(program):
    script = (
        f"import sys; sys.argv = ['x', '--help']\nfrom {program} import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'scipy', 'numba', 'matplotlib', 'pydantic', 'cryptography', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert done.stderr == ""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    script = f"import sys; sys.argv[0] = {args[0]!r}; from {PROGRAMS[args[0]].__name__} import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *args[1:]], capture_output=True, text=True, check=False
    )


def test_exit_codes(tmp_path):
    secret = str(tmp_path / "broker.key")
    done = run("pprl-broker", "keys", "new", "--out", secret)
    assert (done.returncode, done.stdout.startswith("age1")) == (0, True)
    bad = run("pprl-broker", "keys", "new", "--out", secret)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == f"error: {secret}: exists already; keys are never overwritten, choose another name\n"
    wrong = run("pprl", "keys", "new")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--project" in wrong.stderr
    assert run("pprl", "nothing").returncode == 2
    assert run("pprl", "--version").stdout.startswith("pprl, version ")
