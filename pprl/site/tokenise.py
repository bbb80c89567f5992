"""A site's whole way: files of patients in, a sealed token package and the site's own table of ids out.

::

    read -> clean -> encode -> scratch file -> order of the GUIDs -> sign and seal -> NAME.pprl
       \\-> record_guid,local_id -> NAME.ids.csv, which stays

Memory does not grow with the number of records (but for eight bytes each, which find ids that stand twice). On disk
are, beside the two files, only tokens, in a scratch file without a name. Both files appear when both are whole.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from pprl.console import Advance, Progress, silent
from pprl.errors import InputError, PprlError
from pprl.files import new_files, scratch_file
from pprl.guid import RandomBytes, new_guids
from pprl.package import Manifest, Recipient, SigningKey, write_package
from pprl.package.manifest import make_manifest
from pprl.package.writer import VALID_FOR
from pprl.schema import Schema
from pprl.schema.columns import token_columns
from pprl.site.ahead import made_ahead
from pprl.site.arrow_stream import ArrowStream
from pprl.site.ids_file import HEADER, ids_lines
from pprl.site.keys import LinkageKey
from pprl.site.normalise import DateOrder, FieldCounts
from pprl.site.previous_ids import PreviousIds
from pprl.site.readers import InputFiles, InputFormat
from pprl.site.readers.columns import LOCAL_ID
from pprl.site.readers.source import ROWS_PER_CHUNK
from pprl.site.shuffle import GuidOrder
from pprl.site.workers import Chunk, Recipe, encode_chunks


@dataclass(frozen=True, slots=True)
class Tokenised:
    """What was made.

    Attributes
    ----------
    package, ids : Path
        The package for the broker, and the ids file, which stays.
    manifest : Manifest
        What the package says of itself.
    counts : mapping of str to FieldCounts
        What became of the values of each field, in schema order.
    strata : mapping of str to FieldCounts
        What became of the values of each stratum with a column of its own.
    n_alone : int
        Records that are the only ones in their combination of categories.
    n_kept, n_gone : int or None
        Records that have the GUID they had in the previous ids file, and ids there that are not in the input any more;
        None without such a file.
    """

    package: Path
    ids: Path
    manifest: Manifest
    counts: Mapping[str, FieldCounts]
    strata: Mapping[str, FieldCounts]
    n_alone: int
    n_kept: int | None = None
    n_gone: int | None = None


def tokenise(
    inputs: Sequence[str | Path],
    package: str | Path,
    *,
    schema: Schema,
    key: LinkageKey,
    signing_key: SigningKey,
    recipient: Recipient,
    dataset: str,
    now: datetime,
    site: str | None = None,
    ids: str | Path | None = None,
    previous_ids: str | Path | None = None,
    input_format: InputFormat | None = None,
    date_order: DateOrder = "ymd",
    duplicate_free: bool = True,
    sequence: int | None = None,
    valid_for: timedelta = VALID_FOR,
    overwrite: bool = False,
    workers: int = 1,
    rows_per_chunk: int = ROWS_PER_CHUNK,
    random_bytes: RandomBytes = os.urandom,
    progress: Progress = silent,
) -> Tokenised:
    """Turn files of patients into a token package for the broker.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files of patients, each with a header of its own.
    package : str or Path
        The package to write.
    schema : Schema
        What all sites of the project agree on.
    key : LinkageKey
        Of the schema's project and epoch.
    signing_key : SigningKey
        The site's.
    recipient : Recipient
        The broker's.
    dataset : str
        Names the data; the same over refreshes.
    now : datetime
        With time zone. Birth dates after its day are invalid.
    site : str, optional
        The site's name, for people; that of the dataset where it is not given.
    ids : str or Path, optional
        The ids file to write; beside the package where it is not given, see `ids_path`.
    previous_ids : str or Path, optional
        The ids file of the last delivery of this dataset: local ids that stand there keep their GUIDs, so that the
        broker sees which records are new, changed or gone. Without it all GUIDs are fresh, and nothing is to be seen.
    input_format : InputFormat, optional
        How the files are to be read.
    date_order : {"ymd", "dmy", "mdy"}
        How dates in figures with the year last are read.
    duplicate_free : bool
        Whether the site vouches that no person has two rows.
    sequence : int, optional
        Higher for each delivery of a dataset; milliseconds since 1970 where it is not given.
    valid_for : timedelta
        After that time the broker refuses the package.
    overwrite : bool
        Whether an existing package and ids file may be replaced.
    workers : int
        Processes that clean and encode; 1 is this one. With more, a script that calls this needs the usual
        ``if __name__ == "__main__"``.
    rows_per_chunk : int
        Records that are worked on at a time.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.
    progress : callable
        Such as `pprl.console.progress`.

    Returns
    -------
    Tokenised

    Raises
    ------
    InputError
        A file cannot be read, a field has no column, an id is missing or stands twice; names file, row and column.
        The previous ids file is something else, or of another dataset.
    WrongProjectError
        The key is of another project or epoch than the schema.
    PackageError
        The dataset's or site's name, the sequence or the times are malformed.
    PprlError
        An output exists, or cannot be written.
    """
    package = Path(package)
    ids = Path(ids) if ids is not None else ids_path(package)
    if package.resolve() == ids.resolve():
        raise PprlError(f"{ids}: is named as package and as ids file; give them different names")
    if previous_ids is not None and Path(previous_ids).resolve() in (package.resolve(), ids.resolve()):
        raise PprlError(
            f"{previous_ids}: is read, and cannot be written as well; choose another --ids or --out"
        )
    recipe = Recipe(schema, key.tree(schema), date_order, today=now.date())
    delivery: dict[str, Any] = {
        "key_check": recipe.keys.check_value,
        "site": dataset if site is None else site,
        "dataset": dataset,
        "duplicate_free": duplicate_free,
        "sequence": round(now.timestamp() * 1000) if sequence is None else sequence,
    }
    _check_delivery(delivery, schema, signing_key, recipient, created=now, expires=now + valid_for)
    with ExitStack() as stack:
        package_file, ids_file = stack.enter_context(
            new_files((package, 0o644), (ids, 0o600), overwrite=overwrite)
        )
        files = InputFiles(
            inputs, schema, input_format=input_format or InputFormat(), rows_per_chunk=rows_per_chunk
        )
        previous = None
        if previous_ids is not None:
            if files.numbered:
                raise InputError(
                    f"{previous_ids} says which id had which GUID, but row numbers are no ids that last; "
                    "name the column of your own record id with --id"
                )
            previous = _previous(previous_ids, package.parent, stack, progress)
        scratch = stack.enter_context(scratch_file(package.parent)).fileno()
        rows = GuidOrder(token_columns(schema), scratch)
        with progress("reading", files.n_bytes, unit="bytes") as advance:
            chunks = _chunks(files, rows, ids_file, previous, random_bytes=random_bytes, advance=advance)
            counts, strata, cells = _encode(chunks, recipe, rows, scratch=scratch, workers=workers)
        if previous is not None and not previous.n_kept:
            raise InputError(
                "none of its local ids is in the input; is it of another dataset, or --id another column?",
                path=previous.path,
            )
        with progress("sealing", 2 * rows.n_rows, unit="records") as advance:
            manifest = write_package(
                package_file,
                ArrowStream(rows.columns, rows, advance=advance),
                schema=schema,
                signing_key=signing_key,
                recipient=recipient,
                now=now,
                valid_for=valid_for,
                random_bytes=random_bytes,
                **delivery,
            )
    n_alone = sum(n == 1 for cell, n in cells.items() if cell)  # cell 0: nothing is known of them
    n_kept = None if previous is None else previous.n_kept
    n_gone = None if previous is None else previous.n_ids - previous.n_kept
    return Tokenised(package, ids, manifest, counts, strata, n_alone, n_kept, n_gone)


def ids_path(package: str | Path) -> Path:
    """Where the ids file goes by default: ``NAME.ids.csv`` beside ``NAME.pprl``."""
    package = Path(package)
    name = package.stem if package.suffix == ".pprl" else package.name
    return package.with_name(f"{name}.ids.csv")


def _check_delivery(
    delivery: Mapping[str, Any],
    schema: Schema,
    signing_key: SigningKey,
    recipient: Recipient,
    *,
    created: datetime,
    expires: datetime,
) -> None:
    """Make the manifest of an empty package: a name that cannot be shows now, not after hours of work."""
    make_manifest(
        **delivery,
        project=schema.project,
        epoch=schema.epoch,
        schema_sha256=schema.fingerprint,
        linkage_schema=schema,
        n_records=0,
        field_counts=dict.fromkeys(schema.field_names, 0),
        stratum_counts={s.name: (0,) * (len(s.categories) + 1) for s in schema.strata},
        created=created,
        expires=expires,
        recipient=str(recipient),
        signer=str(signing_key.verify_key),
        payload_sha256="0" * 64,
        payload_bytes=1,
    )


def _previous(path: str | Path, folder: Path, stack: ExitStack, progress: Progress) -> PreviousIds:
    ordered = stack.enter_context(scratch_file(folder))
    n_bytes = Path(path).stat().st_size if Path(path).is_file() else None
    with scratch_file(folder) as scratch, progress("reading ids", n_bytes, unit="bytes") as advance:
        return PreviousIds(path, scratch, ordered, advance=advance)


def _chunks(
    files: InputFiles,
    rows: GuidOrder,
    ids_file: IO[bytes],
    previous: PreviousIds | None,
    *,
    random_bytes: RandomBytes,
    advance: Advance,
) -> Iterator[Chunk]:
    """Read, give every record its GUID, and write the ids file on the way; the ids go no further."""
    ids_file.write(HEADER)
    for batch in files.batches(advance=advance):
        guids = new_guids(batch.num_rows, random_bytes=random_bytes)
        if previous is not None:
            previous.keep(batch.column(LOCAL_ID), guids)
        ids_file.write(ids_lines(guids, batch.column(LOCAL_ID)))
        yield Chunk(rows.reserve(batch.num_rows), batch.drop_columns([LOCAL_ID]), guids)


def _encode(
    chunks: Iterator[Chunk], recipe: Recipe, rows: GuidOrder, *, scratch: int, workers: int
) -> tuple[dict[str, FieldCounts], dict[str, FieldCounts], Counter[int]]:
    """Counts by field and by stratum, and how many records are in each combination of categories."""
    counts = {name: FieldCounts() for name in recipe.schema.field_names}
    strata = {stratum.name: FieldCounts() for stratum in recipe.schema.column_strata}
    cells: Counter[int] = Counter()
    with (
        closing(made_ahead(chunks)) as ahead,
        closing(encode_chunks(ahead, recipe, scratch=scratch, workers=workers)) as encoded,
    ):
        for done in encoded:
            rows.add(done.first_row, done.cuts)
            for name, count in done.counts.items():
                counts[name] += count
            for name, count in done.strata.counts.items():
                strata[name] += count
            cells.update(done.strata.cells)
    return counts, strata, cells
