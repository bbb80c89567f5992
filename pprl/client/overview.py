"""How things stand for the caller: gathered from several answers, nothing of it kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pprl.client.answers import Broker, Dataset, Delivery, Job, Me, Project, Release, Withdrawal
from pprl.client.fitting import is_of
from pprl.errors import ServiceError

if TYPE_CHECKING:
    from pprl.client.client import Client

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Standing:
    """A dataset of the caller's.

    Attributes
    ----------
    project : str
        Its name.
    dataset : Dataset
    delivery : Delivery or None
        The latest.
    withdrawals : tuple of Withdrawal
        Those that are not complete.
    """

    project: str
    dataset: Dataset
    delivery: Delivery | None
    withdrawals: tuple[Withdrawal, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """How things stand.

    Attributes
    ----------
    broker : Broker
    me : Me
    projects : tuple of Project
    datasets : tuple of Standing
        The caller's own.
    jobs : tuple of Job
        Those that are not over.
    releases : tuple of Release
        To the caller, the newest of each project, where it is not acknowledged.
    """

    broker: Broker
    me: Me
    projects: tuple[Project, ...]
    datasets: tuple[Standing, ...]
    jobs: tuple[Job, ...]
    releases: tuple[Release, ...]

    def name_of(self, project: str | None) -> str:
        """A project's name, from its id."""
        return next((one.name for one in self.projects if one.id == project), project or "")


def look(client: Client, *, project: str | None = None) -> Overview:
    """Ask for everything, of one project by name or id or of all; as `Client.overview`."""
    me = client.me()
    projects = client.projects() if project is None else [client.project(project)]
    jobs: list[Job] = []
    datasets: list[Standing] = []
    for one in projects:
        jobs += [job for job in _shown(client.jobs, one.id) if not job.is_over]
        for dataset in _shown(client.datasets, one.id):
            if is_of(dataset.site, me):
                datasets.append(_standing(client, one.name, dataset))
    shown = {one.id for one in projects}
    releases = [one for one in newest(client.releases(), me) if one.project in shown]
    return Overview(
        client.broker(),
        me,
        tuple(projects),
        tuple(datasets),
        tuple(jobs),
        tuple(one for one in releases if one.acknowledged_at is None),
    )


def newest(releases: Sequence[Release], me: Me) -> list[Release]:
    """Of the releases to the caller that are published, the newest of each project."""
    found: dict[str, Release] = {}
    for one in releases:
        if is_of(one.recipient, me) and one.state == "published":
            known = found.get(one.project)
            if known is None or known.number < one.number:
                found[one.project] = one
    return list(found.values())


def _standing(client: Client, project: str, dataset: Dataset) -> Standing:
    deliveries = _shown(client.deliveries, dataset.id)
    withdrawals = _shown(client.withdrawals, dataset.id)
    return Standing(
        project,
        dataset,
        max(deliveries, key=lambda one: one.received_at, default=None),
        tuple(one for one in withdrawals if not one.is_complete),
    )


def _shown(ask: Callable[[str], list[_Item]], of: str) -> list[_Item]:
    """A list, or nothing where the caller may not see it: a researcher sees no deliveries."""
    try:
        return ask(of)
    except ServiceError as error:
        if error.status not in (403, 404):
            raise
        return []
