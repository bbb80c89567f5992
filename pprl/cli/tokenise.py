"""``pprl tokenise``: from a site's files of patients to a sealed token package."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pprl.console import note, progress
from pprl.errors import PprlError

if TYPE_CHECKING:
    from pprl.package import SigningKey
    from pprl.schema import Schema
    from pprl.site.normalise import FieldCounts
    from pprl.site.tokenise import Tokenised

PRESETS = ("n3c", "codi", "febrl", "synthea")

_PATH = click.Path(path_type=Path)
_ABSENT_SHARE, _INVALID_SHARE, _ALONE_SHARE = 0.5, 0.05, 0.05


@click.command(no_args_is_help=True)
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option(
    "--schema", "schema_path", type=_PATH, required=True, help="The project's linkage schema, linkage.toml."
)
@click.option("--key", "key_path", type=_PATH, required=True, help="The project's linkage key, linkage.key.")
@click.option("--dataset", required=True, help="Name of these data, the same at every delivery: clinic-a.")
@click.option("--recipient", required=True, help="The broker's public key: broker.pub, or age1... itself.")
@click.option("--out", type=_PATH, required=True, help="Package to write: clinic-a.pprl.")
@click.option(
    "--columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Column of a field or stratum, where it is not named like it: --columns surname=LAST_NM. A+B joins two "
    "columns, nothing behind = says that the file does not have the field. Repeatable.",
)
@click.option(
    "--id",
    "id_column",
    metavar="COLUMN",
    help="Column of your own record id: --id MRN.  [default: row numbers]",
)
@click.option(
    "--ids",
    "ids",
    type=_PATH,
    help="File for record_guid,local_id, which stays here.  [default: NAME.ids.csv by --out]",
)
@click.option(
    "--previous-ids",
    type=_PATH,
    metavar="NAME.ids.csv",
    help="The ids file of your last delivery of this dataset: records that were there keep their GUIDs, and the "
    "broker sees what changed.  [default: all GUIDs are fresh]",
)
@click.option(
    "--preset", type=click.Choice(PRESETS), help="Columns of a well-known kind of file: --preset n3c."
)
@click.option(
    "--date-order",
    type=click.Choice(["ymd", "dmy", "mdy"]),
    default="ymd",
    show_default=True,
    help="How dates that end with the year are written: dmy for 31/12/1980, mdy for 12/31/1980.",
)
@click.option(
    "--delimiter",
    metavar="CHARACTER",
    help="Between columns: ';', '|' or tab.  [default: told from the header]",
)
@click.option(
    "--encoding", default="utf-8", show_default=True, help="Of text files: latin-1, cp1252, utf-16."
)
@click.option("--site", help="Your name, for people: 'St. Mary'.  [default: that of --dataset]")
@click.option(
    "--sign",
    type=_PATH,
    help="Your signing key, as of 'pprl keys site'.  [default: site.key beside --key, made if it is not there]",
)
@click.option(
    "--valid-for",
    type=click.IntRange(1, 3650),
    default=90,
    show_default=True,
    metavar="DAYS",
    help="The broker refuses the package afterwards.",
)
@click.option(
    "--sequence",
    type=click.IntRange(1),
    metavar="N",
    help="Number of the delivery; the broker refuses one that is not higher than the last.  "
    "[default: the time in milliseconds]",
)
@click.option(
    "--with-duplicates",
    is_flag=True,
    help="A person may have several rows; the broker then looks for them.  [default: you vouch for one row each]",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that encode.  [default: processors, at most 8]",
)
@click.option("--force", is_flag=True, help="Replace package and ids file where they exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def tokenise(
    inputs: tuple[Path, ...],
    schema_path: Path,
    key_path: Path,
    dataset: str,
    recipient: str,
    out: Path,
    columns: tuple[str, ...],
    id_column: str | None,
    ids: Path | None,
    previous_ids: Path | None,
    preset: str | None,
    date_order: Literal["ymd", "dmy", "mdy"],
    delimiter: str | None,
    encoding: str,
    site: str | None,
    sign: Path | None,
    valid_for: int,
    sequence: int | None,
    with_duplicates: bool,
    workers: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Turn a site's identifiers into a sealed token package.

    INPUT is a table of patients with a header: CSV, TSV, pipe-delimited or Parquet. Several files count as one.
    Writes the package, which goes to the broker, and the ids file, which stays: it alone leads from a record of the
    package back to a patient. Neither appears unless both are whole.

    \b
    Example:
      pprl tokenise patients.csv --schema linkage.toml --key linkage.key \\
        --dataset clinic-a --recipient broker.pub --out clinic-a.pprl \\
        --id MRN --columns surname=LAST_NM --columns birth_date=DOB --date-order mdy
    """
    mapped = _columns(columns)

    from pprl.files import check_new_file
    from pprl.package import Recipient
    from pprl.schema import load_schema
    from pprl.site.keys import LinkageKey
    from pprl.site.readers import InputFormat
    from pprl.site.tokenise import ids_path
    from pprl.site.tokenise import tokenise as run
    from pprl.site.workers import default_workers

    ids = ids or ids_path(out)
    for path in (out, ids):
        check_new_file(path, overwrite=force)
        optional = [path for path in (sign, previous_ids) if path]
        _check_not_needed(path, [*inputs, schema_path, key_path, Path(recipient), *optional])
    schema = load_schema(schema_path)
    key = LinkageKey.load(key_path)
    key.tree(schema)  # of one project and epoch
    broker = Recipient.find(recipient)
    with _signing_key(sign, key_path) as signing_key:
        made = run(
            inputs,
            out,
            schema=schema,
            key=key,
            signing_key=signing_key,
            recipient=broker,
            dataset=dataset,
            now=datetime.now().astimezone(),
            site=site,
            ids=ids,
            previous_ids=previous_ids,
            input_format=InputFormat(
                columns=mapped,
                id_column=id_column,
                preset=preset,
                delimiter="\t" if delimiter in ("tab", "\\t") else delimiter,
                encoding=encoding,
            ),
            date_order=date_order,
            duplicate_free=not with_duplicates,
            sequence=sequence,
            valid_for=timedelta(days=valid_for),
            overwrite=force,
            workers=workers or default_workers(),
            progress=progress,
        )
    left_out = {name for name, column in mapped.items() if not column.strip()}
    warnings = list(_warnings(made.counts, schema, left_out=left_out, date_order=date_order))
    warnings += _stratum_warnings(made)
    warnings += _kept_warnings(made)
    for warning in warnings:
        note(f"warning: {warning}")
    for name, count in made.strata.items():
        if not count.present and not count.invalid and name not in left_out:
            note(
                f"{name}: no record has a category; map its column with --columns {name}=COLUMN if you have it"
            )
    if as_json:
        click.echo(json.dumps(_document(made, warnings), indent=2, ensure_ascii=False))
        return
    for line in _summary(made, doubtful=bool(warnings)):
        click.echo(line)


