"""Sending a file in pieces, as tus 1.0 does: after a break the service is asked how far it has got, and told the rest.

::

    HEAD  -> Upload-Offset
    PATCH from there, one piece -> Upload-Offset        again, until it is the length
          409 -> the Upload-Offset that it has
          no answer, or not now -> a pause, then HEAD
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import IO

from pprl.client.answers import Upload
from pprl.client.connection import Connection, PassingError
from pprl.console import Advance
from pprl.errors import ServiceError

PIECE_BYTES = 8 * 1024 * 1024
"""Of one request: what a break costs at most, and what a proxy must let through."""

_LEAST_PIECE_BYTES = 256 * 1024
_CHUNK_BYTES = 256 * 1024
_OFFSET = "Upload-Offset"


def send(
    connection: Connection,
    upload: Upload,
    file: IO[bytes],
    *,
    advance: Advance,
    piece_bytes: int = PIECE_BYTES,
) -> None:
    """Send what the service has not of a file, from the disk and in constant memory.

    Parameters
    ----------
    connection : Connection
        To the service.
    upload : Upload
        An open one, of this file.
    file : binary file
        Whole, seekable.
    advance : callable
        Called with the bytes that the service has beyond those it had; they may be fewer than none.
    piece_bytes : int
        Sent with one request, at most. Where a proxy finds them too many, fewer are sent.

    Raises
    ------
    ServiceError
        It is refused, or nothing moved for as long as the retries last.
    """
    patience = connection.patience()
    at = furthest = _ask(connection, upload)
    advance(at)
    while at < upload.n_bytes:
        n_bytes = min(piece_bytes, upload.n_bytes - at)
        headers = {
            _OFFSET: str(at),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(n_bytes),
        }
        try:
            with closing(_piece(file, at, n_bytes)) as content:
                answer = connection.once(
                    "PATCH", "uploads", upload.id, headers=headers, content=content, expected=(409, 413)
                )
            if answer.status_code == 413 and n_bytes > _LEAST_PIECE_BYTES:
                piece_bytes = n_bytes // 2
                continue
            if _OFFSET not in answer.headers:
                connection.check(answer)
            moved = _offset(answer.headers.get(_OFFSET), upload, connection.url)
            failure = PassingError(
                f"{connection.url}: the broker takes nothing of the upload; try again later",
                code="offset",
                status=answer.status_code,
            )
        except PassingError as error:
            moved, failure = None, error
        if moved is None or moved <= furthest:  # or it would go on forever with a service that forgets
            patience.wait(failure)
            moved = _ask(connection, upload) if moved is None else moved
        if moved > furthest:
            furthest = moved
            patience.renew()
        advance(moved - at)
        at = moved


def _ask(connection: Connection, upload: Upload) -> int:
    answer = connection.call("HEAD", "uploads", upload.id)
    return _offset(answer.headers.get(_OFFSET), upload, connection.url)


def _offset(text: str | None, upload: Upload, url: str) -> int:
    if text is None or not text.isdecimal() or int(text) > upload.n_bytes:
        raise ServiceError(
            f"{url}: the broker does not say how much of the upload it has; is the address right?",
            code="answer",
        )
    return int(text)


def _piece(file: IO[bytes], start: int, n_bytes: int) -> Generator[bytes, None, None]:
    file.seek(start)
    while n_bytes:
        chunk = file.read(min(_CHUNK_BYTES, n_bytes))
        if not chunk:
            return  # it was cut short meanwhile; the request then fails, and the file is looked at afterwards
        n_bytes -= len(chunk)
        yield chunk
