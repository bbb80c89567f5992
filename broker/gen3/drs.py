"""Files of releases as objects of the GA4GH Data Repository Service, version 1.5.

A file is a blob, its id that of the row: an id gives the same bytes as long as there are any, and a table that is made
anew is another file with another id. A release is a bundle of the files that its recipient may see. The bytes are what
the recipient fetches otherwise, sealed to it.

Where records of a release were withdrawn its files are gone, and so are the objects: that is a 404, the one answer the
specification has for it; who could see it before is told why.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.releases.files import CONTENT, release_files
from broker.store.tables import Release, ReleaseFile, ReleaseState
from pprl.errors import NotFoundError

VERSION = "1.5.0"
PREFIX = "/ga4gh/drs/v1"
ACCESS_ID = "https"
"""The one way to the bytes."""

MOST_AT_ONCE = 100
"""Objects of a bulk request."""

_ID = re.compile(r"[0-9a-f-]{36}")

SEALED = "application/octet-stream"


def find_object(session: Session, object_id: str) -> Release | ReleaseFile | None:
    """What an id names: a file that recipients may see, or a release; None where there is no such thing."""
    if not _ID.fullmatch(object_id):
        return None
    file = session.scalars(
        select(ReleaseFile)
        .join(Release, Release.key == ReleaseFile.release_key)
        .where(
            ReleaseFile.id == object_id,
            ReleaseFile.role != CONTENT,
            Release.state != ReleaseState.BUILDING,
        )
    ).first()
    if file is not None:
        return file
    return session.scalars(
        select(Release).where(Release.id == object_id, Release.state != ReleaseState.BUILDING)
    ).first()


def describe(session: Session, subject: Release | ReleaseFile, *, host: str, issuer: str) -> dict[str, Any]:
    """A DrsObject.

    Parameters
    ----------
    session : Session
        Of the store.
    subject : Release or ReleaseFile
        What it is of.
    host : str
        Under which others reach the broker, without its scheme.
    issuer : str
        Whose bearer tokens open it.

    Raises
    ------
    NotFoundError
        Its bytes are gone.
    """
    if isinstance(subject, Release):
        return _bundle(session, subject, host)
    release = session.get_one(Release, subject.release_key)
    sha256 = checksum(subject)
    return {
        **_common(subject.id, subject.name, release, host),
        "size": subject.n_bytes,
        "checksums": [{"type": "sha-256", "checksum": sha256}],
        "mime_type": SEALED if subject.name.endswith(".age") else subject.media_type,
        "description": f"{subject.role} of release {release.number}",
        "access_methods": [
            {
                "type": "https",
                "access_id": ACCESS_ID,
                "available": True,
                "authorizations": authorizations(subject.id, issuer=issuer),
            }
        ],
    }


def authorizations(object_id: str, *, issuer: str) -> dict[str, Any]:
    """How to say who asks. It is the same for all ids, whether they name something or not."""
    return {
        "drs_object_id": object_id,
        "supported_types": ["BearerAuth", "BasicAuth"],
        "bearer_auth_issuers": [issuer],
    }


def service_info(*, host: str, url: str, program: str) -> dict[str, Any]:
    """What the service is, for ``service-info``."""
    return {
        "id": ".".join(reversed(host.partition(":")[0].split("."))) + ".pprl",
        "name": "pprl broker",
        "description": "Match tables of an honest broker, each sealed to the recipient of its release.",
        "type": {"group": "org.ga4gh", "artifact": "drs", "version": VERSION},
        "organization": {"name": host, "url": url},
        "version": program,
        "maxBulkRequestLength": MOST_AT_ONCE,
        "drs": {"maxBulkRequestLength": MOST_AT_ONCE},
    }


def uri(object_id: str, host: str) -> str:
    """An object's address, with the broker's host in it."""
    return f"drs://{host}/{quote(object_id, safe='-._~')}"


def checksum(file: ReleaseFile) -> str:
    """SHA-256 of a file's bytes.

    Raises
    ------
    NotFoundError
        They are gone.
    """
    if file.sha256 is None:
        raise NotFoundError(
            "the file is gone, as records in it were withdrawn; the latest release has one without them"
        )
    return file.sha256


def _bundle(session: Session, release: Release, host: str) -> dict[str, Any]:
    files = release_files(session, release)
    return {
        **_common(release.id, f"release-{release.number}", release, host),
        "size": sum(file.n_bytes for file in files),
        "checksums": [{"type": "sha-256", "checksum": _of_bundle([checksum(file) for file in files])}],
        "description": f"release {release.number}",
        "contents": [{"name": file.name, "id": file.id, "drs_uri": [uri(file.id, host)]} for file in files],
    }


def _common(object_id: str, name: str, release: Release, host: str) -> dict[str, Any]:
    created = (release.published_at or release.created_at).astimezone(UTC)
    return {
        "id": object_id,
        "name": name,
        "self_uri": uri(object_id, host),
        "created_time": created.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "version": str(release.number),
    }


def _of_bundle(checksums: Sequence[str]) -> str:
    """That of the checksums of what is in it, sorted and put together; DRS 1.5, ``DrsObject.checksums``."""
    return hashlib.sha256("".join(sorted(checksums)).encode("ascii")).hexdigest()
