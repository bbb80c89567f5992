"""Intake: an upload that is whole becomes the current delivery of its dataset, or is refused with a reason.

::

    upload --(digest)--> stored file --> delivery, received --(no withdrawn records)--> accepted; the one before goes

Every step finds out what an earlier attempt has done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker import journal
from broker.delivery_quality import Changes, measure_quality
from broker.governance import Act, require
from broker.ledger import Records, changes_of, ledger_key
from broker.releases.files import delete_unused
from broker.releases.redaction import redact
from broker.store import Store
from broker.store.tables import (
    Dataset,
    Delivery,
    DeliveryState,
    Job,
    Party,
    Project,
    RunDelivery,
    SiteKey,
    StoredFile,
    Upload,
    UploadState,
)
from broker.work.loading import load_records
from broker.work.worker import Task
from pprl.console import Advance
from pprl.errors import (
    ConflictError,
    ExpiredError,
    GovernanceError,
    PackageError,
    ReplayedError,
    SignatureError,
    StoreError,
    WrongKeyError,
    WrongProjectError,
    WrongRecipientError,
    WrongSchemaError,
)
from pprl.guid import new_guid
from pprl.package import Manifest, inspect_package, open_package


@dataclass(frozen=True, slots=True)
class _Came:
    """An upload and where it belongs."""

    upload: Upload
    dataset: Dataset
    project: Project
    party: Party


def take_in(task: Task) -> None:
    """Do a job of intake."""
    store, now = task.store, task.store.clock()
    with store.read() as session:
        upload = session.scalars(select(Upload).where(Upload.id == task.job.arguments["upload"])).one()
        dataset = session.get_one(Dataset, upload.dataset_key)
        came = _Came(
            upload,
            dataset,
            session.get_one(Project, dataset.project_key),
            session.get_one(Party, upload.by_key),
        )
    delivery_key: int | None = None
    try:
        with store.read() as session:
            require(session, came.party, Act.SUBMIT, came.dataset, now=now)
            begun = _begun(session, session.get_one(Job, task.job.key))
        if begun is None:
            manifest = _checked(task, came, _stored(task, came))
        else:
            # Checked by an earlier attempt. It may have taken records out since, so that the package is another one.
            delivery_key, manifest = begun.key, Manifest.model_validate_json(begun.manifest_json)
        with task.progress("reading", manifest.payload_bytes) as advance:
            delivery_key, sha256 = _received(task, came, manifest)
            if sha256 is not None and redact(
                store, delivery_key, identity=task.keys.identity, signing_key=task.keys.signing
            ):
                with store.read() as session:
                    sha256 = session.get_one(Delivery, delivery_key).sha256
            quality = None
            if sha256 is not None:
                quality = _quality(task, came, delivery_key, store.files.path(sha256), advance)
        _accept(task, came, delivery_key, quality)
    except ConflictError:
        raise  # something else changed it meanwhile, which is no fault of the package's: it is taken in again
    except (PackageError, GovernanceError) as error:
        _refuse(task, came, delivery_key, _without_path(str(error), store, came))


def _begun(session: Session, job: Job) -> Delivery | None:
    """The delivery that an earlier attempt at the job has written down, where it is still to be settled."""
    known = (job.result or {}).get("delivery")
    if known is None:
        return None
    received = select(Delivery).where(Delivery.id == known, Delivery.state == DeliveryState.RECEIVED)
    return session.scalars(received).one_or_none()


def _stored(task: Task, came: _Came) -> Path:
    """Give the upload's file its name by digest; it may have it already."""
    store, upload = task.store, came.upload
    path = store.uploads / upload.id
    if not path.exists() and not _is_known(store, upload.sha256):
        # Everything stopped between its new name and its row.
        path = store.files.path(upload.sha256)
    with task.progress("checking the digest", upload.n_bytes):
        if path.exists():
            try:
                store.files.adopt(path, sha256=upload.sha256)
            except StoreError as error:
                if not _is_known(store, upload.sha256) and "SHA-256" in str(error):
                    raise PackageError(str(error)) from None
                raise
    return store.files.path(upload.sha256)


def _is_known(store: Store, sha256: str) -> bool:
    with store.read() as session:
        return session.get(StoredFile, sha256) is not None


