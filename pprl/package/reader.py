"""Reading a package: what it says without a key, and its token table with one."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa

from pprl.errors import (
    CorruptError,
    ExpiredError,
    NotAPackageError,
    PackageError,
    SignatureError,
    TruncatedError,
    WrongRecipientError,
)
from pprl.package.age import Header, Identity, StreamReader, open_sealed, read_header, sealed_bytes
from pprl.package.manifest import Manifest, open_frame
from pprl.package.signing import VerifyKey
from pprl.package.tokens import TokenReader
from pprl.package.writer import STANZA_ARGS

Advance = Callable[[int], None]

# 64 KiB each; together about a batch of the site's, so that one is opened while the one before is worked on.
_CHUNKS_IN_BLOCK, _BLOCKS_AHEAD = 16, 16


class Package:
    """An open package; made by `open_package`.

    Attributes
    ----------
    path : Path
    manifest : Manifest
        Its signature checked.
    signer : VerifyKey
        Whose signature it is.
    """

    def __init__(
        self,
        path: Path,
        file: IO[bytes],
        identity: Identity,
        frame: bytes,
        manifest: Manifest,
        advance: Advance,
    ) -> None:
        self.path, self.manifest = path, manifest
        self.signer = VerifyKey.parse(manifest.signer)
        self._file, self._identity, self._frame, self._advance = file, identity, frame, advance
        self._worker: ThreadPoolExecutor | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Give out the record batches from the first one on.

        Each is whole and well-formed; that they are the ones the site signed is known only at the end of the
        iteration, so nothing may be released before. A new pass ends one that was left half-way.

        Raises
        ------
        TruncatedError, CorruptError
            The payload is not the one that was signed, in bytes, digest, rows or field counts.
        """
        with _named(self.path), self._payload() as payload:
            tokens = TokenReader(payload.read, self.manifest.linkage_schema)
            for batch in tokens:
                if tokens.n_records > self.manifest.n_records:
                    raise CorruptError(
                        "it holds more records than its manifest says; ask the site for it again"
                    )
                yield batch
            payload.finish()
            if (
                tokens.n_records != self.manifest.n_records
                or tokens.field_counts != self.manifest.field_counts
                or not _agree(self.manifest.stratum_counts, tokens.stratum_counts)
            ):
                raise CorruptError("its counts are not those of its manifest; ask the site for it again")

    def verify(self) -> None:
        """Check the whole payload against the signed digest, without looking into it.

        Raises
        ------
        TruncatedError, CorruptError
        """
        with _named(self.path), self._payload() as payload:
            while payload.read(1024 * 1024):
                pass
            payload.finish()

    @contextmanager
    def _payload(self) -> Iterator[_Payload]:
        self._stop()
        self._file.seek(0)
        _, content = open_sealed(self._file, self._identity)
        if content.read(len(self._frame)) != self._frame:
            raise CorruptError("its two manifests differ; ask the site for it again")
        with ThreadPoolExecutor(1, "pprl-unseal") as worker:
            self._worker = worker
            try:
                yield _Payload(content, self.manifest, self._advance, worker)
            finally:
                worker.shutdown(cancel_futures=True)

    def _stop(self) -> None:
        """Let nothing read the file any more."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)


def _agree(shown: Mapping[str, Sequence[int | None]], counts: Mapping[str, Sequence[int]]) -> bool:
    """Whether what is shown of the counts of strata is true."""
    return all(
        claimed in (None, counted)
        for name, claims in shown.items()
        for claimed, counted in zip(claims, counts[name], strict=True)
    )


class _Payload:
    """The bytes of the token table, which a worker opens and hashes a bounded way ahead of the reader."""

    def __init__(
        self, content: StreamReader, manifest: Manifest, advance: Advance, worker: ThreadPoolExecutor
    ) -> None:
        self._content, self._manifest, self._advance, self._worker = iter(content), manifest, advance, worker
        self._digest, self._n_left = hashlib.sha256(), manifest.payload_bytes
        self._chunks, self._held = self._ahead(), memoryview(b"")

    def read(self, n_bytes: int) -> bytes:
        parts: list[bytes | memoryview] = []
        wanted = n_bytes = min(n_bytes, self._n_left)
        while wanted and (self._held or self._next_chunk()):
            part, self._held = self._held[:wanted], self._held[wanted:]
            parts.append(part)
            wanted -= len(part)
        self._n_left -= n_bytes - wanted
        self._advance(n_bytes - wanted)
        return b"".join(parts)

    def finish(self) -> None:
        if self._n_left or self._held or self._next_chunk():
            raise CorruptError(
                "its token table has another length than its manifest says; ask the site for it again"
            )
        if self._digest.hexdigest() != self._manifest.payload_sha256:
            raise CorruptError("its token table is not the one that was signed; ask the site for it again")

    def _next_chunk(self) -> bool:
        self._held = memoryview(next(self._chunks, b""))
        return bool(self._held)

    def _ahead(self) -> Iterator[bytes]:
        """The chunks; decryption and hashing release the interpreter's lock, so they run beside the reader."""
        blocks = deque(self._worker.submit(self._open_block) for _ in range(_BLOCKS_AHEAD))
        while block := blocks.popleft().result():
            blocks.append(self._worker.submit(self._open_block))
            yield from block

    def _open_block(self) -> list[bytes]:
        """The next chunks, none at the end; in the worker, so one after the other."""
        block = []
        for chunk in islice(self._content, _CHUNKS_IN_BLOCK):
            self._digest.update(chunk)
            block.append(chunk)
        return block


