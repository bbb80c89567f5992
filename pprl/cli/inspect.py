"""``pprl inspect``: what a package says of itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pprl.package import Manifest

_NONE = "(none)"


@click.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON, the whole schema in it.")
def inspect(package: Path, as_json: bool) -> None:
    """Show what a package says of itself; needs no key.

    The signature is checked against the signer shown: compare that key with the site's. The payload is sealed
    and is not looked at. Of strata, counts below 11 are hidden, and others that they would follow from.

    \b
    Example:
      pprl inspect a.pprl
    """
    from pprl.package import inspect_package

    manifest = inspect_package(package)
    if as_json:
        click.echo(json.dumps(json.loads(manifest.canonical_json()), indent=2, ensure_ascii=False))
        return
    rows = _rows(manifest, datetime.now(UTC))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}".rstrip())


def _rows(manifest: Manifest, now: datetime) -> list[tuple[str, str]]:
    schema = manifest.linkage_schema
    rows = [
        ("project", f"{manifest.project}, epoch {manifest.epoch}"),
        ("dataset", f"{manifest.dataset}, delivery {manifest.sequence}"),
        ("site", manifest.site),
        ("records", f"{manifest.n_records:,}" + (", one for each person" if manifest.duplicate_free else "")),
    ]
    for number, (name, count) in enumerate(
        (name, manifest.field_counts[name]) for name in schema.field_names
    ):
        share = f"  {count / manifest.n_records:7.1%}" if manifest.n_records else ""
        rows.append(
            ("" if number else "present", f"{name:<{_widest(schema.field_names)}}  {count:>12,}{share}")
        )
    for stratum in schema.strata:
        missing, *counts = manifest.stratum_counts[stratum.name]
        names, in_each = (*stratum.categories, _NONE), (*counts, missing)
        for number, (name, shown) in enumerate(zip(names, in_each, strict=True)):
            count_text = "hidden" if shown is None else f"{shown:,}"
            rows.append(("" if number else stratum.name, f"{name:<{_widest(names)}}  {count_text:>12}"))
    expiry = f"{manifest.expires:%Y-%m-%d %H:%M} UTC"
    return [
        *rows,
        ("profile", f"{schema.profile}, {len(schema.match_keys)} match keys"),
        ("schema", manifest.schema_sha256),
        ("key check", manifest.key_check),
        ("created", f"{manifest.created:%Y-%m-%d %H:%M} UTC"),
        ("expires", expiry + ("  (EXPIRED)" if now >= manifest.expires else "")),
        ("sealed to", manifest.recipient),
        ("signed by", manifest.signer),
        ("payload", f"{manifest.payload_bytes:,} bytes, sha256 {manifest.payload_sha256}"),
    ]


def _widest(names: tuple[str, ...]) -> int:
    return max(len(name) for name in names)
