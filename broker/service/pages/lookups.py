"""What pages put together from several answers: whole lists, the newest rows, and what things are called."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from broker.governance import Act, Subject
from broker.service.models import (
    DatasetOut,
    DeliveryOut,
    JobOut,
    MemberOut,
    Page,
    PermissionOut,
    ProjectOut,
    ReleaseOut,
    RunOut,
    WithdrawalOut,
)
from broker.service.pages.visitor import Visitor
from broker.service.paging import MOST, Piece
from broker.service.routes.permissions import list_permissions
from broker.service.routes.projects import list_datasets, list_members, list_projects
from broker.service.routes.work import list_withdrawals
from broker.service.views import delivery_out, job_out, release_out, run_out
from broker.store.tables import Dataset, Delivery, Job, JobState, Party, Project, Release, ReleaseState, Run

ItemT = TypeVar("ItemT", bound=BaseModel)
SubjectT = TypeVar("SubjectT", bound=Subject)
WorkT = TypeVar("WorkT", Job, Run, Release)

_MOST_LOOKED_AT = 500  # jobs, of which a site sees its own


def everything(ask: Callable[[Piece], Page[ItemT]]) -> list[ItemT]:
    """A list of the API's as a whole."""
    found: list[ItemT] = []
    after: str | None = None
    while True:
        page = ask(Piece(after, MOST))
        found += page.items
        after = page.next
        if after is None:
            return found


def projects_of(visitor: Visitor) -> list[ProjectOut]:
    """The projects that somebody may know of."""
    return everything(lambda piece: list_projects(visitor.asking, piece))


def datasets_of(visitor: Visitor, project_id: str) -> list[DatasetOut]:
    """The datasets of a project."""
    return everything(lambda piece: list_datasets(visitor.asking, piece, project_id))


def open_datasets_of(visitor: Visitor, project_id: str) -> list[DatasetOut]:
    """The datasets of a project that are not retired."""
    return [one for one in datasets_of(visitor, project_id) if one.retired_at is None]


def members_of(visitor: Visitor, project_id: str) -> list[MemberOut]:
    """The members of a project that somebody may know of."""
    return list_members(visitor.asking, project_id).items


def recipients_of(visitor: Visitor, project_id: str) -> list[MemberOut]:
    """The members of a project to whom something may be given."""
    return [one for one in members_of(visitor, project_id) if one.role in ("recipient", "contributor")]


def permissions_of(visitor: Visitor, project_id: str) -> list[PermissionOut]:
    """The permissions of a project that somebody may see, those that are over included."""
    return everything(lambda piece: list_permissions(visitor.asking, piece, project_id))


def valid_permissions_of(visitor: Visitor, project_id: str) -> list[PermissionOut]:
    """The permissions of a project that somebody may see and that hold."""
    return [one for one in permissions_of(visitor, project_id) if one.is_valid]


def withdrawals_of(visitor: Visitor, datasets: Collection[DatasetOut]) -> list[WithdrawalOut]:
    """The withdrawals from datasets that somebody may see, the latest first."""
    found: list[WithdrawalOut] = []
    for dataset in datasets:
        found += visitor.sees(partial(_withdrawals, visitor, dataset.id)) or []
    return sorted(found, key=lambda one: one.requested_at, reverse=True)


def _withdrawals(visitor: Visitor, dataset_id: str) -> list[WithdrawalOut]:
    return everything(lambda piece: list_withdrawals(visitor.asking, piece, dataset_id))


def newest_deliveries(visitor: Visitor, dataset_id: str, most: int) -> list[DeliveryOut]:
    """The latest deliveries of a dataset with their quality; none where they are not to be seen."""
    rows = (
        select(Delivery)
        .join(Dataset, Dataset.key == Delivery.dataset_key)
        .where(Dataset.id == dataset_id)
        .order_by(Delivery.key.desc())
        .limit(most)
    )
    shown = partial(delivery_out, with_quality=True)
    return _newest(visitor, Act.SEE_DELIVERY, rows, most, shown)


