"""From a package on the disk to the broker's word on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pprl.client import resumption
from pprl.client.answers import Dataset, Job, Upload
from pprl.client.fitting import check_parties, check_sequence, find_dataset, find_project
from pprl.client.resumption import Facts, Kept
from pprl.client.sending import send
from pprl.console import Progress, silent
from pprl.errors import PackageError, ServiceError
from pprl.package import inspect_package

if TYPE_CHECKING:
    from pprl.client.client import Client

_CHUNK_BYTES = 1024 * 1024
_GONE = (404, 410)
_N_LOOKS = 60  # of one second, for the job of an upload that is complete


@dataclass(frozen=True, slots=True)
class Submitted:
    """A package that was sent.

    Attributes
    ----------
    project, dataset : str
        Their names.
    sequence : int
        Of the delivery.
    n_records : int
    upload : str
        Its id.
    job : str or None
        Id of the intake; None where it was not waited for and is not known yet.
    state : str
        ``sent``, where it was not waited for; ``accepted`` or ``refused``.
    delivery : str or None
        Its id.
    refusal : str or None
        Why it was refused.
    """

    project: str
    dataset: str
    sequence: int
    n_records: int
    upload: str
    job: str | None
    state: str
    delivery: str | None = None
    refusal: str | None = None


def submit(
    client: Client,
    package: Path,
    *,
    dataset: Dataset | None = None,
    project: str | None = None,
    wait: bool = True,
    progress: Progress = silent,
) -> Submitted:
    """Send a package, as `Client.submit`."""
    manifest = inspect_package(package)
    me, broker = client.me(), client.broker()
    name = str(package)
    check_parties(name, manifest, broker=broker, me=me)
    in_project = find_project(name, manifest, client.projects(), asked=project)
    datasets = client.datasets(in_project.id) if dataset is None else [dataset]
    of_dataset = find_dataset(name, manifest, datasets, me=me)
    with package.open("rb") as file:
        facts = Facts.of(file.fileno())
        kept = resumption.load(package, facts)
        upload = None if kept is None else _found(client, kept.at(client.url, of_dataset.id), broker.time)
        if upload is None:
            check_sequence(name, manifest, client.deliveries(of_dataset.id))
        if kept is None:
            kept = Kept(facts, _digest(file, facts, progress))
            resumption.keep(package, kept)
        upload = _sent(client, package, file, of_dataset, kept, upload, progress)
    job = None
    if wait:
        with progress("taken in", None):
            job = _intake(client, upload)
    # Only now: until the broker has spoken, the same command finds the intake that it began.
    result = {} if job is None or job.result is None else job.result
    resumption.forget(package)
    if job is not None and job.state != "done":
        what = "was cancelled" if job.state == "cancelled" else f"failed: {job.error or 'no reason is given'}"
        raise ServiceError(f"{name}: its intake {what}; send it again", code=job.state)
    return Submitted(
        project=manifest.project,
        dataset=manifest.dataset,
        sequence=manifest.sequence,
        n_records=manifest.n_records,
        upload=upload.id,
        job=job.id if job is not None else None if upload.job is None else upload.job.id,
        state="sent" if job is None else str(result.get("state", "accepted")),
        delivery=result.get("delivery"),
        refusal=result.get("refusal"),
    )


def _found(client: Client, upload: str | None, now: datetime) -> Upload | None:
    """An upload that was begun, where the broker still has it; one that was refused as well, with its intake."""
    if upload is None:
        return None
    try:
        found = client.upload(upload)
    except ServiceError as error:
        if error.status not in _GONE:
            raise
        return None
    is_late = found.state == "open" and found.expires_at is not None and found.expires_at <= now
    return None if is_late or (found.state == "failed" and found.job is None) else found


def _sent(
    client: Client,
    package: Path,
    file: IO[bytes],
    dataset: Dataset,
    kept: Kept,
    upload: Upload | None,
    progress: Progress,
) -> Upload:
    n_bytes = kept.facts.n_bytes
    if upload is None or (upload.sha256, upload.n_bytes) != (kept.sha256, n_bytes):
        upload = client.begin_upload(dataset.id, sha256=kept.sha256, n_bytes=n_bytes)
    resumption.keep(package, kept.begun(client.url, dataset.id, upload.id))
    if upload.state == "open":
        try:
            with progress("sending", n_bytes, unit="bytes") as advance:
                send(client.connection, upload, file, advance=advance, piece_bytes=client.piece_bytes)
            upload = client.upload(upload.id)
        except ServiceError as error:
            _refuse_changed(package, file, kept.facts)
            if error.status in _GONE:
                resumption.keep(package, kept)
                raise ServiceError(
                    f"{package}: the broker has given this upload up, it took too long; the same command begins anew",
                    code="expired",
                    status=error.status,
                ) from None
            if (again := _found_failed(client, upload, error)) is None:
                raise
            upload = again
        _refuse_changed(package, file, kept.facts)
    if upload.state == "failed" and upload.job is None:
        resumption.forget(package)
        raise ServiceError(
            f"{package}: the broker gave this upload up: other bytes came than were sent, or somebody cancelled it; "
            "send it again",
            code="failed",
        )
    return upload


def _found_failed(client: Client, upload: Upload, error: ServiceError) -> Upload | None:
    """The upload, where the broker gave it up for its digest and said so with an error."""
    if error.status is None or error.status in (401, 403):
        return None
    try:
        found = client.upload(upload.id)
    except ServiceError:
        return None
    return found if found.state == "failed" else None


def _refuse_changed(package: Path, file: IO[bytes], facts: Facts) -> None:
    if Facts.of(file.fileno()) != facts:
        resumption.forget(package)
        raise PackageError(f"{package}: was changed while it was sent; send it again")


def _intake(client: Client, upload: Upload) -> Job:
    for _ in range(_N_LOOKS):
        if upload.job is not None:
            return upload.job if upload.job.is_over else client.wait(upload.job.id)
        client.connection.pause(1)
        upload = client.upload(upload.id)
    raise ServiceError(
        f"{client.url}: the broker has the package, and has not begun to take it in; look later: pprl status",
        code="busy",
    )


def _digest(file: IO[bytes], facts: Facts, progress: Progress) -> str:
    digest = hashlib.sha256()
    with progress("reading", facts.n_bytes, unit="bytes") as advance:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            advance(len(chunk))
    return digest.hexdigest()
