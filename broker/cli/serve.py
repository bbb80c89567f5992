"""``pprl-broker serve``: the broker as a service."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from broker.cli.location import make_store, store_options
from pprl.console import note
from pprl.errors import StoreExistsError

if TYPE_CHECKING:
    from broker.auth import Authenticator
    from broker.work import BrokerKeys

_PATH = click.Path(path_type=Path)
KEYS_VARIABLE = "PPRL_BROKER_KEYS"

_keys_option = click.option(
    "--keys",
    "keys_folder",
    envvar=KEYS_VARIABLE,
    type=_PATH,
    help=f"Folder of the broker's keys.  [default: keys/ beside the store's files; env: {KEYS_VARIABLE}]",
)


@click.command()
@store_options
@_keys_option
@click.option("--init", is_flag=True, help="Make the store and the keys where they are missing.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8440, show_default=True, help="0: any free one."
)
@click.option("--public-url", metavar="URL", help="How others reach it.  [default: http://HOST:PORT]")
@click.option("--tls-certificate", type=_PATH, help="PEM file; with --tls-key, to answer by https.")
@click.option("--tls-key", type=_PATH, help="PEM file.")
@click.option("--no-workers", is_flag=True, help="Only answer; jobs are done by pprl-broker work elsewhere.")
@click.option(
    "--logins", "logins_file", type=_PATH, help="TOML file of trusted login services; see docs/auth.md."
)
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE|URL",
    help="What callers with a login may do; a file, or an Arborist.",
)
@click.option(
    "--open-metadata", is_flag=True, help="Let parties publish metadata records that anybody may read."
)
@click.option(
    "--guid-prefix", default="", metavar="TEXT", help="Before the GUIDs of metadata records: dg.TEST/"
)
def serve(
    where: str,
    files: Path | None,
    keys_folder: Path | None,
    init: bool,
    host: str,
    port: int,
    public_url: str | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    no_workers: bool,
    logins_file: Path | None,
    policy_file: str | None,
    open_metadata: bool,
    guid_prefix: str,
) -> None:
    """Serve the broker's API and console.

    Answers on a loopback address unless told otherwise; put a server that speaks TLS in front of it, or give it a
    certificate. Long work is done by two processes beside it, one of them for everything but linkage, so that a long
    run holds nobody up. All can be killed at any time: what was begun is taken up again.

    \b
    Example:
      pprl-broker serve --store store/ --init
      pprl-broker party add operator "Broker's desk" --store store/
      pprl-broker token new "Broker's desk" --name desk --until 2027-01-31 --store store/
    """
    from broker.auth import AccessTokens
    from broker.logs import set_up
    from broker.service.app import create_app
    from broker.service.context import Broker, Settings
    from broker.service.listening import Listener, Tls
    from broker.store import locate, open_store
    from broker.work import BrokerKeys, Kind
    from broker.work.process import Supervisor

    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate and --tls-key go together")
    tls = None if tls_certificate is None or tls_key is None else Tls(tls_certificate, tls_key)
    authenticator = _authenticator(logins_file, policy_file)
    location = locate(where, files=files)
    keys_folder = keys_folder or location.folder / "keys"
    with Listener(host, port, tls=tls) as listener:
        settings = Settings(
            public_url=public_url or listener.url, open_metadata=open_metadata, guid_prefix=guid_prefix
        )
        if init:
            if not location.is_sqlite or not location.sqlite_path.exists():
                with suppress(StoreExistsError):
                    make_store(where, files)
            keys, made = BrokerKeys.make_missing(keys_folder)
            if made:
                note(
                    f"made {', '.join(made)} in {keys_folder}; keep a copy where the store's backups are not"
                )
        with open_store(where, files=files) as store:
            if not init:
                keys = _keys(keys_folder)
            if keys.access is not None:
                authenticator.access = AccessTokens(keys.access, settings.public_url)
            broker = Broker(store, keys, authenticator, settings)
            others = [kind for kind in Kind if kind is not Kind.LINK]
            supervisor = Supervisor(
                where, files, keys_folder, kinds=[] if no_workers else [list(Kind), others]
            )
            if listener.is_in_the_clear:
                note(
                    f"warning: {listener.url} can be reached from elsewhere, and tokens travel in the clear; use TLS"
                )
            note(f"the broker answers at {listener.url}; its console is at {listener.url}/console/")
            set_up()
            app = create_app(broker)
            try:
                supervisor.start()
                listener.serve(app)
            finally:
                supervisor.stop()


def _keys(folder: Path) -> BrokerKeys:
    from broker.work import BrokerKeys
    from pprl.errors import KeyFileError

    if not folder.is_dir():
        raise KeyFileError(f"{folder}: there are no keys of the broker; serve --init makes them")
    return BrokerKeys.load(folder)


def _authenticator(logins_file: Path | None, policy_file: str | None) -> Authenticator:
    from broker.auth import Arborist, Authenticator, LocalPolicy, LoginVerifier, read_issuers

    if logins_file is None:
        if policy_file is not None:
            raise click.UsageError("--policy is for callers with a login; give --logins as well")
        return Authenticator()
    policy = None
    if policy_file is not None:
        policy = Arborist(policy_file) if "://" in policy_file else LocalPolicy.load(policy_file)
    return Authenticator(logins=LoginVerifier(read_issuers(logins_file)), policy=policy)


@click.command()
@store_options
@_keys_option
@click.option(
    "--kinds",
    default="intake,link,release,withdraw",
    show_default=True,
    help="Kinds of jobs to do, with commas between them.",
)
def work(where: str, files: Path | None, keys_folder: Path | None, kinds: str) -> None:
    """Do the jobs of a store until told to stop.

    For machines beside the one that serves, on a store in PostgreSQL whose folder of files all of them see.

    \b
    Example:
      pprl-broker serve --store postgresql://broker@db/broker --files /srv/broker --no-workers
      pprl-broker work --store postgresql://broker@db/broker --files /srv/broker --kinds link
    """
    from broker.store import locate
    from broker.work import Kind
    from broker.work.process import work_until_stopped

    try:
        chosen = [Kind(kind.strip()) for kind in kinds.split(",")]
    except ValueError:
        raise click.UsageError(f"--kinds takes some of {', '.join(Kind)}") from None
    keys = _keys(keys_folder or locate(where, files=files).folder / "keys")
    work_until_stopped(where, files, keys, kinds=chosen)
