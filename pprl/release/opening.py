"""The recipient's side: unseal a release, check it, and write its tables; or apply its delta to those of the last one.

Folders: a *release* as it was fetched holds ``release.json`` and sealed files, ``NAME.age``; an *opened* one holds
``release.json`` and the files themselves. A release may be fetched in part: the whole table or the delta is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pprl.errors import CorruptError, PackageError, PprlError, ReplayedError, WrongRecipientError
from pprl.files import check_output_folder, new_folder
from pprl.package.age import Identity, open_sealed
from pprl.release.delta import apply_delta, read_delta
from pprl.release.keys import ReleaseVerifyKey
from pprl.release.manifest import (
    DELTA,
    MANIFEST_FILE,
    SUPERSEDED,
    TABLE,
    File,
    ReleaseManifest,
    load_manifest,
)
from pprl.release.table import Content, read_superseded, read_table, write_csv, write_parquet

TABLE_NAME, SUPERSEDED_NAME, DELTA_NAME = "matches", "superseded", "delta"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Opened:
    """What was written.

    Attributes
    ----------
    folder : Path
    manifest : ReleaseManifest
    applied : bool
        Whether by the delta.
    """

    folder: Path
    manifest: ReleaseManifest
    applied: bool


def open_release(
    release: Path,
    out: Path,
    *,
    identity: Identity,
    broker: ReleaseVerifyKey,
    previous: Path | None = None,
) -> Opened:
    """Open a release.

    Parameters
    ----------
    release : Path
        The folder it was fetched to.
    out : Path
        The folder to write; replaced as a whole where it is an earlier one.
    identity : Identity
        The recipient's.
    broker : ReleaseVerifyKey
        Whose signature the release must bear.
    previous : Path, optional
        The opened release before; the delta is applied to it instead of unsealing the whole table. The same folder as
        ``out`` is allowed.

    Returns
    -------
    Opened

    Raises
    ------
    PackageError
        One of its kinds, naming the file: not a release, damaged, sealed to another, signed by another, or a delta
        against another release than the previous one.
    PprlError
        The folder cannot be written.
    """
    manifest = load_manifest(release / MANIFEST_FILE, broker)
    if manifest.recipient != str(identity.recipient):
        raise WrongRecipientError(
            f"{release}: is sealed to {manifest.recipient}, not to this identity; give the one of that key"
        )
    check_output_folder(out)
    if release.resolve() == out.resolve():
        raise PprlError(f"{out}: is the folder that is read; choose another one to write to")
    with new_folder(out) as folder:
        for file in manifest.files:
            if file.role in (TABLE, SUPERSEDED, DELTA) and previous is not None:
                continue
            needed = previous is None and file.role != DELTA
            if needed or (release / file.sealed_name).exists():
                _unseal(release / file.sealed_name, file, folder / file.name, identity)
        if previous is None:
            read_content(folder, manifest)
        else:
            content = _applied(release, manifest, previous, folder, identity=identity, broker=broker)
            _write(content, manifest, folder, release)
        (folder / MANIFEST_FILE).write_bytes((release / MANIFEST_FILE).read_bytes())
    return Opened(out, manifest, previous is not None)


def read_content(folder: Path, manifest: ReleaseManifest) -> Content:
    """Read an opened release's tables, which must be those of its manifest.

    Raises
    ------
    CorruptError
        They were changed since.
    PackageError
        One is missing.
    """
    names = tuple(manifest.datasets)
    with _opened(folder / f"{TABLE_NAME}.csv") as file:
        table, digest = read_table(file, manifest.row_kind, names, what=str(file.name))
        _check_digest(file.name, digest, manifest.table_sha256)
    with _opened(folder / f"{SUPERSEDED_NAME}.csv") as file:
        superseded, digest = read_superseded(file, what=str(file.name))
        _check_digest(file.name, digest, manifest.superseded_sha256)
    return Content(table, superseded)


def _applied(
    release: Path,
    manifest: ReleaseManifest,
    previous: Path,
    folder: Path,
    *,
    identity: Identity,
    broker: ReleaseVerifyKey,
) -> Content:
    older = load_manifest(previous / MANIFEST_FILE, broker)
    if older.release == manifest.release:
        raise ReplayedError(f"{previous}: is release {older.number} already; there is nothing to apply")
    base = manifest.base
    if base is None or base.release != older.release:
        against = "has no delta" if base is None else f"has a delta against release {base.number}"
        raise ReplayedError(
            f"{release}: release {manifest.number} {against}, and {previous} is release {older.number}; apply those "
            "between first, or open the whole table without --apply-to"
        )
    content = read_content(previous, older)
    file = next(file for file in manifest.files_of(DELTA) if file.name == f"{DELTA_NAME}.csv")
    _unseal(release / file.sealed_name, file, folder / file.name, identity)
    names = tuple(sorted({*manifest.datasets, *older.datasets}))
    try:
        with (folder / file.name).open("rb") as opened:
            delta, _ = read_delta(opened, manifest.row_kind, names, what=file.name)
        return apply_delta(content, delta, names=tuple(manifest.datasets))
    except CorruptError as error:
        raise CorruptError(f"{release}: {error}") from None


def _write(content: Content, manifest: ReleaseManifest, folder: Path, release: Path) -> None:
    for name, part, expected in (
        (TABLE_NAME, content.table, manifest.table_sha256),
        (SUPERSEDED_NAME, content.superseded, manifest.superseded_sha256),
    ):
        with (folder / f"{name}.csv").open("wb") as file:
            if write_csv(file, part.columns, part.batches()) != expected:
                raise CorruptError(
                    f"{release}: the delta gives another table than the release has; open the whole table without "
                    "--apply-to"
                )
    with (folder / f"{TABLE_NAME}.parquet").open("wb") as file:
        write_parquet(file, content.table.columns, content.table.batches())


def _unseal(path: Path, file: File, target: Path, identity: Identity) -> None:
    """Check the sealed bytes and what is inside on the way."""
    sealed, inside = hashlib.sha256(), hashlib.sha256()
    with _opened(path) as source, target.open("wb") as out:
        while chunk := source.read(_CHUNK_BYTES):
            sealed.update(chunk)
        _check_digest(str(path), sealed.hexdigest(), file.sha256)
        source.seek(0)
        try:
            _, content = open_sealed(source, identity)
            while chunk := content.read(_CHUNK_BYTES):
                inside.update(chunk)
                out.write(chunk)
        except PackageError as error:
            raise type(error)(f"{path}: {error}") from None
    _check_digest(str(path), inside.hexdigest(), file.content_sha256)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise PackageError(f"{path}: cannot be read ({error.strerror}); fetch the release again") from None
    with file:
        yield file


def _check_digest(path: str, digest: str, expected: str) -> None:
    if digest != expected:
        raise CorruptError(f"{path}: is not what its manifest says; fetch the release again")
