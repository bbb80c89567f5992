"""Projects, their members and datasets. Whether somebody may is asked before, of `broker.governance.require`."""

from __future__ import annotations

import os
import re
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from broker import journal
from broker.governance.relations import role_in
from broker.store.tables import Dataset, Member, Party, PartyKind, Project, Role
from pprl.errors import ConflictError, GovernanceError, NotFoundError
from pprl.guid import RandomBytes, new_guid
from pprl.schema import Schema
from pprl.suppression import SMALL

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # as the schema's and the manifest's
_KINDS = {
    Role.CONTRIBUTOR: {PartyKind.SITE},
    Role.STEWARD: {PartyKind.SITE, PartyKind.RESEARCHER},
    Role.RECIPIENT: {PartyKind.RESEARCHER},
}


def create_project(
    session: Session,
    schema: Schema,
    *,
    smallest_count: int = SMALL,
    by: str,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Project:
    """Found a project; it has the name of its schema's.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    schema : Schema
        What all its packages are made with.
    smallest_count : int
        Counts of people below it are shown to nobody.
    by : str
        Who does it, for the journal: a party's id, or `broker.journal.LOCAL`.
    now : datetime
        With time zone.
    random_bytes : callable
        Source of the id.

    Raises
    ------
    GovernanceError
        The smallest count is negative.
    ConflictError
        There is a project of that name.
    """
    if smallest_count < 0:
        raise GovernanceError("the smallest count shown cannot be negative")
    if session.scalar(select(Project.key).where(Project.name == schema.project)) is not None:
        raise ConflictError(f"there is a project {schema.project!r} already")
    project = Project(
        id=new_guid(random_bytes),
        name=schema.project,
        epoch=schema.epoch,
        schema_json=schema.canonical_json(),
        schema_sha256=schema.fingerprint,
        smallest_count=smallest_count,
        created_at=now,
    )
    session.add(project)
    journal.append(
        session,
        "project.created",
        by=by,
        now=now,
        subjects={"project": project.id},
        counts={"smallest_count": smallest_count},
        digests={"schema": schema.fingerprint},
    )
    return project


def close_project(session: Session, project: Project, *, by: str, now: datetime) -> None:
    """Let nothing be changed any more but what sites take back.

    Raises
    ------
    ConflictError
        It is closed already.
    """
    _check_open(project)
    project.closed_at = now
    journal.append(session, "project.closed", by=by, now=now, subjects={"project": project.id})


def add_member(
    session: Session,
    project: Project,
    party: Party,
    *,
    role: Role,
    expires_at: datetime | None = None,
    by: str,
    now: datetime,
) -> Member:
    """Give a party a role in a project.

    Raises
    ------
    GovernanceError
        A party of its kind cannot have that role, it is disabled, or the membership would be over at once.
    ConflictError
        It is a member already, or the project is closed.
    """
    _check_open(project)
    if party.disabled_at is not None:
        raise GovernanceError(f"{party.name!r} is disabled")
    if party.kind not in _KINDS[role]:
        kinds = " or a ".join(sorted(kind.value for kind in _KINDS[role]))
        raise GovernanceError(f"{party.name!r} is a {party.kind.value}; a {role.value} must be a {kinds}")
    if expires_at is not None and expires_at <= now:
        raise GovernanceError("the membership would have expired already; give a later day")
    current = _current(session, project, party)
    if current is not None:
        if current.expires_at is None or now < current.expires_at:
            raise ConflictError(f"{party.name!r} is a {current.role.value} of this project already")
        current.ended_at = current.expires_at
        session.flush()
    member = Member(project_key=project.key, party_key=party.key, role=role, since=now, expires_at=expires_at)
    session.add(member)
    journal.append(
        session,
        "member.added",
        by=by,
        now=now,
        subjects={"project": project.id, "party": party.id},
        words={"role": role.value, **_expiry(expires_at)},
    )
    return member


def end_membership(session: Session, project: Project, party: Party, *, by: str, now: datetime) -> None:
    """Take a party's role away. Its datasets stay, and it may still withdraw their records.

    Raises
    ------
    NotFoundError
        It is no member.
    """
    current = _current(session, project, party)
    if current is None:
        raise NotFoundError(f"{party.name!r} is no member of this project")
    current.ended_at = now
    journal.append(
        session,
        "member.ended",
        by=by,
        now=now,
        subjects={"project": project.id, "party": party.id},
        words={"role": current.role.value},
    )


def create_dataset(
    session: Session,
    project: Project,
    site: Party,
    *,
    name: str,
    stable_guids: bool = False,
    by: str,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Dataset:
    """Make room for a site's records.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    project : Project
        Where.
    site : Party
        Whose; a contributor of the project.
    name : str
        The ``dataset`` of its packages.
    stable_guids : bool
        Whether the site vouches that a record keeps its GUID over deliveries.
    by : str
        Who does it, for the journal.
    now : datetime
        With time zone.
    random_bytes : callable
        Source of the id.

    Raises
    ------
    GovernanceError
        The name cannot be, or the site is no contributor.
    ConflictError
        The project has a dataset of that name, or is closed.
    """
    _check_open(project)
    if not _LABEL.fullmatch(name):
        raise GovernanceError("a dataset's name has 1 to 64 letters, digits, dots, dashes and underscores")
    if role_in(session, site, project, now=now) is not Role.CONTRIBUTOR:
        raise GovernanceError(f"{site.name!r} is no contributor of this project")
    if session.scalar(select(Dataset.key).where(Dataset.project_key == project.key, Dataset.name == name)):
        raise ConflictError(f"the project has a dataset {name!r} already")
    dataset = Dataset(
        id=new_guid(random_bytes),
        project_key=project.key,
        site_key=site.key,
        name=name,
        stable_guids=stable_guids,
        created_at=now,
    )
    session.add(dataset)
    journal.append(
        session,
        "dataset.created",
        by=by,
        now=now,
        subjects={"project": project.id, "dataset": dataset.id, "party": site.id},
        words={"guids": "stable" if stable_guids else "fresh"},
    )
    return dataset


def retire_dataset(session: Session, dataset: Dataset, *, by: str, now: datetime) -> None:
    """Take no more deliveries of a dataset and link it no more.

    Raises
    ------
    ConflictError
        It is retired already.
    """
    if dataset.retired_at is not None:
        raise ConflictError(f"the dataset {dataset.name!r} is retired already")
    dataset.retired_at = now
    project = session.get_one(Project, dataset.project_key)
    journal.append(
        session,
        "dataset.retired",
        by=by,
        now=now,
        subjects={"project": project.id, "dataset": dataset.id},
    )


def find_project(session: Session, name: str) -> Project:
    """A project by its name or id, for the command line.

    Raises
    ------
    NotFoundError
    """
    found = session.scalars(select(Project).where(or_(Project.name == name, Project.id == name))).first()
    if found is None:
        raise NotFoundError(f"there is no project {name!r}; pprl-broker project list shows them")
    return found


def find_dataset(session: Session, project: Project, name: str) -> Dataset:
    """A dataset of a project by its name or id.

    Raises
    ------
    NotFoundError
    """
    found = session.scalars(
        select(Dataset).where(
            Dataset.project_key == project.key, or_(Dataset.name == name, Dataset.id == name)
        )
    ).first()
    if found is None:
        raise NotFoundError(f"the project {project.name!r} has no dataset {name!r}")
    return found


def _current(session: Session, project: Project, party: Party) -> Member | None:
    return session.scalars(
        select(Member).where(
            Member.project_key == project.key, Member.party_key == party.key, Member.ended_at.is_(None)
        )
    ).first()


def _check_open(project: Project) -> None:
    if project.closed_at is not None:
        raise ConflictError(f"the project {project.name!r} is closed")


def _expiry(expires_at: datetime | None) -> dict[str, str]:
    return {} if expires_at is None else {"expires": f"{expires_at:%Y-%m-%d}"}
