"""``pprl-broker store``: make, upgrade, check, keep and bring back the broker's store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from broker.cli.location import make_store, opened, store_options
from pprl.console import note, progress


@click.group()
def store() -> None:
    """Make and keep the store: the broker's database and bulk data."""


@store.command()
@store_options
def init(where: str, files: Path | None) -> None:
    """Make a store where there is none.

    \b
    Example:
      pprl-broker store init --store store/
    """
    make_store(where, files)


@store.command()
@store_options
def upgrade(where: str, files: Path | None) -> None:
    """Bring an older store to this program's version.

    All of it is done or nothing. Stop the service and take a backup before.

    \b
    Example:
      pprl-broker store upgrade --store store/
    """
    from broker.journal import LOCAL, append
    from broker.store import upgrade_store

    before, after = upgrade_store(where, files=files)
    if before == after:
        note(f"the store has version {after} already")
        return
    with opened(where, files) as made, made.begin() as session:
        append(
            session,
            "store.upgraded",
            by=LOCAL,
            now=made.clock(),
            words={"version": after, "from": before or "none"},
        )
    note(f"upgraded the store from version {before} to {after}")


@store.command()
@store_options
def check(where: str, files: Path | None) -> None:
    """Check database, bulk files and journal.

    Reads every bulk file. For a journal that somebody may have cut, see pprl-broker journal verify.

    \b
    Example:
      pprl-broker store check --store store/
    """
    from sqlalchemy import func, select

    from broker.journal import verify
    from broker.store.tables import StoredFile
    from pprl.errors import StoreError

    with opened(where, files) as made:
        faults = [f"database: {fault}" for fault in made.check_database()]
        with made.read() as session:
            n_files, n_bytes = session.execute(
                select(func.count(), func.coalesce(func.sum(StoredFile.n_bytes), 0))
            ).one()
        with progress("reading files", int(n_bytes), unit="bytes") as advance:
            faults += [
                f"bulk file {fault.sha256}: {fault.what}" for fault in made.files.check(advance=advance)
            ]
        with made.read() as session:
            found = verify(session)
        faults += [f"journal: {fault}" for fault in found.faults]
    for fault in faults:
        click.echo(fault)
    if faults:
        raise StoreError(f"{made.location}: {len(faults)} faults, listed above")
    note(f"sound: {n_files} bulk files, {found.n_entries} entries in the journal")


@store.command()
@click.argument("out", type=click.Path(path_type=Path))
@store_options
def backup(out: Path, where: str, files: Path | None) -> None:
    """Write a backup to a new folder OUT.

    The service may be running: what is written is one state of it all. The folder holds sealed packages and record
    GUIDs; keep it as you keep the store.

    \b
    Example:
      pprl-broker store backup /mnt/backup/2026-03-01 --store store/
    """
    from sqlalchemy import func, select

    from broker.journal import LOCAL, append
    from broker.store.backup import write_backup
    from broker.store.tables import StoredFile

    with opened(where, files) as made:
        with made.read() as session:
            n_bytes = session.scalar(select(func.sum(StoredFile.n_bytes)))
        with progress("copying files", int(n_bytes or 0), unit="bytes") as advance:
            content = write_backup(made, out, now=datetime.now(UTC), advance=advance)
        n_rows = sum(table["rows"] for table in content["tables"])
        n_files = content["files"]["number"]
        with made.begin() as session:
            counts = {"rows": n_rows, "files": n_files}
            append(session, "store.backed-up", by=LOCAL, now=made.clock(), counts=counts)
    note(f"wrote {out}: {n_rows} rows, {n_files} bulk files")


@store.command()
@click.argument("backup_folder", metavar="IN", type=click.Path(path_type=Path))
@store_options
def restore(backup_folder: Path, where: str, files: Path | None) -> None:
    """Make a store from the backup in folder IN.

    There must be no store yet. The backup may come from the other kind of database: this is the way from SQLite to
    PostgreSQL and back.

    \b
    Example:
      pprl-broker store restore /mnt/backup/2026-03-01 --store store/
    """
    from broker.journal import LOCAL, append
    from broker.store.backup import restore as restore_backup

    with progress("copying files", None, unit="bytes") as advance:
        made = restore_backup(where, backup_folder, files=files, advance=advance)
    with made, made.begin() as session:
        append(session, "store.restored", by=LOCAL, now=made.clock())
    note(f"restored the store in {made.location}; now run pprl-broker store check")
