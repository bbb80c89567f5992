"""``pprl-broker link``: from packages to a match table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.console import note, progress

if TYPE_CHECKING:
    from broker.engines import Engine
    from broker.matching.plan import Candidates
    from pprl.package import Manifest


@click.command(no_args_is_help=True)
@click.argument("packages", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--identity",
    type=click.Path(path_type=Path),
    help="The broker's key file, as of pprl-broker keys new.",
)
@click.option(
    "--out",
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
    "--candidates",
    type=click.Choice(["auto", "all", "keys", "lsh"]),
    default="auto",
    show_default=True,
    help="Compare all pairs by filter; or only those that share a match key, with a probe that tells what the keys "
    "miss; or those that share a key or meet by locality-sensitive hashing. By itself it compares all up to about half "
    "an hour's work on two cores.",
)
@click.option(
    "--plan", "plan_only", is_flag=True, help="Say what would be compared, and how long it would take."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where to compare: this machine, or a Spark cluster; the result is the same.",
)
@click.option("--spark-master", metavar="URL", help="Of the cluster.  [default: this machine's cores]")
@click.option(
    "--spark-shared",
    type=click.Path(path_type=Path),
    help="Folder that this machine and all executors of the cluster see; holds tokens while the run lasts.",
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
@click.option("--json", "as_json", is_flag=True, help="Print quality.json, or the plan, to stdout as JSON.")
def link(
    packages: tuple[Path, ...],
    identity: Path | None,
    out: Path | None,
    trust: tuple[str, ...],
    threshold: float,
    candidates: Candidates,
    plan_only: bool,
    engine: str,
    spark_master: str | None,
    spark_shared: Path | None,
    seed: int,
    register_path: Path | None,
    as_json: bool,
) -> None:
    """Link the records of two or more token packages.

    All packages must be of one project, epoch, schema and linkage key, and sealed to this broker. Every two datasets
    are compared; a dataset whose site does not vouch for one row a person is compared with itself as well. Writes
    links.csv and entities.csv (with Parquet twins), quality.json, and report.html to look at.

    A run that was killed goes on where it was when the same command is given again; until it is done, the folder
    OUT.unfinished beside OUT keeps row numbers of what was found.

    \b
    Example:
      pprl-broker link a.pprl b.pprl --plan
      pprl-broker link a.pprl b.pprl --identity broker.key --trust a.site.pub --trust b.site.pub --out run/
    """
    if plan_only:
        from pprl.package import check_same_linkage, inspect_package

        manifests = [inspect_package(path) for path in packages]
        check_same_linkage([(str(path), m) for path, m in zip(packages, manifests, strict=True)])
        _say_plan(manifests, candidates, as_json=as_json)
        return
    if engine == "local" and (spark_master or spark_shared):
        raise click.UsageError("--spark-master and --spark-shared go with --engine spark")
    if identity is None or out is None:
        raise click.UsageError(
            "--identity and --out are needed to link; without them only --plan can be asked"
        )
    _link(
        packages,
        identity,
        out,
        trust=trust,
        threshold=threshold,
        candidates=candidates,
        spark=(spark_master, spark_shared) if engine == "spark" else None,
        seed=seed,
        register_path=register_path or identity.with_suffix(".register.json"),
        as_json=as_json,
    )


def _link(
    packages: Sequence[Path],
    identity: Path,
    out: Path,
    *,
    trust: Sequence[str],
    threshold: float,
    candidates: Candidates,
    spark: tuple[str | None, Path | None] | None,
    seed: int,
    register_path: Path,
    as_json: bool,
) -> None:
    from broker.engines.memory import check_memory
    from broker.intake import Register, take_in
    from broker.matching.pipeline import link as link_datasets
    from broker.matching.plan import make_plan, sizes_of
    from broker.release import write_run
    from pprl.files import check_output_folder
    from pprl.package import Identity, VerifyKey

    check_output_folder(out)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    own = Identity.load(identity)
    trusted = [VerifyKey.find(text) for text in trust] if trust else None
    began = time.perf_counter()
    now = datetime.now(UTC)
    total = sum(path.stat().st_size for path in packages if path.exists())
    with progress("opening packages", total, unit="bytes") as advance:
        deliveries = take_in(
            packages,
            own,
            trusted=trusted,
            register=Register(register_path),
            now=now,
            scratch=out.absolute().parent,
            advance=advance,
        )
    manifests = [delivery.manifest for delivery in deliveries]
    if trusted is None:
        for delivery in deliveries:
            note(
                f"{delivery.path}: signed by {delivery.manifest.signer}; check it with the site, or use --trust"
            )
    intake_seconds = time.perf_counter() - began
    plan = make_plan(sizes_of(manifests), manifests[0].linkage_schema, candidates=candidates)
    check_memory(plan.n_bytes, fix="end other programs, use --candidates keys, or a larger machine")
    job = {"payloads": [m.payload_sha256 for m in manifests], "candidates": candidates, "seed": seed}
    unfinished = out.with_name(f"{out.name}.unfinished")
    with _local(unfinished, job) if spark is None else _spark(*spark) as engine:
        linkage = link_datasets(
            [delivery.dataset for delivery in deliveries],
            threshold=threshold,
            seed=seed,
            candidates=candidates,
            engine=engine,
            progress=progress,
        )
        rows = len(linkage.links) + len(linkage.entity)
        with progress("writing", rows, unit="rows") as advance:
            quality = write_run(
                linkage, manifests, out, seed=seed, intake_seconds=intake_seconds, now=now, advance=advance
            )
    for comparison in quality["comparisons"]:
        for doubt in comparison["doubts"]:
            note(f"warning: {comparison['left']} x {comparison['right']}: {doubt}")
        if comparison["doubts"] and comparison["recommended_threshold"] > quality["threshold"]:
            note(
                f"{comparison['left']} x {comparison['right']}: with these doubts rather take"
                f" --threshold {comparison['recommended_threshold']}"
            )
        for lower in (lower for one in comparison["strata"] for lower in one["lower"]):
            note(f"{comparison['left']} x {comparison['right']}: linked less than others: {lower['says']}")
    click.echo(json.dumps(quality, indent=1) if as_json else _summary(quality, out))


@contextmanager
def _spark(master: str | None, shared: Path | None) -> Iterator[Engine]:
    from broker.engines.spark import LOCAL_MASTER, SparkEngine

    with SparkEngine.start(master or LOCAL_MASTER, shared=shared) as engine:
        yield engine


@contextmanager
def _local(unfinished: Path, job: dict[str, Any]) -> Iterator[Engine]:
    from broker.engines.local import LocalEngine
    from broker.engines.tiles import TileStore

    tiles = TileStore(unfinished, job)
    if tiles.n_found:
        note(f"going on with the unfinished run in {unfinished}")
    try:
        yield LocalEngine(tiles)
    except BaseException:
        if tiles.count():
            note(
                f"what was compared is kept in {unfinished}; give the same command again to go on from there"
            )
        else:
            tiles.remove()
        raise
    tiles.remove()


def _say_plan(manifests: Sequence[Manifest], candidates: Candidates, *, as_json: bool) -> None:
    from broker.engines.speed import comparisons_per_s
    from broker.matching.plan import describe_plan, make_plan, sizes_of

    schema = manifests[0].linkage_schema
    plan = make_plan(sizes_of(manifests), schema, candidates=candidates)
    described = describe_plan(plan, comparisons_per_s(schema))
    if as_json:
        click.echo(json.dumps(described, indent=1))
        return
    for one in described["comparisons"]:
        click.echo(
            f"{one['left']} x {one['right']}: {one['pairs']:,} pairs; {one['route']} ({one['why']})\n"
            f"  {one['filter_comparisons']:,} comparisons of filters, about {one['candidates']:,} candidates, "
            f"{_duration(one['seconds'])}"
        )
    total = (
        f"in all about {_duration(described['seconds'])} and {described['bytes'] / 2**30:.1f} GiB of memory"
    )
    if described["comparisons_per_s"]:
        total += f"; this machine compares {described['comparisons_per_s'] / 1e6:,.0f} million pairs a second"
    click.echo(total)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
        if comparison["bucket_recall"] is not None:
            lines.append(
                f"  buckets held      {comparison['bucket_recall']:.4f} of the matches near by filter"
            )
    several = sum(n for size, n in counts["entities_by_size"].items() if int(size) > 1)
    lines.append(
        f"{counts['records']:,} records are {counts['entities']:,} entities, {several:,} of them of several records"
    )
    lines.append(f"written: {out}/links.csv, entities.csv, quality.json; look at {out}/report.html")
    return "\n".join(lines)