@contextmanager
def open_package(
    path: str | Path,
    identity: Identity,
    *,
    trusted: Collection[VerifyKey] | None,
    now: datetime,
    advance: Advance = lambda _: None,
) -> Iterator[Package]:
    """Open a package and check all that can be checked before its payload is read.

    Parameters
    ----------
    path : str or Path
        A regular file.
    identity : Identity
        The recipient's.
    trusted : collection of VerifyKey, or None
        The sites whose signature is accepted; None accepts any, for a look or a test.
    now : datetime
        With time zone; what is past its expiry is refused.
    advance : callable
        Called with numbers of bytes done; in one pass they add up to ``manifest.payload_bytes``.

    Yields
    ------
    Package

    Raises
    ------
    NotAPackageError, TruncatedError, CorruptError, WrongRecipientError, SignatureError, ExpiredError
        Each names the file.
    """
    path = Path(path)
    with _named(path):
        file = path.open("rb")
    with file:
        with _named(path):
            frame, manifest = _open(file, identity)
            if trusted is not None and VerifyKey.parse(manifest.signer) not in trusted:
                raise SignatureError(
                    f"signed by {manifest.signer}, which is not a trusted site; compare keys with the site"
                )
            if now >= manifest.expires:
                raise ExpiredError(
                    f"expired {manifest.expires:%Y-%m-%d %H:%M} UTC; ask the site for a fresh package"
                )
        package = Package(path, file, identity, frame, manifest, advance)
        try:
            yield package
        finally:
            package._stop()


def inspect_package(path: str | Path) -> Manifest:
    """Read a package's manifest; needs no key.

    The signature is checked against the key that the manifest names, and the file's length. Whether the
    payload is whole is known only to whom the package is sealed.

    Raises
    ------
    NotAPackageError, TruncatedError, CorruptError, SignatureError
        Each names the file.
    """
    path = Path(path)
    with _named(path), path.open("rb") as file:
        header = read_header(file)
        frame = _frame(header)
        manifest = open_frame(frame)
        _check_length(file, header, frame, manifest)
    return manifest


def _open(file: IO[bytes], identity: Identity) -> tuple[bytes, Manifest]:
    """The frame and manifest of a package that is whole in length and sealed to this identity."""
    header = read_header(file)
    frame = _frame(header)
    file_key = identity.unwrap(header.stanzas)
    if file_key is None:
        raise _not_for(identity, frame)
    header.check(file_key)
    manifest = open_frame(frame)
    if manifest.recipient != str(identity.recipient):
        raise WrongRecipientError(
            f"was made for {manifest.recipient} and sealed anew; ask the site for a package of your own"
        )
    _check_length(file, header, frame, manifest)
    return frame, manifest


def _frame(header: Header) -> bytes:
    """The manifest's frame out of a header with one recipient and one manifest."""
    frames = [stanza.body for stanza in header.stanzas if stanza.args == STANZA_ARGS]
    if not frames:
        other = any(stanza.args[0] == STANZA_ARGS[0] for stanza in header.stanzas)
        raise NotAPackageError(
            "is a token package of a version not known here; update this program"
            if other
            else "is sealed, but is not a token package"
        )
    if len(header.stanzas) != 2:
        raise CorruptError("it has further recipients or manifests beside its own; ask the site for it again")
    return frames[0]


def _not_for(identity: Identity, frame: bytes) -> PackageError:
    manifest = open_frame(frame)
    if manifest.recipient == str(identity.recipient):
        return CorruptError("its header was changed (it is for you, but does not open); copy it again")
    return WrongRecipientError(
        f"is sealed to {manifest.recipient}, not to {identity.recipient}; use the identity it is for"
    )


def _check_length(file: IO[bytes], header: Header, frame: bytes, manifest: Manifest) -> None:
    expected = header.n_bytes + sealed_bytes(len(frame) + manifest.payload_bytes)
    found = os.fstat(file.fileno()).st_size
    if found < expected:
        raise TruncatedError(f"has {found} of {expected} bytes; copy it again")
    if found > expected:
        raise CorruptError(f"has {found} bytes instead of {expected}; copy it again")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name before the complaint."""
    try:
        yield
    except PackageError as error:
        raise type(error)(f"{path}: {error}") from None
    except OSError as error:
        raise PackageError(f"{path}: cannot be read ({error.strerror})") from None
