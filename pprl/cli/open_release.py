"""``pprl open-release``: from a release as it was fetched to its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pprl.release import Opened

_PATH = click.Path(path_type=Path)


@click.command("open-release", no_args_is_help=True)
@click.argument("release", type=_PATH, metavar="FOLDER")
@click.option(
    "--identity", "identity_path", type=_PATH, required=True, help="Your secret key, that it is sealed to."
)
@click.option(
    "--broker",
    required=True,
    help="The broker's public key of releases: release.pub, or pprlrelease1... itself.",
)
@click.option("--out", type=_PATH, required=True, help="Folder to write the tables to.")
@click.option(
    "--apply-to",
    "previous",
    type=_PATH,
    metavar="FOLDER",
    help="The tables of the release before: apply the delta to them instead of unsealing the whole table.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def open_release(
    release: Path, identity_path: Path, broker: str, out: Path, previous: Path | None, as_json: bool
) -> None:
    """Unseal a release, check it, and write its tables.

    FOLDER is where the release was fetched to: release.json and the sealed files. Writes matches.csv and .parquet (who
    is whom), superseded.csv (entity GUIDs that are no more) and what else the release has. A release whose signature,
    seal or digests are wrong gives nothing.

    \b
    Example:
      pprl open-release fetched/ --identity me.key --broker release.pub --out release-1/
      pprl open-release fetched/ --identity me.key --broker release.pub --apply-to release-1/ --out release-2/
    """
    from pprl.package import Identity
    from pprl.release import ReleaseVerifyKey
    from pprl.release import open_release as run

    opened = run(
        release,
        out,
        identity=Identity.load(identity_path),
        broker=ReleaseVerifyKey.find(broker),
        previous=previous,
    )
    if as_json:
        click.echo(json.dumps(_document(opened), indent=2))
        return
    for line in _summary(opened):
        click.echo(line)


def _summary(opened: Opened) -> Iterator[str]:
    manifest, counts = opened.manifest, opened.manifest.counts
    yield f"release {manifest.number} of project {manifest.project}, {manifest.created:%Y-%m-%d %H:%M} UTC"
    yield f"{counts['rows']:,} rows of {counts['entities']:,} people, from {', '.join(sorted(manifest.datasets))}"
    if counts["withheld"]:
        n = counts["withheld"]
        yield f"{n:,} rows withheld: further ones of a person, in a dataset that you may not deduplicate"
    if manifest.base is not None:
        how = "the delta was applied to" if opened.applied else "against"
        yield (
            f"{how} release {manifest.base.number}: {counts['added']:,} rows added, {counts['changed']:,} moved to "
            f"another entity, {counts['removed']:,} removed; {counts['superseded']:,} GUIDs superseded, "
            f"{counts['ended']:,} ended"
        )
    yield ""
    yield f"{opened.folder / 'matches.csv'}: who is whom; {opened.folder / 'superseded.csv'}: GUIDs that are no more"
    if counts["removed"] or counts["ended"]:
        yield "delete the removed rows from all your copies, then acknowledge the release to the broker"


def _document(opened: Opened) -> dict[str, Any]:
    manifest = opened.manifest
    return {
        "folder": str(opened.folder),
        "applied": opened.applied,
        "release": manifest.release,
        "project": manifest.project,
        "number": manifest.number,
        "base": None if manifest.base is None else manifest.base.number,
        "datasets": dict(manifest.datasets),
        "counts": dict(manifest.counts),
        "created": f"{manifest.created:%Y-%m-%dT%H:%M:%SZ}",
    }
