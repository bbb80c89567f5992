"""Rows of the store as answers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.gen3 import drs
from broker.governance import is_valid, role_in, site_key
from broker.releases.acknowledgement import unacknowledged
from broker.releases.files import release_files
from broker.service.context import Broker
from broker.service.models import (
    DatasetOut,
    DeliveryOut,
    JobOut,
    MemberOut,
    PartyOut,
    PermissionOut,
    ProjectOut,
    ReleaseFileOut,
    ReleaseOut,
    RunOut,
    TokenOut,
    UploadOut,
    WithdrawalOut,
)
from broker.store.tables import (
    Acknowledgement,
    ApiToken,
    Dataset,
    Delivery,
    DeliveryState,
    Job,
    Member,
    Party,
    Permission,
    PermissionRecipient,
    Project,
    Release,
    Run,
    Upload,
    Withdrawal,
)
from pprl.schema import Schema


def party_out(session: Session, party: Party) -> PartyOut:
    """A party."""
    key = site_key(session, party)
    return PartyOut(
        id=party.id,
        kind=party.kind.value,
        name=party.name,
        recipient=party.recipient,
        site_key=None if key is None else str(key),
        created_at=party.created_at,
        disabled_at=party.disabled_at,
    )


def token_out(token: ApiToken) -> TokenOut:
    """A token, without itself."""
    return TokenOut(
        id=token.id,
        name=token.name,
        scopes=list(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        last_used_at=token.last_used_at,
    )


def project_out(session: Session, project: Project, party: Party, *, now: datetime) -> ProjectOut:
    """A project as a party sees it."""
    role = role_in(session, party, project, now=now)
    return ProjectOut(
        id=project.id,
        name=project.name,
        epoch=project.epoch,
        profile=Schema.model_validate_json(project.schema_json).profile.value,
        schema_sha256=project.schema_sha256,
        smallest_count=project.smallest_count,
        created_at=project.created_at,
        closed_at=project.closed_at,
        role=None if role is None else role.value,
    )


def member_out(member: Member, party: Party) -> MemberOut:
    """A member of a project."""
    return MemberOut(
        party=party.id,
        name=party.name,
        kind=party.kind.value,
        role=member.role.value,
        since=member.since,
        expires_at=member.expires_at,
    )


def current_delivery(session: Session, dataset: Dataset) -> Delivery | None:
    """The delivery of a dataset that is linked."""
    return session.scalars(
        select(Delivery).where(Delivery.dataset_key == dataset.key, Delivery.state == DeliveryState.ACCEPTED)
    ).first()


def dataset_out(session: Session, dataset: Dataset, *, in_detail: bool) -> DatasetOut:
    """A dataset; its current delivery for those who may see deliveries."""
    site = session.get_one(Party, dataset.site_key)
    current = current_delivery(session, dataset) if in_detail else None
    return DatasetOut(
        id=dataset.id,
        name=dataset.name,
        project=session.get_one(Project, dataset.project_key).id,
        site=site.id,
        site_name=site.name,
        stable_guids=dataset.stable_guids,
        created_at=dataset.created_at,
        retired_at=dataset.retired_at,
        current_delivery=None if current is None else delivery_out(session, current, with_quality=False),
    )


def delivery_out(session: Session, delivery: Delivery, *, with_quality: bool) -> DeliveryOut:
    """A delivery."""
    return DeliveryOut(
        id=delivery.id,
        dataset=session.get_one(Dataset, delivery.dataset_key).id,
        sequence=delivery.sequence,
        state=delivery.state.value,
        n_records=delivery.n_records,
        refusal=delivery.refusal,
        received_at=delivery.received_at,
        settled_at=delivery.settled_at,
        quality=delivery.quality if with_quality else None,
    )


def job_out(session: Session, job: Job) -> JobOut:
    """A job."""
    return JobOut(
        id=job.id,
        kind=job.kind,
        project=None if job.project_key is None else session.get_one(Project, job.project_key).id,
        dataset=None if job.dataset_key is None else session.get_one(Dataset, job.dataset_key).id,
        state=job.state.value,
        stage=job.stage,
        n_done=job.n_done,
        n_total=job.n_total,
        attempts=job.attempts,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        error=job.error,
        result=job.result if job.finished_at is not None else None,
    )


def upload_out(session: Session, upload: Upload) -> UploadOut:
    """An upload."""
    job = None if upload.job_key is None else session.get_one(Job, upload.job_key)
    return UploadOut(
        id=upload.id,
        dataset=session.get_one(Dataset, upload.dataset_key).id,
        sha256=upload.sha256,
        n_bytes=upload.n_bytes,
        n_received=upload.n_received,
        state=upload.state.value,
        expires_at=upload.expires_at,
        job=None if job is None else job_out(session, job),
    )


def withdrawal_out(session: Session, withdrawal: Withdrawal) -> WithdrawalOut:
    """A withdrawal."""
    return WithdrawalOut(
        id=withdrawal.id,
        dataset=session.get_one(Dataset, withdrawal.dataset_key).id,
        requested_at=withdrawal.requested_at,
        n_records=withdrawal.n_records,
        purged_at=withdrawal.purged_at,
        waiting_for=[party.name for party in unacknowledged(session, withdrawal)],
    )


def permission_out(session: Session, permission: Permission, *, now: datetime) -> PermissionOut:
    """A permission."""
    recipients = session.scalars(
        select(Party.id)
        .join(PermissionRecipient, PermissionRecipient.recipient_key == Party.key)
        .where(PermissionRecipient.permission_key == permission.key)
        .order_by(Party.name)
    )
    return PermissionOut(
        id=permission.id,
        project=session.get_one(Project, permission.project_key).id,
        use=permission.use.value,
        left=session.get_one(Dataset, permission.left_key).id,
        right=session.get_one(Dataset, permission.right_key).id,
        recipients=list(recipients),
        approved_by=session.get_one(Party, permission.approved_by_key).id,
        approved_at=permission.approved_at,
        expires_at=permission.expires_at,
        revoked_at=permission.revoked_at,
        is_valid=is_valid(permission, now),
    )


def run_out(session: Session, run: Run) -> RunOut:
    """A run."""
    return RunOut(
        id=run.id,
        project=session.get_one(Project, run.project_key).id,
        program=run.program,
        settings=run.settings,
        n_records=run.n_records,
        n_links=run.n_links,
        n_entities=run.n_entities,
        created_at=run.created_at,
        finished_at=run.finished_at,
    )


def release_out(session: Session, release: Release, broker: Broker) -> ReleaseOut:
    """A release."""
    acknowledged = session.get(Acknowledgement, release.key)
    files = [
        ReleaseFileOut(
            id=file.id,
            name=file.name,
            role=file.role,
            media_type=file.media_type,
            sha256=file.sha256,
            n_bytes=file.n_bytes,
            drs_uri=drs.uri(file.id, broker.settings.host),
        )
        for file in release_files(session, release)
    ]
    return ReleaseOut(
        id=release.id,
        project=session.get_one(Project, release.project_key).id,
        recipient=session.get_one(Party, release.recipient_key).id,
        number=release.number,
        state=release.state.value,
        sealed_to=release.sealed_to,
        n_rows=release.n_rows,
        n_entities=release.n_entities,
        n_added=release.n_added,
        n_changed=release.n_changed,
        n_tombstones=release.n_tombstones,
        published_at=release.published_at,
        acknowledged_at=None if acknowledged is None else acknowledged.at,
        files=files,
    )