def _checked(task: Task, came: _Came, path: Path) -> Manifest:
    """What the manifest says, once it is for this broker and dataset, from its site, and new."""
    store, manifest = task.store, inspect_package(path)
    if manifest.recipient != str(task.keys.identity.recipient):
        raise WrongRecipientError(
            "the package is sealed to somebody else; tokenise with --recipient and this broker's public key"
        )
    project, dataset = came.project, came.dataset
    if manifest.project != project.name or manifest.epoch != project.epoch:
        raise WrongProjectError(
            f"the package is for project {manifest.project!r}, epoch {manifest.epoch!r}; this is {project.name!r}, "
            f"epoch {project.epoch!r}"
        )
    if manifest.dataset != dataset.name:
        raise WrongProjectError(
            f"the package is of the dataset {manifest.dataset!r} and was sent as {dataset.name!r}; tokenise it with "
            f"--dataset {dataset.name}"
        )
    if manifest.schema_sha256 != project.schema_sha256:
        raise WrongSchemaError(
            "the package was made with another linkage schema than the project's; ask for it again"
        )
    with store.read() as session:
        keys = session.scalars(
            select(SiteKey.public).where(SiteKey.party_key == dataset.site_key, SiteKey.revoked_at.is_(None))
        ).all()
        others = session.scalars(
            select(Delivery.manifest_json)
            .join(Dataset, Dataset.key == Delivery.dataset_key)
            .where(
                Dataset.project_key == project.key,
                Delivery.state == DeliveryState.ACCEPTED,
                Delivery.dataset_key != dataset.key,
            )
        ).first()
        _check_sequence(session, came, manifest)
    if not keys:
        raise SignatureError("the site has registered no signing key; register its .pub file first")
    if manifest.signer not in keys:
        raise SignatureError("the package is signed with a key that is not the site's registered one")
    if manifest.expires <= store.clock():
        raise ExpiredError("the package is past its expiry; tokenise anew")
    if others is not None:
        theirs = Manifest.model_validate_json(others)
        if theirs.key_check != manifest.key_check:
            raise WrongKeyError(
                "the package was made with another linkage key than the project's other datasets; ask the key "
                "authority which one is right"
            )
    return manifest


def _check_sequence(session: Session, came: _Came, manifest: Manifest) -> None:
    latest = session.scalars(
        select(Delivery)
        .where(
            Delivery.dataset_key == came.dataset.key,
            Delivery.state.in_([DeliveryState.ACCEPTED, DeliveryState.SUPERSEDED]),
        )
        .order_by(Delivery.sequence.desc())
        .limit(1)
    ).first()
    if latest is None or manifest.sequence > latest.sequence:
        return
    raise ReplayedError(
        f"the package is delivery {manifest.sequence} of the dataset, and delivery {latest.sequence} was accepted "
        f"before; tokenise with --sequence {latest.sequence + 1} or higher"
    )


def _received(task: Task, came: _Came, manifest: Manifest) -> tuple[int, str | None]:
    """The delivery's row; that of an earlier attempt where there is one."""
    with task.store.begin() as session:
        job = task.lease.hold(session)
        begun = _begun(session, job)
        if begun is not None:
            return begun.key, begun.sha256
        # A dataset's intakes are done one at a time, so what else is half-way was given up.
        given_up = select(Delivery).where(
            Delivery.dataset_key == came.dataset.key, Delivery.state == DeliveryState.RECEIVED
        )
        for other in session.scalars(given_up).all():
            other.state, other.sha256, other.settled_at = DeliveryState.REFUSED, None, task.store.clock()
            other.refusal = "its intake was given up; send it once more"
        session.flush()
        row = Delivery(
            id=new_guid(task.random_bytes),
            dataset_key=came.dataset.key,
            sequence=manifest.sequence,
            state=DeliveryState.RECEIVED,
            sha256=came.upload.sha256,
            payload_sha256=manifest.payload_sha256,
            manifest_json=manifest.canonical_json(),
            n_records=manifest.n_records,
            received_by_key=came.party.key,
            received_at=task.store.clock(),
        )
        session.add(row)
        session.flush()
        job.result = {"delivery": row.id}
        return row.key, row.sha256


