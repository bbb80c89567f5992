"""The payload of an age file: STREAM, ChaCha20-Poly1305 in chunks of 64 KiB, in constant memory.

Every chunk is authenticated before a byte of it is given out. The nonce counts chunks and marks the last one:
chunks can be neither exchanged nor cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pprl.errors import CorruptError, TruncatedError

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
NONCE_BYTES = 16


def sealed_bytes(n_bytes: int) -> int:
    """Length of the payload, nonce included, that seals ``n_bytes``."""
    n_chunks = max(1, -(-n_bytes // CHUNK_BYTES))
    return NONCE_BYTES + n_bytes + n_chunks * TAG_BYTES


class StreamWriter:
    """Seals what is written to it; `finish` must be called once, at the end.

    Parameters
    ----------
    target : binary file
        At the end of the header.
    file_key : bytes
        16 bytes, of this file only.
    nonce : bytes
        16 bytes, of this file only.
    """

    def __init__(self, target: IO[bytes], file_key: bytes, nonce: bytes) -> None:
        self._target, self._cipher = target, _cipher(file_key, nonce)
        self._held = bytearray()
        self._n_chunks = 0
        target.write(nonce)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Seal some more bytes."""
        rest = memoryview(data)
        # The last chunk is marked and may not be empty, so a full one waits until more has come.
        if self._held:
            n_missing = CHUNK_BYTES - len(self._held)
            self._held += rest[:n_missing]
            rest = rest[n_missing:]
            if not rest:
                return
            self._emit(self._held, last=False)
            self._held.clear()
        while len(rest) > CHUNK_BYTES:
            self._emit(rest[:CHUNK_BYTES], last=False)
            rest = rest[CHUNK_BYTES:]
        self._held += rest

    def finish(self) -> None:
        """Seal the last chunk."""
        self._emit(self._held, last=True)
        self._held.clear()

    def _emit(self, chunk: bytearray | memoryview, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._n_chunks, last=last), chunk, None))
        self._n_chunks += 1


class StreamReader:
    """Opens a payload piece by piece.

    Parameters
    ----------
    source : binary file
        At the end of the header.
    file_key : bytes
        16 bytes.

    Raises
    ------
    TruncatedError
        It ends before the nonce does.
    """

    def __init__(self, source: IO[bytes], file_key: bytes) -> None:
        self._source = source
        nonce = _read_full(source, NONCE_BYTES)
        if len(nonce) < NONCE_BYTES:
            raise TruncatedError("ends before its payload; copy it again")
        self._chunks = self._open(_cipher(file_key, nonce))
        self._held = memoryview(b"")

    def read(self, n_bytes: int) -> bytes:
        """At most ``n_bytes`` more bytes, fewer only at the end.

        Raises
        ------
        TruncatedError
            The payload is cut off.
        CorruptError
            A chunk was changed, or something follows the last one.
        """
        parts, wanted = [], n_bytes
        while wanted:
            if not self._held:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._held = memoryview(chunk)
                continue
            part, self._held = self._held[:wanted], self._held[wanted:]
            parts.append(part)
            wanted -= len(part)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def __iter__(self) -> Iterator[bytes]:
        """The remaining bytes, chunk by chunk; raises as `read` does."""
        if self._held:
            yield bytes(self._held)
            self._held = memoryview(b"")
        yield from self._chunks

    def _open(self, cipher: ChaCha20Poly1305) -> Iterator[bytes]:
        block, n_chunks = _read_full(self._source, CHUNK_BYTES + TAG_BYTES), 0
        while True:
            ahead = _read_full(self._source, CHUNK_BYTES + TAG_BYTES)
            last = not ahead
            if len(block) < TAG_BYTES:
                raise TruncatedError("ends inside its payload; copy it again")
            try:
                chunk = cipher.decrypt(_nonce(n_chunks, last=last), block, None)
            except InvalidTag:
                yield self._misplaced(cipher, block, n_chunks, last=not last)
                if last:
                    raise TruncatedError("ends inside its payload; copy it again") from None
                raise CorruptError("something was added behind its payload; ask for the file again") from None
            if last and n_chunks and not chunk:
                raise CorruptError("its payload ends in an empty piece; ask for the file again")
            if chunk:
                yield chunk
            if last:
                return
            block, n_chunks = ahead, n_chunks + 1

    def _misplaced(self, cipher: ChaCha20Poly1305, block: bytes, n_chunks: int, *, last: bool) -> bytes:
        """Tell a cut file from a changed one: does the chunk open in the other role, last or not?"""
        if last or len(block) == CHUNK_BYTES + TAG_BYTES:
            with suppress(InvalidTag):
                return cipher.decrypt(_nonce(n_chunks, last=last), block, None)
        raise CorruptError("its payload was changed or is cut off; copy it again") from None


def _cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(algorithm=SHA256(), length=32, salt=nonce, info=b"payload").derive(file_key))


def _nonce(n_chunks: int, *, last: bool) -> bytes:
    return n_chunks.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _read_full(source: IO[bytes], n_bytes: int) -> bytes:
    """Read until ``n_bytes`` are there or the file ends; a raw file may give fewer at a time."""
    data = source.read(n_bytes)
    while data and len(data) < n_bytes:
        more = source.read(n_bytes - len(data))
        if not more:
            break
        data += more
    return data
