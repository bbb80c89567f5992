"""From a release at a broker to its files in a folder, as `pprl.release.open_release` reads them.

::

    .FOLDER.ID.part/  release.json, NAME.age ...   NAME.age.part is on its way, and is gone on with after a break
    FOLDER/           all of them, once each is what release.json says, and that is signed
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pprl.client.answers import Release
from pprl.client.connection import Connection, PassingError
from pprl.console import Advance, Progress, silent
from pprl.errors import ConflictError, CorruptError, PprlError, ServiceError
from pprl.files import check_output_folder, new_folder
from pprl.guid import GUID_PATTERN
from pprl.release import ReleaseManifest, ReleaseVerifyKey, load_manifest
from pprl.release.manifest import MANIFEST_FILE, MAX_MANIFEST_BYTES, File

if TYPE_CHECKING:
    from pprl.client.client import Client

_GUID = re.compile(GUID_PATTERN)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A release on the disk.

    Attributes
    ----------
    folder : Path
    release : Release
    manifest : ReleaseManifest
        Its signature checked.
    n_bytes : int
        Of its sealed files.
    was_there : bool
        Whether the folder held it already, whole.
    """

    folder: Path
    release: Release
    manifest: ReleaseManifest
    n_bytes: int
    was_there: bool


def fetch(
    client: Client,
    release: Release,
    folder: Path,
    *,
    key: ReleaseVerifyKey | None = None,
    progress: Progress = silent,
) -> Fetched:
    """Fetch a release, as `Client.fetch`."""
    check_output_folder(folder)
    if release.state != "published":
        what = (
            "and its files are gone; fetch a newer one" if release.state == "withdrawn" else "not published"
        )
        raise ConflictError(f"release {release.number} is {release.state}, {what}")
    if not _GUID.fullmatch(release.id):  # it becomes the name of a folder
        raise ServiceError(f"{client.url}: the release's id is not one", code="answer")
    trusted = key or ReleaseVerifyKey.parse(client.broker().release_key)
    staging = folder.parent / f".{folder.name}.{release.id}.part"
    try:
        staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        manifest = _manifest(client.connection, release, staging, trusted)
        n_bytes = sum(file.n_bytes for file in manifest.files)
        was_there = _is_whole(folder, staging, manifest)
        if not was_there:
            with progress("fetching", n_bytes, unit="bytes") as advance:
                for file in manifest.files:
                    _fetch_file(
                        client.connection,
                        release,
                        file,
                        staging / file.sealed_name,
                        advance,
                    )
            with new_folder(folder) as made:
                for name in (MANIFEST_FILE, *(file.sealed_name for file in manifest.files)):
                    (staging / name).replace(made / name)
        shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise PprlError(f"{folder}: cannot be written ({error.strerror})") from None
    finally:
        if not any(staging.glob("*.age*")):  # nothing that is worth going on with
            shutil.rmtree(staging, ignore_errors=True)
    return Fetched(folder, release, manifest, n_bytes, was_there)


def _manifest(
    connection: Connection, release: Release, staging: Path, key: ReleaseVerifyKey
) -> ReleaseManifest:
    path = staging / MANIFEST_FILE
    patience = connection.patience()
    while True:
        try:
            raw = b""
            with connection.streamed(*_place(release, MANIFEST_FILE), headers={}) as answer:
                for chunk in answer.iter_raw():
                    raw += chunk
                    if len(raw) > MAX_MANIFEST_BYTES:
                        break
            break
        except PassingError as error:
            patience.wait(error)
    path.write_bytes(raw)
    manifest = load_manifest(path, key)
    if manifest.release != release.id:
        raise CorruptError(
            f"{connection.url}: the broker gives the manifest of another release; tell the broker"
        )
    return manifest


def _is_whole(folder: Path, staging: Path, manifest: ReleaseManifest) -> bool:
    try:
        same = (folder / MANIFEST_FILE).read_bytes() == (staging / MANIFEST_FILE).read_bytes()
        return same and all(_digest(folder / file.sealed_name) == file.sha256 for file in manifest.files)
    except OSError:
        return False


def _fetch_file(connection: Connection, release: Release, file: File, target: Path, advance: Advance) -> None:
    """Fetch one file, or what is missing of it."""
    if target.exists() and _digest(target) == file.sha256:
        advance(file.n_bytes)
        return
    part = target.with_name(f"{target.name}.part")
    was_begun = part.exists()
    for is_again in (False, True):
        _fetch_rest(connection, release, file, part, advance)
        if _digest(part) == file.sha256:
            part.replace(target)
            return
        part.unlink()
        advance(-file.n_bytes)
        if is_again or not was_begun:  # once more from the beginning, where an older part may be to blame
            break
    raise CorruptError(
        f"{connection.url}: {file.sealed_name} of release {release.number} is not what its manifest says; fetch it "
        "again, and tell the broker if it stays so"
    )


def _fetch_rest(connection: Connection, release: Release, file: File, part: Path, advance: Advance) -> None:
    """Bring a part to its length."""
    patience = connection.patience()
    there = part.stat().st_size if part.exists() else 0
    if there > file.n_bytes:
        part.unlink()
        there = 0
    advance(there)
    with part.open("ab") as out:
        while there < file.n_bytes:
            headers = {"Range": f"bytes={there}-", "If-Range": f'"{file.sha256}"'} if there else {}
            before = there
            try:
                with connection.streamed(*_place(release, file.sealed_name), headers=headers) as answer:
                    if there and not _goes_on(answer.status_code, answer.headers.get("Content-Range"), there):
                        out.truncate(0)
                        advance(-there)
                        there = 0
                    for chunk in answer.iter_raw():
                        kept = chunk[: file.n_bytes - there]
                        out.write(kept)
                        there += len(kept)
                        advance(len(kept))
                        if len(kept) < len(chunk):
                            raise CorruptError(
                                f"{connection.url}: {file.sealed_name} is longer than its manifest says; "
                                "tell the broker"
                            )
                if there < file.n_bytes:
                    raise PassingError(f"{connection.url}: {file.sealed_name} ends too early", code="answer")
            except PassingError as error:
                out.flush()
                if there > before:
                    patience.renew()
                patience.wait(error)


def _goes_on(status: int, content_range: str | None, there: int) -> bool:
    return status == 206 and (content_range or "").startswith(f"bytes {there}-")


def _place(release: Release, name: str) -> tuple[str, ...]:
    return "releases", release.id, "files", name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