def _quality(task: Task, came: _Came, delivery_key: int, path: Path, advance: Advance) -> dict[str, Any]:
    """Read the whole package, which checks it, and describe it."""
    store = task.store
    with store.begin() as session:
        key = ledger_key(session, random_bytes=task.random_bytes)
        delivery = session.get_one(Delivery, delivery_key)
    # Its expiry was looked at before; one that is written anew here is signed by the broker itself.
    created = inspect_package(path).created
    with open_package(path, task.keys.identity, trusted=None, now=created, advance=advance) as package:
        tokens, records = load_records(
            package, delivery, key=key, folder=store.uploads, check=task.progress.check
        )
        manifest = package.manifest
    with store.read() as session:
        last = session.scalars(
            select(Delivery).where(
                Delivery.dataset_key == came.dataset.key, Delivery.state == DeliveryState.ACCEPTED
            )
        ).first()
        changes = None if last is None else _changes(session, records, last)
    with task.progress("looking at its quality", None):
        return measure_quality(
            tokens,
            manifest,
            None if last is None else last.quality,
            changes=changes,
            smallest=came.project.smallest_count,
        )


def _changes(session: Session, records: Records, last: Delivery) -> Changes | None:
    """What it changes, where the ledger holds the delivery before and records came again."""
    linked = session.scalars(
        select(RunDelivery.delivery_key)
        .join(Delivery, Delivery.key == RunDelivery.delivery_key)
        .where(Delivery.dataset_key == records.dataset_key)
        .order_by(RunDelivery.run_key.desc())
        .limit(1)
    ).first()
    if linked != last.key:
        return None
    found = changes_of(session, records)
    if not len(found.unchanged) and not len(found.changed):
        return None
    return Changes(added=len(found.added), changed=len(found.changed), removed=len(found.removed))


def _accept(task: Task, came: _Came, delivery_key: int, quality: dict[str, Any] | None) -> None:
    store = task.store
    gone: list[str | None] = []
    with store.begin() as session:
        now = store.clock()
        dataset = session.get_one(Dataset, came.dataset.key)
        require(session, session.get_one(Party, came.party.key), Act.SUBMIT, dataset, now=now)
        if dataset.retired_at is not None:
            raise GovernanceError(f"the dataset {dataset.name!r} is retired and takes no deliveries")
        row = session.get_one(Delivery, delivery_key)
        earlier = select(Delivery).where(
            Delivery.dataset_key == dataset.key, Delivery.state == DeliveryState.ACCEPTED
        )
        for other in session.scalars(earlier).all():
            gone.append(other.sha256)
            other.state, other.sha256, other.settled_at = DeliveryState.SUPERSEDED, None, now
        session.flush()
        row.state, row.settled_at, row.quality = DeliveryState.ACCEPTED, now, quality
        task.lease.finish(session, {"delivery": row.id, "state": "accepted", "refusal": None}, now=now)
        journal.append(
            session,
            "delivery.accepted",
            by=came.party.id,
            now=now,
            subjects={"project": came.project.id, "dataset": dataset.id, "delivery": row.id},
            counts={"records": row.n_records, "sequence": row.sequence},
            digests={"payload": row.payload_sha256},
        )
    (store.uploads / came.upload.id).unlink(missing_ok=True)
    delete_unused(store, gone)


def _refuse(task: Task, came: _Came, delivery_key: int | None, reason: str) -> None:
    """Tell the site why, and keep nothing of it."""
    store = task.store
    sha256: str | None = came.upload.sha256
    with store.begin() as session:
        now = store.clock()
        subjects = {"project": came.project.id, "dataset": came.dataset.id}
        result = {"delivery": None, "state": "refused", "refusal": reason}
        if delivery_key is not None:
            row = session.get_one(Delivery, delivery_key)
            sha256 = row.sha256
            row.state, row.sha256, row.settled_at, row.refusal = DeliveryState.REFUSED, None, now, reason
            result["delivery"] = subjects["delivery"] = row.id
        session.get_one(Upload, came.upload.key).state = UploadState.FAILED
        task.lease.finish(session, result, now=now)
        journal.append(session, "delivery.refused", by=came.party.id, now=now, subjects=subjects)
    (store.uploads / came.upload.id).unlink(missing_ok=True)
    delete_unused(store, [sha256, came.upload.sha256])


def _without_path(message: str, store: Store, came: _Came) -> str:
    """Say what is wrong with the package, not where the broker keeps it."""
    path = str(store.files.path(came.upload.sha256))
    return message.replace(f"{path}: ", "the package ").replace(path, "the package")
