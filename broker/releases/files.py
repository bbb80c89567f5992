"""Files of a release on their way into the store: sealed to the recipient, or the broker's own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.store import Store
from broker.store.tables import Release, ReleaseFile
from pprl.errors import ConflictError
from pprl.guid import RandomBytes
from pprl.package import Recipient
from pprl.package.age import seal
from pprl.release.delta import Delta
from pprl.release.manifest import DELTA, SUPERSEDED, TABLE, File
from pprl.release.table import Content, write_csv, write_parquet

CONTENT, MANIFEST = "content", "manifest"
"""Roles of files: the broker's own copy, which no recipient sees; and ``release.json``, which is not sealed."""

COPY_OF_TABLE, COPY_OF_SUPERSEDED = "content-matches.csv", "content-superseded.csv"

CSV, PARQUET, JSON = "text/csv", "application/vnd.apache.parquet", "application/json"


@dataclass(frozen=True, slots=True)
class Extra:
    """A further file of a release, made of its content.

    Attributes
    ----------
    name, role, media_type : str
    content : bytes
    """

    name: str
    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a release in the store.

    Attributes
    ----------
    name : str
        Without the seal.
    role, media_type : str
    sha256, n_bytes : str, int
        As stored.
    content_sha256 : str
        Of what is inside the seal, or the same.
    """

    name: str
    role: str
    media_type: str
    sha256: str
    n_bytes: int
    content_sha256: str

    @property
    def is_sealed(self) -> bool:
        """Whether it goes to the recipient, who alone can open it."""
        return self.role not in (CONTENT, MANIFEST)

    @property
    def stored_name(self) -> str:
        """As a recipient fetches it."""
        return f"{self.name}.age" if self.is_sealed else self.name

    def as_file(self) -> File:
        """Its entry in the manifest."""
        return File(
            name=self.name,
            role=self.role,
            media_type=self.media_type,
            sha256=self.sha256,
            n_bytes=self.n_bytes,
            content_sha256=self.content_sha256,
        )


class _Table(Protocol):
    """What tables and deltas have in common."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def batches(self) -> Iterator[pa.RecordBatch]: ...


def store_content(
    store: Store,
    content: Content,
    delta: Delta | None,
    extras: Iterable[Extra],
    recipient: Recipient,
    *,
    random_bytes: RandomBytes = os.urandom,
) -> list[Stored]:
    """Store all files of a release but its manifest.

    Parameters
    ----------
    store : Store
        Files are in it, and nothing points at them yet.
    content : Content
        Whole, sealed; and the broker's copy.
    delta : Delta or None
        None for a first release.
    extras : iterable of Extra
        Further files.
    recipient : Recipient
        Whom they are sealed to.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.
    """
    files: list[Stored] = []
    parts: list[tuple[str, str, _Table, bool, str | None]] = [
        ("matches", TABLE, content.table, True, COPY_OF_TABLE),
        ("superseded", SUPERSEDED, content.superseded, False, COPY_OF_SUPERSEDED),
    ]
    if delta is not None:
        parts.append(("delta", DELTA, delta, True, None))
    for name, role, table, as_parquet, copy in parts:
        with _sealed(store, f"{name}.csv", role, CSV, recipient, files, random_bytes) as file:
            write_csv(file, table.columns, table.batches())
        if as_parquet:
            with _sealed(store, f"{name}.parquet", role, PARQUET, recipient, files, random_bytes) as file:
                write_parquet(file, table.columns, table.batches())
        if copy is not None:
            files.append(store_plain(store, copy, CONTENT, CSV, _csv_writer(table)))
    for extra in extras:
        with _sealed(store, extra.name, extra.role, extra.media_type, recipient, files, random_bytes) as file:
            file.write(extra.content)
    return files


def store_plain(
    store: Store, name: str, role: str, media_type: str, write: Callable[[IO[bytes]], object]
) -> Stored:
    """Store a file that is not sealed: the broker's own, or one for everybody."""
    with store.files.new() as new:
        write(cast("IO[bytes]", new))
    return Stored(name, role, media_type, new.sha256, new.n_bytes, new.sha256)


def release_files(session: Session, release: Release) -> list[ReleaseFile]:
    """The files of a release that its recipient sees."""
    return list(
        session.scalars(
            select(ReleaseFile)
            .where(ReleaseFile.release_key == release.key, ReleaseFile.role != CONTENT)
            .order_by(ReleaseFile.key)
        )
    )


def delete_unused(store: Store, digests: Iterable[str | None]) -> int:
    """Delete stored files that nothing points at any more; gives how many."""
    n_deleted = 0
    for digest in {digest for digest in digests if digest is not None}:
        try:
            n_deleted += store.files.delete(digest)
        except ConflictError:  # the same bytes serve another release
            continue
    return n_deleted


def _csv_writer(table: _Table) -> Callable[[IO[bytes]], object]:
    return lambda file: write_csv(file, table.columns, table.batches())


@contextmanager
def _sealed(
    store: Store,
    name: str,
    role: str,
    media_type: str,
    recipient: Recipient,
    files: list[Stored],
    random_bytes: RandomBytes,
) -> Iterator[IO[bytes]]:
    """A file whose content is hashed and sealed on the way; once stored it is added to ``files``."""
    with store.files.new() as new:
        sink = _Sink(seal(cast("IO[bytes]", new), [recipient], random_bytes=random_bytes))
        yield cast("IO[bytes]", sink)
        sink.finish()
    files.append(Stored(name, role, media_type, new.sha256, new.n_bytes, sink.sha256))


class _Sink:
    """What Arrow takes for a file; hashes what it hands on."""

    closed = False

    def __init__(self, target: Any) -> None:
        self._target, self._hash, self._n_bytes = target, hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._hash.update(view)
        self._target.write(view)
        self._n_bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self._n_bytes

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """Arrow closes what it writes to; the seal ends with `finish`."""

    def finish(self) -> None:
        self._target.finish()