def latest_deliveries(visitor: Visitor, datasets: Collection[DatasetOut]) -> dict[str, DeliveryOut]:
    """The latest delivery by id of the dataset, where it has one that may be seen."""
    return {
        delivery.dataset: delivery
        for dataset in datasets
        for delivery in newest_deliveries(visitor, dataset.id, 1)
    }


def newest_jobs(
    visitor: Visitor, project_id: str, most: int, *, states: Collection[JobState] = tuple(JobState)
) -> list[JobOut]:
    """The latest jobs of a project that somebody may see."""
    rows = _of_project(Job, project_id).where(Job.state.in_(states)).limit(_MOST_LOOKED_AT)
    return _newest(visitor, Act.SEE_JOB, rows, most, job_out)


def newest_runs(visitor: Visitor, project_id: str, most: int) -> list[RunOut]:
    """The latest runs of a project, for whoever may see them."""
    return _newest(visitor, Act.SEE_RUN, _of_project(Run, project_id).limit(most), most, run_out)


def newest_releases(visitor: Visitor, project_id: str | None, most: int) -> list[ReleaseOut]:
    """The latest releases that somebody may see, of one project or of all."""
    rows = _of_project(Release, project_id).where(Release.state != ReleaseState.BUILDING)
    shown = partial(release_out, broker=visitor.asking.broker)
    return _newest(visitor, Act.SEE_RELEASE, rows, most, shown)


def _of_project(kind: type[WorkT], project_id: str | None) -> Select[WorkT]:
    """What there is of a kind in one project or in all, the latest first."""
    rows = select(kind).order_by(kind.key.desc())
    if project_id is None:
        return rows
    return rows.join(Project, Project.key == kind.project_key).where(Project.id == project_id)


def _newest(
    visitor: Visitor,
    act: Act,
    rows: Select[SubjectT],
    most: int,
    shown: Callable[[Session, SubjectT], ItemT],
) -> list[ItemT]:
    """The first of a statement's rows that somebody may see; they are fetched in pieces, as few as it takes."""
    with visitor.asking.broker.store.read() as session:
        found = session.scalars(rows.execution_options(yield_per=most + 1))
        return [shown(session, one) for one in visitor.seen(session, act, found, most)]


class Names:
    """What a visitor may call parties, datasets and projects: as far as the API tells them.

    Parameters
    ----------
    visitor : Visitor
    """

    def __init__(self, visitor: Visitor) -> None:
        self._known = {visitor.id: visitor.name}
        if visitor.is_operator:
            self._known |= visitor.sees(lambda: _names_of_parties(visitor)) or {}

    def learn(
        self,
        *,
        projects: Collection[ProjectOut] = (),
        datasets: Collection[DatasetOut] = (),
        members: Collection[MemberOut] = (),
    ) -> Names:
        """Take names from what was answered."""
        self._known |= {one.id: one.name for one in projects}
        self._known |= {one.id: one.name for one in datasets}
        self._known |= {one.site: one.site_name for one in datasets}
        self._known |= {one.party: one.name for one in members}
        return self

    def __call__(self, public_id: str) -> str:
        """A name, or enough of the id to tell it from others."""
        return self._known.get(public_id, public_id[:8])

    def pair(self, left: str, right: str) -> str:
        """Two datasets, or the one where both are the same."""
        return self(left) if left == right else f"{self(left)} and {self(right)}"

    def knows(self, public_id: str) -> bool:
        """Whether there is a name."""
        return public_id in self._known


def names_of(visitor: Visitor, project_id: str) -> Names:
    """The names in a project."""
    return Names(visitor).learn(
        datasets=datasets_of(visitor, project_id), members=members_of(visitor, project_id)
    )


def names_if_seen(visitor: Visitor, project_id: str) -> Names:
    """As `names_of`; those that are known anyway where the project is not to be seen."""
    return visitor.sees(lambda: names_of(visitor, project_id)) or Names(visitor)


def _names_of_parties(visitor: Visitor) -> dict[str, str]:
    with visitor.asking.broker.store.read() as session:
        visitor.asking.require(session, Act.LIST_PARTIES)
        return dict(session.execute(select(Party.id, Party.name)).all())
