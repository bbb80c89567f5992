"""The demonstration behind ``make demo-service``: the packages of ``make demo`` by way of a broker's service.

A broker is started on a loopback address; two sites submit, a run is asked for, a researcher fetches and opens its
release. Every command is shown. Then the console stays open for a look, until Ctrl-C.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console

from benchmarks.demo import FOLDER, Shell, fresh_folder
from pprl.console import run as run_command
from pprl.errors import PprlError

_PROJECT, _SITES, _RESEARCHER, _OPERATOR = "febrl4", ("clinic", "registry"), "researcher", "desk"
_STARTS_WITHIN_S, _JOB_WITHIN_S = 60, 300


@click.command()
@click.option("--port", type=int, default=8440, show_default=True, help="Of the broker, on 127.0.0.1.")
@click.option(
    "--exit", "leave", is_flag=True, help="End when all is done instead of keeping the console open."
)
def main(port: int, leave: bool) -> None:
    """Link the packages of ``make demo`` by way of a broker's service, and keep its console open."""
    console = Console(highlight=False)
    packages = FOLDER / _PROJECT
    if not (packages / "clinic.pprl").exists():
        raise PprlError(f"{packages}: has no packages; run `make demo` first")
    folder = fresh_folder(FOLDER / "service")
    (folder / "keys").mkdir(mode=0o700)
    for name in ("broker.key", "broker.pub"):  # the packages are sealed to it
        shutil.copy2(packages / name, folder / "keys" / name)
    url = f"http://127.0.0.1:{port}"
    shell = Shell(folder, console)
    with _service(folder, port, console):
        _wait_for(url)
        _round(shell, folder, url)
        console.print(
            f"\nThe console is at [bold]{url}/console/[/]; sign in with what is in demo/service/{_OPERATOR}.token",
            soft_wrap=True,
        )
        console.print(
            "The researcher's tables are in demo/service/tables, the log in demo/service/service.log."
        )
        if not leave:
            console.print("Ctrl-C ends it.")
            with suppress(KeyboardInterrupt):
                time.sleep(12 * 3600)


def _round(shell: Shell, folder: Path, url: str) -> None:
    """All that parties and broker do, in order."""
    broker = shell.within(PPRL_BROKER_STORE="store")
    until = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
    packages = Path("..") / _PROJECT
    broker("pprl-broker", "party", "add", "operator", _OPERATOR)
    broker("pprl-broker", "project", "create", str(packages / "linkage.toml"))
    for site in _SITES:
        broker("pprl-broker", "party", "add", "site", site, "--key", str(packages / f"{site}.site.pub"))
        broker("pprl-broker", "project", "member", _PROJECT, site, "--role", "contributor")
        broker("pprl-broker", "project", "dataset", _PROJECT, site, "--site", site)
    shell("pprl", "keys", "identity", "--out", f"{_RESEARCHER}.key")
    add = ("pprl-broker", "party", "add", "researcher", _RESEARCHER)
    broker(*add, "--recipient", f"{_RESEARCHER}.pub")
    broker("pprl-broker", "project", "member", _PROJECT, _RESEARCHER, "--role", "recipient")
    grant = ("pprl-broker", "permit", "grant", _PROJECT, "link", *_SITES)
    broker(*grant, "--approver", _OPERATOR, "--to", _RESEARCHER, "--until", until)
    for party in (_OPERATOR, *_SITES, _RESEARCHER):
        token = ("pprl-broker", "token", "new", party, "--name", "demo", "--until", until)
        broker(*token, "--out", f"{party}.token")
    for site in _SITES:
        at_site = shell.within(PPRL_BROKER_URL=url, PPRL_TOKEN_FILE=f"{site}.token")
        at_site("pprl", "submit", str(packages / f"{site}.pprl"))
    broker("pprl-broker", "job", "link", _PROJECT, "--as", _OPERATOR)
    broker("pprl-broker", "job", "release", _PROJECT, _RESEARCHER, "--as", _OPERATOR)
    _wait_for_jobs(folder)
    researcher = shell.within(PPRL_BROKER_URL=url, PPRL_TOKEN_FILE=f"{_RESEARCHER}.token")
    opened = ("--open-to", "tables", "--identity", f"{_RESEARCHER}.key", "--broker-key", "keys/release.pub")
    researcher("pprl", "fetch", "--out", "fetched", *opened)
    researcher("pprl", "acknowledge", "tables")
    researcher("pprl", "status")
    broker("pprl-broker", "journal", "verify")


@contextmanager
def _service(folder: Path, port: int, console: Console) -> Iterator[None]:
    """The broker's service beside this process, for as long as the block lasts."""
    command = ["pprl-broker", "serve", "--store", "store", "--keys", "keys", "--init", "--port", str(port)]
    console.print(f"[dim]$[/] [bold]{' '.join(command)} &[/]")
    program = Path(sys.executable).with_name(command[0])
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen([str(program), *command[1:]], cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(url: str) -> None:
    end = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > end:
                raise PprlError(
                    "the broker does not answer; demo/service/service.log may tell why (another --port?)"
                ) from None
            time.sleep(0.2)


def _wait_for_jobs(folder: Path) -> None:
    program = Path(sys.executable).with_name("pprl-broker")
    end = time.monotonic() + _JOB_WITHIN_S
    while True:
        listed = subprocess.run(
            [str(program), "job", "list", "--json", "--store", "store"],
            cwd=folder,
            capture_output=True,
            check=True,
        )
        jobs = json.loads(listed.stdout)
        failed = [job for job in jobs if job["state"] in ("failed", "cancelled")]
        if failed:
            raise PprlError(f"the job {failed[0]['kind']} {failed[0]['state']}: {failed[0]['error']}")
        if all(job["state"] == "done" for job in jobs):
            return
        if time.monotonic() > end:
            raise PprlError("a job takes too long; demo/service/service.log may tell why")
        time.sleep(0.5)


if __name__ == "__main__":
    run_command(main)
