"""What a party is to a subject: all that decisions rest on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from broker.store.tables import (
    Dataset,
    Delivery,
    Job,
    Member,
    Party,
    PartyKind,
    Permission,
    PermissionRecipient,
    Project,
    Release,
    ReleaseFile,
    Role,
    Run,
    Upload,
    Withdrawal,
)

Subject = (
    Party
    | Project
    | Dataset
    | Delivery
    | Upload
    | Withdrawal
    | Permission
    | Run
    | Job
    | Release
    | ReleaseFile
)


class Relation(StrEnum):
    """What a party can be to a subject; it can be several."""

    OPERATOR = "operator"
    """Runs the broker."""
    STEWARD = "steward"
    """Governs the subject's project, now."""
    CONTRIBUTOR = "contributor"
    """Is a contributing site of the subject's project, now."""
    RECIPIENT = "recipient"
    """Is a recipient in the subject's project, now."""
    OWNER = "owner"
    """Is the site whose dataset it is, or is of; also when it has left the project."""
    ADDRESSEE = "addressee"
    """A release is for it; a permission, valid now, names it."""
    SELF = "self"
    """The subject is the party itself, or a job that it asked for."""


_OF_ROLE = {
    Role.STEWARD: Relation.STEWARD,
    Role.CONTRIBUTOR: Relation.CONTRIBUTOR,
    Role.RECIPIENT: Relation.RECIPIENT,
}


def relations_of(
    session: Session, party: Party, subject: Subject | None, *, now: datetime
) -> frozenset[Relation]:
    """What a party is to a subject at a time; nothing at all where the party is disabled."""
    if party.disabled_at is not None:
        return frozenset()
    found: set[Relation] = set()
    if party.kind is PartyKind.OPERATOR:
        found.add(Relation.OPERATOR)
    if subject is None:
        return frozenset(found)
    project = project_of(session, subject)
    if project is not None and (role := role_in(session, party, project, now=now)) is not None:
        found.add(_OF_ROLE[role])
    if any(dataset.site_key == party.key for dataset in _datasets_of(session, subject)):
        found.add(Relation.OWNER)
    if _is_addressee(session, party, subject, now=now):
        found.add(Relation.ADDRESSEE)
    if (isinstance(subject, Party) and subject.key == party.key) or (
        isinstance(subject, Job) and subject.created_by_key == party.key
    ):
        found.add(Relation.SELF)
    return frozenset(found)


def role_in(session: Session, party: Party, project: Project, *, now: datetime) -> Role | None:
    """A party's role in a project at a time."""
    return session.scalars(
        select(Member.role).where(
            Member.project_key == project.key,
            Member.party_key == party.key,
            Member.ended_at.is_(None),
            Member.since <= now,
            or_(Member.expires_at.is_(None), Member.expires_at > now),
        )
    ).first()


def project_of(session: Session, subject: Subject) -> Project | None:
    """The project that a subject belongs to; None for a party, and for a job of the broker's own."""
    if isinstance(subject, Party):
        return None
    if isinstance(subject, Project):
        return subject
    if isinstance(subject, ReleaseFile):
        return session.get_one(Project, session.get_one(Release, subject.release_key).project_key)
    if isinstance(subject, Delivery | Upload | Withdrawal):
        return session.get_one(Project, session.get_one(Dataset, subject.dataset_key).project_key)
    return None if subject.project_key is None else session.get_one(Project, subject.project_key)


def is_valid(permission: Permission, now: datetime) -> bool:
    """Whether a permission holds at a time."""
    return permission.approved_at <= now < permission.expires_at and (
        permission.revoked_at is None or now < permission.revoked_at
    )


def _datasets_of(session: Session, subject: Subject) -> list[Dataset]:
    if isinstance(subject, Dataset):
        return [subject]
    if isinstance(subject, Permission):
        return [session.get_one(Dataset, key) for key in {subject.left_key, subject.right_key}]
    if isinstance(subject, Delivery | Upload | Withdrawal):
        return [session.get_one(Dataset, subject.dataset_key)]
    if isinstance(subject, Job) and subject.dataset_key is not None:
        return [session.get_one(Dataset, subject.dataset_key)]
    return []


def _is_addressee(session: Session, party: Party, subject: Subject, *, now: datetime) -> bool:
    if isinstance(subject, ReleaseFile):
        subject = session.get_one(Release, subject.release_key)
    if isinstance(subject, Release):
        return subject.recipient_key == party.key
    if isinstance(subject, Permission):
        named = session.get(PermissionRecipient, (subject.key, party.key))
        return named is not None and is_valid(subject, now)
    return False
