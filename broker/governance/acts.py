"""Who may do what: one table, and one function that everything asks.

What is not in the table is forbidden. A party that may not even see a subject is told the same as where there is none,
so that nobody learns which projects, datasets or releases exist.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.governance.relations import Relation, Subject, project_of, relations_of
from broker.store.tables import (
    Base,
    Dataset,
    Delivery,
    Job,
    Party,
    Permission,
    Project,
    Release,
    ReleaseFile,
    Run,
    Upload,
    Withdrawal,
)
from pprl.errors import DeniedError, NotFoundError

SubjectT = TypeVar("SubjectT", bound=Subject)
RowT = TypeVar("RowT", bound=Base)


class Act(StrEnum):
    """All that can be asked of the broker, by what it is done to."""

    # the broker as a whole
    LIST_PARTIES = "list parties"
    CREATE_PARTY = "create a party"
    CREATE_PROJECT = "create a project"
    READ_JOURNAL = "read the journal"
    # a party
    SEE_PARTY = "see the party"
    DISABLE_PARTY = "disable the party"
    SET_KEYS = "set the party's keys"
    MANAGE_TOKENS = "manage the party's tokens"
    # a project
    SEE_PROJECT = "see the project"
    CHANGE_PROJECT = "change the project"
    MANAGE_MEMBERS = "manage the project's members"
    CREATE_DATASET = "create a dataset"
    APPROVE_PERMISSION = "approve a permission"
    START_RUN = "start a run"
    MAKE_RELEASE = "make a release"
    READ_PROJECT_JOURNAL = "read the project's journal"
    # a dataset
    SEE_DATASET = "see the dataset"
    SEE_QUALITY = "see the dataset's quality"
    SUBMIT = "submit to the dataset"
    WITHDRAW = "withdraw records of the dataset"
    RETIRE_DATASET = "retire the dataset"
    # a delivery, an upload or a withdrawal
    SEE_DELIVERY = "see the delivery"
    UPLOAD = "go on with the upload"
    SEE_WITHDRAWAL = "see the withdrawal"
    # a permission
    SEE_PERMISSION = "see the permission"
    REVOKE_PERMISSION = "revoke the permission"
    SEE_COUNT = "see the count"
    # a run or a job
    SEE_RUN = "see the run"
    SEE_JOB = "see the job"
    CANCEL_JOB = "cancel the job"
    # a release or a file of it
    SEE_RELEASE = "see the release"
    FETCH_RELEASE = "fetch the release"
    ACKNOWLEDGE_RELEASE = "acknowledge the release"


class Decision(Enum):
    """The answer to a party."""

    ALLOWED = auto()
    DENIED = auto()
    """It knows of the subject, and may not do this."""
    HIDDEN = auto()
    """For this party there is no such subject."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do an act.

    Attributes
    ----------
    subjects : tuple of type
        What it is done to; none: to the broker as a whole.
    allowed : tuple of frozenset of Relation
        Any of these combinations is enough.
    in_closed : bool
        Whether it can still be done in a project that is closed.
    """

    subjects: tuple[type, ...]
    allowed: tuple[frozenset[Relation], ...]
    in_closed: bool


def _rule(
    subjects: type | tuple[type, ...] | None, *allowed: Relation | set[Relation], closed: bool = False
) -> Rule:
    kinds = subjects if isinstance(subjects, tuple) else () if subjects is None else (subjects,)
    combinations = (frozenset({one}) if isinstance(one, Relation) else frozenset(one) for one in allowed)
    return Rule(kinds, tuple(combinations), closed)


_OPERATOR, _STEWARD, _CONTRIBUTOR, _RECIPIENT, _OWNER, _ADDRESSEE, _SELF = (
    Relation.OPERATOR,
    Relation.STEWARD,
    Relation.CONTRIBUTOR,
    Relation.RECIPIENT,
    Relation.OWNER,
    Relation.ADDRESSEE,
    Relation.SELF,
)

RULES = {
    Act.LIST_PARTIES: _rule(None, _OPERATOR),
    Act.CREATE_PARTY: _rule(None, _OPERATOR),
    Act.CREATE_PROJECT: _rule(None, _OPERATOR),
    Act.READ_JOURNAL: _rule(None, _OPERATOR),
    Act.SEE_PARTY: _rule(Party, _OPERATOR, _SELF),
    Act.DISABLE_PARTY: _rule(Party, _OPERATOR),
    Act.SET_KEYS: _rule(Party, _OPERATOR, _SELF),
    Act.MANAGE_TOKENS: _rule(Party, _OPERATOR, _SELF),
    Act.SEE_PROJECT: _rule(Project, _OPERATOR, _STEWARD, _CONTRIBUTOR, _RECIPIENT, closed=True),
    Act.CHANGE_PROJECT: _rule(Project, _OPERATOR),
    Act.MANAGE_MEMBERS: _rule(Project, _OPERATOR, _STEWARD),
    Act.CREATE_DATASET: _rule(Project, _CONTRIBUTOR),
    Act.APPROVE_PERMISSION: _rule(Project, _OPERATOR, _STEWARD),
    Act.START_RUN: _rule(Project, _OPERATOR, _STEWARD),
    Act.MAKE_RELEASE: _rule(Project, _OPERATOR, _STEWARD),
    Act.READ_PROJECT_JOURNAL: _rule(Project, _OPERATOR, _STEWARD, closed=True),
    Act.SEE_DATASET: _rule(Dataset, _OPERATOR, _STEWARD, _CONTRIBUTOR, _RECIPIENT, _OWNER, closed=True),
    Act.SEE_QUALITY: _rule(Dataset, _OPERATOR, _STEWARD, _OWNER, closed=True),
    Act.SUBMIT: _rule(Dataset, {_OWNER, _CONTRIBUTOR}),
    # A site may take its records back for ever, also when it has left or all is over.
    Act.WITHDRAW: _rule(Dataset, _OWNER, closed=True),
    Act.RETIRE_DATASET: _rule(Dataset, _OPERATOR, _OWNER, closed=True),
    Act.SEE_DELIVERY: _rule((Delivery, Upload), _OPERATOR, _STEWARD, _OWNER, closed=True),
    Act.UPLOAD: _rule(Upload, {_OWNER, _CONTRIBUTOR}),
    Act.SEE_WITHDRAWAL: _rule(Withdrawal, _OPERATOR, _STEWARD, _OWNER, closed=True),
    Act.SEE_PERMISSION: _rule(Permission, _OPERATOR, _STEWARD, _CONTRIBUTOR, _OWNER, _ADDRESSEE, closed=True),
    Act.REVOKE_PERMISSION: _rule(Permission, _OPERATOR, _STEWARD, _OWNER, closed=True),
    Act.SEE_COUNT: _rule(Permission, {_ADDRESSEE, _RECIPIENT}, {_ADDRESSEE, _CONTRIBUTOR}),
    # Its quality tells how many links there are, and so how many people two sites share.
    Act.SEE_RUN: _rule(Run, _OPERATOR, _STEWARD, closed=True),
    Act.SEE_JOB: _rule(Job, _OPERATOR, _STEWARD, _OWNER, _SELF, closed=True),
    Act.CANCEL_JOB: _rule(Job, _OPERATOR, _STEWARD, _SELF, closed=True),
    Act.SEE_RELEASE: _rule((Release, ReleaseFile), _OPERATOR, _STEWARD, _ADDRESSEE, closed=True),
    # The operator, who runs the machine, is none of those who get rows.
    Act.FETCH_RELEASE: _rule((Release, ReleaseFile), {_ADDRESSEE, _RECIPIENT}, {_ADDRESSEE, _CONTRIBUTOR}),
    Act.ACKNOWLEDGE_RELEASE: _rule(Release, _ADDRESSEE, closed=True),
}

_SEE: dict[type, Act] = {
    kind: act for act, rule in RULES.items() for kind in rule.subjects if act.name.startswith("SEE_")
}
# Of the acts on these that begin so, one is to see the subject, the others are to see something of it.
_SEE |= {Dataset: Act.SEE_DATASET, Permission: Act.SEE_PERMISSION}

_WHAT: dict[type, str] = {Upload: "upload", ReleaseFile: "file"}


def decide(act: Act, relations: Collection[Relation], kind: type | None, *, closed: bool = False) -> Decision:
    """The table, asked with what a party is to a subject; pure.

    Parameters
    ----------
    act : Act
        What is asked.
    relations : collection of Relation
        What the party is to the subject.
    kind : type or None
        The subject's table; None for the broker as a whole.
    closed : bool
        Whether the subject's project is closed.

    Raises
    ------
    TypeError
        The act is not one that is done to such a subject.
    """
    rule = RULES[act]
    if (kind is None) != (not rule.subjects) or (kind is not None and kind not in rule.subjects):
        raise TypeError(f"{act.name} is not done to {'the broker' if kind is None else kind.__name__}")
    held = frozenset(relations)
    if any(wanted <= held for wanted in rule.allowed) and (rule.in_closed or not closed):
        return Decision.ALLOWED
    if kind is None:
        return Decision.DENIED
    sees = any(wanted <= held for wanted in RULES[_SEE[kind]].allowed)
    return Decision.DENIED if sees else Decision.HIDDEN


def may(
    session: Session, party: Party, act: Act, subject: Subject | None = None, *, now: datetime
) -> Decision:
    """Whether a party may do something.

    Parameters
    ----------
    session : Session
        Of the store.
    party : Party
        Who asks, authenticated.
    act : Act
        What it asks for.
    subject : row or None
        What it is to be done to; None for the broker as a whole.
    now : datetime
        With time zone: memberships and permissions expire.
    """
    project = None if subject is None else project_of(session, subject)
    return decide(
        act,
        relations_of(session, party, subject, now=now),
        None if subject is None else type(subject),
        closed=project is not None and project.closed_at is not None,
    )


def require(
    session: Session, party: Party, act: Act, subject: Subject | None = None, *, now: datetime
) -> None:
    """Raise where `may` does not allow it.

    Raises
    ------
    DeniedError
        The party knows of the subject, and may not do this.
    NotFoundError
        For this party there is no such subject; the same as where there is none at all.
    """
    decision = may(session, party, act, subject, now=now)
    if decision is Decision.DENIED:
        project = None if subject is None else project_of(session, subject)
        if project is not None and project.closed_at is not None and not RULES[act].in_closed:
            raise DeniedError(f"the project is closed; nobody can {act.value} any more")
        raise DeniedError(f"you may not {act.value}")
    if decision is Decision.HIDDEN:
        raise no_such(type(subject))


def find(
    session: Session, party: Party, act: Act, kind: type[SubjectT], public_id: str, *, now: datetime
) -> SubjectT:
    """The subject that a party names, if it may do something to it.

    Parameters
    ----------
    session : Session
        Of the store.
    party : Party
        Who asks, authenticated.
    act : Act
        What it asks for.
    kind : type
        The subject's table.
    public_id : str
        As the party gave it.
    now : datetime
        With time zone.

    Raises
    ------
    DeniedError
        The party knows of the subject, and may not do this.
    NotFoundError
        There is none of that id, or none for this party; nothing tells which.
    """
    subject = by_id(session, kind, public_id)
    require(session, party, act, subject, now=now)
    return subject


def by_id(session: Session, kind: type[RowT], public_id: str, **others: object) -> RowT:
    """A row by its public id, and by other columns where they are given; whether it may be known is asked elsewhere.

    Raises
    ------
    NotFoundError
        There is none.
    """
    row = session.scalars(select(kind).filter_by(id=public_id, **others)).first()
    if row is None:
        raise no_such(kind)
    return row


def visible_projects(session: Session, party: Party, *, now: datetime) -> list[Project]:
    """The projects that a party may see, by name: what a listing may hold."""
    projects = session.scalars(select(Project).order_by(Project.name))
    return [one for one in projects if may(session, party, Act.SEE_PROJECT, one, now=now) is Decision.ALLOWED]


def no_such(kind: type) -> NotFoundError:
    """The error for what is not there, or not for this party."""
    return NotFoundError(f"there is no such {_WHAT.get(kind, kind.__name__.lower())}")
