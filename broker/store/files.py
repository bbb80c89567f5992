"""Bulk data: files that are named by their SHA-256 and never change.

::

    files/3f/3f0a...      a file
    files/.new-...        one that is being written
    files/.backup-...     links that hold files while a backup copies them
    files/.lock           held while a file and its row appear or go together

A file is *stored* when it is in its place and its row is in ``stored_files``. Whatever needs it points at the row, so
that the database refuses to delete what is in use. A crash can leave a file without row, never a row without file;
`BulkFiles.sweep` clears such files away.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Column, Select, delete, select
from sqlalchemy.orm import Session

from broker.clock import Clock
from broker.store.database import make_private
from broker.store.tables import Base, StoredFile
from pprl.errors import ConflictError, NotFoundError, StoreError, StoreFullError

_Begin = Callable[[], AbstractContextManager[Session]]
_CHUNK_BYTES = 1024 * 1024
_NEW, HELD = ".new-", ".backup-"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class NewFile:
    """A file on its way into the store; what is written to it is hashed.

    Attributes
    ----------
    n_bytes : int
        Written so far.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash, self.n_bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of some bytes."""
        with _complaints():
            self._file.write(data)
        self._hash.update(data)
        n_bytes = memoryview(data).nbytes
        self.n_bytes += n_bytes
        return n_bytes

    @property
    def sha256(self) -> str:
        """Of what is written so far; at the end, the file's name."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the files.

    Attributes
    ----------
    sha256 : str
        Which file.
    what : str
        ``missing``, ``damaged`` or ``stray`` (a file without row; harmless).
    """

    sha256: str
    what: str


class BulkFiles:
    """The bulk data of a store.

    Parameters
    ----------
    folder : Path
        Made when the first file comes.
    begin, read : callable
        `Store.begin` and `Store.read`. Files are stored and deleted in transactions of their own: do it before or
        after one of yours, not within.
    clock : Clock
        What time it is.
    """

    def __init__(self, folder: Path, *, begin: _Begin, read: _Begin, clock: Clock) -> None:
        self.folder, self._begin, self._read, self._clock = folder, begin, read, clock

    @contextmanager
    def new(self, *, sha256: str | None = None) -> Iterator[NewFile]:
        """Write a file; it is stored when the block ends well, and is nowhere otherwise.

        Parameters
        ----------
        sha256 : str, optional
            What its digest must be.

        Yields
        ------
        NewFile
            Its ``sha256`` is the file's name once the block has ended.

        Raises
        ------
        StoreError
            The digest is another, or the disk is full.
        """
        make_private(self.folder)
        with _unnamed(self.folder) as (file, temporary):
            new = NewFile(file)
            yield new
            if sha256 is not None and new.sha256 != sha256:
                raise StoreError(
                    "what came is not what was announced: its SHA-256 is another; send it once more"
                )
            with _complaints():
                file.flush()
                os.fsync(file.fileno())
                self._place(temporary, new.sha256, new.n_bytes)

    def put(self, source: IO[bytes], *, sha256: str | None = None) -> str:
        """Store what a stream gives, in pieces of 1 MiB.

        Returns
        -------
        str
            Its SHA-256. Storing the same again is no error.

        Raises
        ------
        StoreError
            As `new`.
        """
        with self.new(sha256=sha256) as file:
            while chunk := source.read(_CHUNK_BYTES):
                file.write(chunk)
        return file.sha256

    def adopt(self, path: Path, *, sha256: str) -> str:
        """Store a file that lies on the same disk by giving it its name; it is read to check it, not copied.

        Raises
        ------
        StoreError
            Its digest is another; the file stays where it is.
        """
        make_private(self.folder)
        with _complaints():
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    raise StoreError(
                        "what came is not what was announced: its SHA-256 is another; send it once more"
                    )
                n_bytes = os.fstat(file.fileno()).st_size
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            self._place(path, sha256, n_bytes)
        return sha256

    def path(self, sha256: str) -> Path:
        """Where a file is, or would be."""
        if not _DIGEST.fullmatch(sha256):
            raise ValueError("not a SHA-256 in hexadecimal")
        return self.folder / sha256[:2] / sha256

    def open(self, sha256: str) -> IO[bytes]:
        """Open a file for reading.

        Raises
        ------
        NotFoundError
            It is not in the store (any more).
        """
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"the file {sha256[:12]}... is not in the store") from None

    def delete(self, sha256: str) -> bool:
        """Delete a file that nothing points at.

        Returns
        -------
        bool
            Whether it was there.

        Raises
        ------
        ConflictError
            Something points at it.
        """
        with self.locked():
            try:
                with self._begin() as session:
                    session.execute(delete(StoredFile).where(StoredFile.sha256 == sha256))
            except ConflictError:
                raise ConflictError(f"the file {sha256[:12]}... is in use and is kept") from None
            # Only now that this is certain; a crash in between leaves a stray file, which `sweep` finds.
            return _unlink(self.path(sha256))

    def sweep(self, *, older_than: datetime) -> int:
        """Delete files that nothing points at and that are older than a time, which leaves work in progress alone.

        Returns
        -------
        int
            How many were deleted.
        """
        unused = select(StoredFile.sha256).where(StoredFile.stored_at < older_than)
        for column in pointers():
            unused = unused.where(~select(column).where(column == StoredFile.sha256).exists())
        with self._read() as session:
            known, names = set(session.scalars(select(StoredFile.sha256))), list(session.scalars(unused))
        strays = [*self.folder.glob(f"{_NEW}*"), *(p for p in self._present() if p.name not in known)]
        n_deleted = sum(self._sweep_one(name, unused) for name in names)
        for path in strays:
            with self.locked():  # and asked again: it may have been stored meanwhile
                if _older(path, older_than) and not self._is_known(path.name):
                    n_deleted += _unlink(path)
        for folder in self.folder.glob(f"{HELD}*"):
            if _older(folder, older_than):
                shutil.rmtree(folder, ignore_errors=True)
        return n_deleted

    def _sweep_one(self, sha256: str, unused: Select[str]) -> bool:
        with self.locked():
            try:
                with self._begin() as session:  # stored anew meanwhile, it is not unused any more
                    gone = delete(StoredFile).where(
                        StoredFile.sha256 == sha256, StoredFile.sha256.in_(unused)
                    )
                    if session.scalar(gone.returning(StoredFile.sha256)) is None:
                        return False
            except ConflictError:
                return False
            return _unlink(self.path(sha256))

    def check(self, *, advance: Callable[[int], None] = lambda _: None) -> Iterator[Fault]:
        """Read every file and compare it with its name.

        Parameters
        ----------
        advance : callable
            Called with numbers of bytes read.

        Yields
        ------
        Fault
        """
        with self._read() as session:
            rows = session.execute(select(StoredFile.sha256, StoredFile.n_bytes))
            known = {row.sha256: row.n_bytes for row in rows}
        for sha256 in sorted(known):
            fault = self._fault(sha256)
            advance(known[sha256])
            if fault is not None and self._is_known(sha256):
                yield Fault(sha256, fault)
        for path in self._present():
            if path.name not in known and not self._is_known(path.name):
                yield Fault(path.name, "stray")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every process from storing and deleting files; for moments only."""
        make_private(self.folder)
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # gone with the process, however that ends
            yield
        finally:
            os.close(handle)

    def _place(self, temporary: Path, sha256: str, n_bytes: int) -> None:
        """Give a file its name and its row."""
        path = self.path(sha256)
        with self.locked():
            make_private(path.parent)
            temporary.replace(path)
            _sync(path.parent)
            _sync(self.folder)
            with self._begin() as session:
                row = session.get(StoredFile, sha256)
                if row is None:
                    row = StoredFile(sha256=sha256, n_bytes=n_bytes)
                    session.add(row)
                row.stored_at = self._clock()

    def _fault(self, sha256: str) -> str | None:
        try:
            with self.path(sha256).open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError as error:
            return "missing" if isinstance(error, FileNotFoundError) else "damaged"
        return None if same else "damaged"

    def _is_known(self, sha256: str) -> bool:
        with self._read() as session:
            return session.get(StoredFile, sha256) is not None

    def _present(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("??/*") if _DIGEST.fullmatch(path.name))


def pointers() -> list[Column[Any]]:
    """The columns that point at stored files."""
    return [
        key.parent
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column is StoredFile.__table__.c.sha256
    ]


@contextmanager
def _unnamed(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A private file of a temporary name, removed at the end."""
    handle, name = tempfile.mkstemp(prefix=_NEW, dir=folder)  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _complaints() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StoreFullError(
                "the disk of the store's files is full; nothing of the file was kept"
            ) from None
        raise StoreError(f"the store's files cannot be written ({error.strerror})") from None


def is_full(error: OSError) -> bool:
    """Whether a disk, or what somebody may have of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _unlink(path: Path) -> bool:
    """Remove a file and tell whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _sync(path.parent)
    return True


def _older(path: Path, than: datetime) -> bool:
    try:
        return path.stat().st_mtime < than.timestamp()
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
