"""``pprl-broker journal``: read the journal, sign it, and find out whether it was changed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from broker.cli.location import opened, store_options
from pprl.console import note, progress

_PATH = click.Path(path_type=Path)


@click.group()
def journal() -> None:
    """Read, sign and verify the journal."""


@journal.command()
@click.option("--out", type=_PATH, default="journal.key", show_default=True, help="Secret key file.")
def key(out: Path) -> None:
    """Make the key that signs checkpoints.

    Writes the secret key and, beside it, NAME.pub, which those get who check the journal. Keep the secret key where the
    administrators of the database cannot read it.

    \b
    Example:
      pprl-broker journal key --out journal.key
    """
    from broker.journal import JournalKey

    made = JournalKey.new()
    public = made.save_pair(out)
    note(f"wrote {out} (secret, stays here) and {public} (for those who check the journal)")
    click.echo(made.public_half)


@journal.command()
@click.option("--key", "key_path", type=_PATH, required=True, help="Key file of pprl-broker journal key.")
@click.option("--out", type=_PATH, help="File to append the checkpoint to as well; best on another machine.")
@store_options
def checkpoint(key_path: Path, out: Path | None, where: str, files: Path | None) -> None:
    """Sign the journal as it stands.

    The checkpoint goes into the store, to stdout, and to the end of --out. One that was carried elsewhere shows later
    whether the journal was cut or written anew.

    \b
    Example:
      pprl-broker journal checkpoint --key journal.key --store store/ --out /mnt/other/checkpoints
    """
    from broker.journal import JournalKey, make_checkpoint
    from pprl.errors import PprlError

    secret = JournalKey.load(key_path)
    with opened(where, files) as store, store.begin() as session:
        made = make_checkpoint(session, secret, now=store.clock())
    click.echo(made.to_line())
    if out is not None:
        try:
            with out.open("a", encoding="ascii") as file:
                file.write(made.to_line() + "\n")
        except OSError as error:
            raise PprlError(f"{out}: cannot be written ({error.strerror})") from None
    note(f"signed {made.n} entries")


@journal.command()
@click.option("--checkpoints", type=_PATH, help="File of checkpoints from elsewhere.")
@click.option(
    "--trust",
    multiple=True,
    metavar="JOURNAL.pub",
    help="Public key of those that may sign, file or text; repeat for several. Without it any signature counts, and "
    "you are told whose it was.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def verify(
    checkpoints: Path | None, trust: tuple[str, ...], as_json: bool, where: str, files: Path | None
) -> None:
    """Find out whether the journal was changed, and where.

    The chain of hashes shows any edit, insertion, exchange or gap. That the journal was cut at its end, or written anew
    as a whole, only checkpoints from elsewhere can show.

    \b
    Example:
      pprl-broker journal verify --store store/ --checkpoints /mnt/other/checkpoints --trust journal.pub
    """
    from sqlalchemy import func, select

    from broker.journal import JournalVerifyKey, read_checkpoints
    from broker.journal import verify as verify_journal
    from broker.store.tables import JournalEntry
    from pprl.errors import JournalError

    others = [] if checkpoints is None else read_checkpoints(checkpoints)
    trusted = [JournalVerifyKey.find(text) for text in trust] if trust else None
    with opened(where, files) as store, store.read() as session:
        total = session.scalar(select(func.count()).select_from(JournalEntry))
        with progress("verifying", total, unit="entries") as advance:
            found = verify_journal(session, checkpoints=others, trusted=trusted, advance=advance)
    if as_json:
        facts = {
            "entries": found.n_entries,
            "last_hash": found.last_hash,
            "checkpoints": found.n_checkpoints,
            "covered": found.covered,
            "signers": found.signers,
            "faults": [{"entry": fault.number, "what": fault.what} for fault in found.faults],
        }
        click.echo(json.dumps(facts))
    else:
        for fault in found.faults:
            click.echo(fault)
    if found.faults:
        raise JournalError(f"the journal was changed: {found.faults[0]}")
    if as_json:
        return
    click.echo(f"{found.n_entries} entries as they were written; signed up to entry {found.covered}")
    if trusted is None:
        for signer in found.signers:
            note(f"signed by {signer}; check whose key that is, or use --trust")
    if checkpoints is None:
        note("without --checkpoints from elsewhere, nothing can be said of a cut at the end")


@journal.command()
@click.option("--since", type=click.IntRange(1), default=1, show_default=True, help="First entry shown.")
@click.option("--project", help="Only entries of a project, by name or id.")
@click.option("--json", "as_json", is_flag=True, help="The entries as they are, one in a line.")
@store_options
def show(since: int, project: str | None, as_json: bool, where: str, files: Path | None) -> None:
    """Show the entries of the journal.

    \b
    Example:
      pprl-broker journal show --store store/ --since 100
    """
    from sqlalchemy import select

    from broker.governance import find_project
    from broker.store.tables import JournalEntry

    with opened(where, files) as store, store.read() as session:
        wanted = None if project is None else find_project(session, project).id
        statement = select(JournalEntry).where(JournalEntry.number >= since).order_by(JournalEntry.number)
        for row in session.scalars(statement.execution_options(yield_per=1000)):
            try:
                entry = json.loads(row.body)
                subjects = entry.get("subjects", {})
                line = " ".join([entry["at"], entry["by"], entry["act"], *_details(entry)])
            except (ValueError, LookupError, TypeError, AttributeError):
                subjects, line = {}, "is not readable; run pprl-broker journal verify"
            if wanted is None or wanted in subjects.values():
                click.echo(row.body if as_json else f"{row.number} {line}")


def _details(entry: dict[str, dict[str, object]]) -> list[str]:
    kinds = ("subjects", "words", "counts", "digests")
    return [f"{name}={value}" for kind in kinds for name, value in entry.get(kind, {}).items()]
