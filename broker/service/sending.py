"""Files of releases on their way to whoever may have them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import IO

from fastapi.responses import Response, StreamingResponse

from broker import journal
from broker.service.context import Broker
from broker.service.problems import Refusal
from broker.store.tables import Party, Project, Release, ReleaseFile
from pprl.errors import NotFoundError

_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})?")
_PIECE_BYTES = 256 * 1024


def send_file(
    broker: Broker, party: Party, file: ReleaseFile, range_header: str | None, if_none_match: str | None
) -> Response:
    """Stream a file of a release, or a part of it, and write into the journal who has it now.

    Parameters
    ----------
    broker : Broker
        Whose.
    party : Party
        Who gets it; that it may is asked before.
    file : ReleaseFile
        Which.
    range_header, if_none_match : str or None
        As they came; other ranges than one from a place on are answered with the whole.

    Raises
    ------
    Refusal
        Its bytes are gone, or the part is none.
    """
    if file.sha256 is None:
        raise _gone()
    etag = f'"{file.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "X-Content-Type-Options": "nosniff",
    }
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    start, end, status = 0, file.n_bytes, 200
    asked = _RANGE.fullmatch(range_header.strip()) if range_header else None
    if asked is not None:
        start = int(asked[1])
        end = min(int(asked[2]) + 1 if asked[2] else file.n_bytes, file.n_bytes)
        if start >= file.n_bytes or end <= start:
            raise Refusal(
                416, "the file has no such part", headers={"Content-Range": f"bytes */{file.n_bytes}"}
            )
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.n_bytes}"
    headers["Content-Length"] = str(end - start)
    try:
        handle = broker.store.files.open(file.sha256)
    except NotFoundError:
        raise _gone() from None
    _write_down(broker, party, file)
    return StreamingResponse(
        pieces(handle, start, end), status, headers=headers, media_type="application/octet-stream"
    )


def _gone() -> Refusal:
    text = "the file is gone, as records in it were withdrawn; fetch the latest release"
    return Refusal(410, text, code="gone")


def _write_down(broker: Broker, party: Party, file: ReleaseFile) -> None:
    with broker.store.begin() as session:
        release = session.get_one(Release, file.release_key)
        journal.append(
            session,
            "release.fetched",
            by=party.id,
            now=broker.clock(),
            subjects={"project": session.get_one(Project, release.project_key).id, "release": release.id},
            words={"file": file.name},
        )


def pieces(handle: IO[bytes], start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """What a file holds from one place to another, or to its end, a piece at a time; it is closed then."""
    with handle:
        left = (os.fstat(handle.fileno()).st_size if end is None else end) - start
        handle.seek(start)
        while left and (piece := handle.read(min(_PIECE_BYTES, left))):
            left -= len(piece)
            yield piece