def _columns(texts: tuple[str, ...]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for text in texts:
        field, equals, column = text.partition("=")
        if not (field.strip() and equals):
            raise click.UsageError(f"--columns {text}: write FIELD=COLUMN, for example surname=LAST_NM")
        if field.strip() in columns:
            raise click.UsageError(f"--columns {text}: the field {field.strip()} has a column already")
        columns[field.strip()] = column
    return columns


def _check_not_needed(output: Path, needed: Sequence[Path]) -> None:
    """Even --force must not replace what the run reads."""
    if any(output.resolve() == path.resolve() for path in needed):
        raise PprlError(f"{output}: is read by this command; choose another name for what it writes")


@contextmanager
def _signing_key(path: Path | None, key_path: Path) -> Iterator[SigningKey]:
    """The site's signing key; one that is made here is removed again where the block fails."""
    from pprl.package import SigningKey

    beside = key_path.with_name("site.key")
    if path is not None or beside.exists():
        yield SigningKey.load(path or beside)
        return
    made = SigningKey.new()
    public = made.save_pair(beside)
    try:
        yield made
    except BaseException:
        beside.unlink()
        public.unlink()
        raise
    note(f"made {beside} (secret, signs your packages, keep it) and {public}: hand {public} to the broker")


def _warnings(
    counts: Mapping[str, FieldCounts], schema: Schema, *, left_out: set[str], date_order: str
) -> Iterator[str]:
    """What a data manager should look at before the package is sent."""
    for name, count in counts.items():
        if name in left_out:
            continue
        is_date = schema.field(name).kind in ("birth_date", "birth_year")
        hint = f"is --columns {name}=COLUMN the right column?"
        if is_date and count.invalid:
            hint = f"is --date-order {date_order} right, and --columns {name}=COLUMN the right column?"
        n_records = count.present + count.missing + count.placeholder + count.invalid
        n_absent = count.missing + count.placeholder
        if not count.present:
            what = "not one value is valid" if count.invalid else "no record has a value"
            yield f"{name}: {what}, so that nothing can be linked by it; {hint} Do not send this package as it is"
        elif count.invalid > _INVALID_SHARE * n_records:
            yield f"{name}: {count.invalid / n_records:.1%} of the values are invalid; {hint}"
        elif n_absent > _ABSENT_SHARE * n_records:
            yield f"{name}: {n_absent / n_records:.1%} of the records have no value; {hint}"


def _stratum_warnings(made: Tokenised) -> Iterator[str]:
    n_records = made.manifest.n_records
    for name, count in made.strata.items():
        if count.invalid > _INVALID_SHARE * n_records:
            yield (
                f"{name}: {count.invalid / n_records:.1%} of the values are in no category of the schema; "
                f"is --columns {name}=COLUMN the right column?"
            )
    if made.n_alone > _ALONE_SHARE * n_records:
        yield (
            f"{made.n_alone / n_records:.1%} of the records are alone in their combination of strata: whoever knows "
            "these of a person finds that person's record; ask the project for coarser categories"
        )


def _kept_warnings(made: Tokenised) -> Iterator[str]:
    if made.n_kept is not None and made.n_gone is not None and made.n_kept < made.n_gone:
        yield (
            f"of the {made.n_kept + made.n_gone:,} ids of the last delivery only {made.n_kept:,} are in the input; are "
            "--previous-ids and --id right? A spreadsheet that took leading zeros off the ids does this too"
        )


def _summary(made: Tokenised, *, doubtful: bool) -> Iterator[str]:
    manifest = made.manifest
    vouched = "one for each person" if manifest.duplicate_free else "several may be of one person"
    yield f"{manifest.n_records:,} record{'s' if manifest.n_records > 1 else ''}, {vouched}"
    if made.n_kept is not None:
        n_new = manifest.n_records - made.n_kept
        yield f"{made.n_kept:,} with the GUID they had, {n_new:,} new, {made.n_gone:,} of the last delivery gone"
    yield ""
    rows: list[tuple[str, ...]] = [("field", "present", "", "missing", "placeholder", "invalid")]
    strata = {f"{name} (stratum)": count for name, count in made.strata.items()}
    for name, count in (*made.counts.items(), *strata.items()):
        share = f"{count.present / manifest.n_records:.1%}"
        numbers = (f"{n:,}" for n in (count.missing, count.placeholder, count.invalid))
        rows.append((name, f"{count.present:,}", share, *numbers))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([f"{first:<{widths[0]}}", *cells])
    yield ""
    if manifest.linkage_schema.strata:
        names = ", ".join(stratum.name for stratum in manifest.linkage_schema.strata)
        yield f"strata     {names}: {made.n_alone:,} records are alone in their combination"
    yield f"dataset    {manifest.dataset} of {manifest.site}, delivery {manifest.sequence}"
    yield f"project    {manifest.project}, epoch {manifest.epoch}"
    yield f"schema     {manifest.schema_sha256}"
    yield f"key check  {manifest.key_check} (must be the same at every site)"
    yield f"signed by  {manifest.signer}"
    yield f"sealed to  {manifest.recipient}"
    yield f"expires    {manifest.expires:%Y-%m-%d %H:%M} UTC"
    yield ""
    yield f"{made.package}: {'settle the warnings above, then ' if doubtful else ''}send it to the broker"
    yield f"{made.ids}: keep it here, and never with the package"


def _document(made: Tokenised, warnings: list[str]) -> dict[str, Any]:
    manifest = made.manifest
    return {
        "package": str(made.package),
        "ids": str(made.ids),
        "project": manifest.project,
        "epoch": manifest.epoch,
        "dataset": manifest.dataset,
        "site": manifest.site,
        "sequence": manifest.sequence,
        "duplicate_free": manifest.duplicate_free,
        "n_records": manifest.n_records,
        "fields": {name: asdict(count) for name, count in made.counts.items()},
        "strata": {name: asdict(count) for name, count in made.strata.items()},
        "alone_in_strata": made.n_alone,
        "kept": made.n_kept,
        "gone": made.n_gone,
        "warnings": warnings,
        "schema_sha256": manifest.schema_sha256,
        "key_check": manifest.key_check,
        "signer": manifest.signer,
        "recipient": manifest.recipient,
        "created": f"{manifest.created:%Y-%m-%dT%H:%M:%SZ}",
        "expires": f"{manifest.expires:%Y-%m-%dT%H:%M:%SZ}",
    }
