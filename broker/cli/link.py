"""``pprl-broker link``: from packages to a match table."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pprl.console import note, progress


@click.command(no_args_is_help=True)
@click.argument("packages", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--identity",
    required=True,
    type=click.Path(path_type=Path),
    help="The broker's key file, as of pprl-broker keys new.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write; an earlier run is replaced.",
)
@click.option(
    "--trust",
    multiple=True,
    metavar="SITE.pub",
    help="A site's public key, file or text; repeat for every site. Without it any signature counts, and you are told "
    "whose it was.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0.01, 0.999),
    default=0.5,
    show_default=True,
    help="Least probability of a link.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of all samples; same inputs and seed, same links."
)
@click.option(
    "--register",
    "register_path",
    type=click.Path(path_type=Path),
    help="File that remembers the latest delivery of each dataset, so that older ones are refused.  "
    "[default: IDENTITY with the ending .register.json]",
)
@click.option("--json", "as_json", is_flag=True, help="Print quality.json to stdout in place of the summary.")
def link(
    packages: tuple[Path, ...],
    identity: Path,
    out: Path,
    trust: tuple[str, ...],
    threshold: float,
    seed: int,
    register_path: Path | None,
    as_json: bool,
) -> None:
    """Link the records of two or more token packages.

    All packages must be of one project, epoch, schema and linkage key, and sealed to this broker. Every two datasets
    are compared; a dataset whose site does not vouch for one row a person is compared with itself as well. Writes
    links.csv and entities.csv (with Parquet twins), quality.json, and report.html to look at.

    \b
    Example:
      pprl-broker link a.pprl b.pprl --identity broker.key --trust a.site.pub --trust b.site.pub --out run/
    """
    from broker.intake import Register, take_in
    from broker.matching.pipeline import link as link_datasets
    from broker.release import write_run
    from pprl.files import check_output_folder
    from pprl.package import Identity, VerifyKey

    check_output_folder(out)
    own = Identity.load(identity)
    trusted = [VerifyKey.find(text) for text in trust] if trust else None
    register = Register(register_path or identity.with_suffix(".register.json"))
    began = time.perf_counter()
    now = datetime.now(UTC)
    total = sum(path.stat().st_size for path in packages if path.exists())
    with progress("opening packages", total, unit="bytes") as advance:
        deliveries = take_in(packages, own, trusted=trusted, register=register, now=now, advance=advance)
    datasets = [delivery.dataset for delivery in deliveries]
    if trusted is None:
        for delivery in deliveries:
            note(
                f"{delivery.path}: signed by {delivery.manifest.signer}; check it with the site, or use --trust"
            )
    intake_seconds = time.perf_counter() - began
    linkage = link_datasets(datasets, threshold=threshold, seed=seed, progress=progress)
    manifests = [delivery.manifest for delivery in deliveries]
    quality = write_run(linkage, manifests, out, seed=seed, intake_seconds=intake_seconds, now=now)
    for comparison in quality["comparisons"]:
        for doubt in comparison["doubts"]:
            note(f"warning: {comparison['left']} x {comparison['right']}: {doubt}")
    click.echo(json.dumps(quality, indent=1) if as_json else _summary(quality, out))


def _summary(quality: dict[str, Any], out: Path) -> str:
    counts = quality["counts"]
    lines = []
    for comparison in quality["comparisons"]:
        estimate = comparison["estimate"]
        lines.append(f"{comparison['left']} x {comparison['right']}: {comparison['links']:,} links")
        for name in ("precision", "recall"):
            value = estimate[name]
            lines.append(
                f"  estimated {name:9} {value['value']:.4f}  (95 % interval {value['low']:.4f} to {value['high']:.4f})"
            )
    several = sum(n for size, n in counts["entities_by_size"].items() if int(size) > 1)
    lines.append(
        f"{counts['records']:,} records are {counts['entities']:,} entities, {several:,} of them of several records"
    )
    lines.append(f"written: {out}/links.csv, entities.csv, quality.json; look at {out}/report.html")
    return "\n".join(lines)
