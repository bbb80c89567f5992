"""What waits, and for whom: from what is known of a project to the few lines that somebody reads first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from broker.service.models import (
    DatasetOut,
    DeliveryOut,
    JobOut,
    MemberOut,
    PermissionOut,
    ProjectOut,
    ReleaseOut,
    RunOut,
    WithdrawalOut,
)
from broker.service.pages.lookups import (
    Names,
    datasets_of,
    latest_deliveries,
    members_of,
    newest_jobs,
    newest_releases,
    newest_runs,
    valid_permissions_of,
    withdrawals_of,
)
from broker.service.pages.rendering import JOB_TITLES
from broker.service.pages.visitor import ROOT, Visitor

SOON = timedelta(days=30)
_RECENT = 20


class Urgency(StrEnum):
    """Whose turn it is."""

    NOW = "to do"
    SOON = "soon"
    OTHERS = "waiting for others"


@dataclass(frozen=True, slots=True)
class Item:
    """Something that waits.

    Attributes
    ----------
    urgency : Urgency
    title : str
        What is to be done.
    detail : str
        Why, or what is known.
    href, action : str
        The page that it is done on, and what its link says.
    project : str
        Name; empty where it is of none.
    """

    urgency: Urgency
    title: str
    detail: str
    href: str
    action: str
    project: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What somebody may know of a project.

    Attributes
    ----------
    latest : mapping of str to DeliveryOut
        By id of the dataset, where it has one that may be seen.
    jobs : sequence of JobOut
        The latest, newest first; as are runs and releases.
    """

    project: ProjectOut
    datasets: Sequence[DatasetOut]
    members: Sequence[MemberOut]
    permissions: Sequence[PermissionOut]
    latest: dict[str, DeliveryOut] = field(default_factory=dict)
    jobs: Sequence[JobOut] = ()
    runs: Sequence[RunOut] = ()
    releases: Sequence[ReleaseOut] = ()
    withdrawals: Sequence[WithdrawalOut] = ()


def facts_of(visitor: Visitor, project: ProjectOut) -> Facts:
    """Gather what is known of a project."""
    datasets = datasets_of(visitor, project.id)
    return Facts(
        project,
        datasets,
        members_of(visitor, project.id),
        valid_permissions_of(visitor, project.id),
        latest_deliveries(visitor, datasets),
        newest_jobs(visitor, project.id, _RECENT),
        newest_runs(visitor, project.id, 1),
        newest_releases(visitor, project.id, _RECENT),
        withdrawals_of(visitor, datasets),
    )


def waiting(visitor: Visitor, facts: Facts, names: Names) -> Iterator[Item]:
    """What waits in a project, for a visitor or for others that it has to do with."""
    if facts.project.closed_at is not None:
        return
    yield from _deliveries(visitor, facts)
    if facts.project.role == "steward" or visitor.is_operator:
        yield from _govern(visitor, facts, names)
    yield from _releases(visitor, facts)
    yield from _withdrawals(facts)


def own(visitor: Visitor, *, recipient: str | None, site_key: str | None) -> Iterator[Item]:
    """What waits at a visitor's own account."""
    account = f"{ROOT}/account"
    if visitor.kind == "site" and site_key is None:
        yield Item(
            Urgency.NOW,
            "Register your signing key",
            "Without it the broker takes no delivery of yours.",
            account,
            "Register it",
        )
    if visitor.kind == "researcher" and recipient is None:
        yield Item(
            Urgency.NOW,
            "Register the key that releases to you are sealed to",
            "Without it no release can be made for you.",
            account,
            "Register it",
        )
    ends = visitor.asking.caller.expires_at
    if ends - visitor.asking.now < timedelta(days=14):
        days = max((ends - visitor.asking.now).days, 0)
        yield Item(
            Urgency.SOON,
            "Get a new token",
            f"The one you signed in with ends in {_count(days, 'day')}.",
            account,
            "Your tokens",
        )


def _deliveries(visitor: Visitor, facts: Facts) -> Iterator[Item]:
    governs = facts.project.role == "steward" or visitor.is_operator
    mine = [one for one in facts.datasets if one.site == visitor.id and one.retired_at is None]
    at = f"{ROOT}/projects/{facts.project.id}"
    if facts.project.role == "contributor" and not any(one.site == visitor.id for one in facts.datasets):
        yield _item(
            facts, Urgency.NOW, "Name your dataset", "There is none of yours yet.", at, "Open the project"
        )
    for dataset in facts.datasets:
        if dataset.retired_at is not None or not (dataset in mine or governs):
            continue
        where, delivery = f"{ROOT}/datasets/{dataset.id}", facts.latest.get(dataset.id)
        turn = Urgency.NOW if dataset in mine else Urgency.OTHERS
        refused = _refused(facts, dataset)
        if refused is not None:
            refusal = str((refused.result or {}).get("refusal") or "no reason is known")
            yield _item(
                facts,
                turn,
                f"The last delivery of {dataset.name} was refused",
                f"{refusal[:1].upper()}{refusal[1:]}.",
                f"{ROOT}/jobs/{refused.id}",
                "See the job",
            )
        elif delivery is None:
            whose = "" if dataset in mine else f" {dataset.site_name} has it to send."
            yield _item(
                facts,
                turn,
                f"First delivery of {dataset.name}",
                f"Nothing has come yet.{whose}",
                where,
                "How to send it" if dataset in mine else "Open the dataset",
            )
        elif dataset in mine and (warnings := warnings_of(delivery)):
            yield _item(
                facts,
                Urgency.NOW,
                f"Look into delivery {delivery.sequence} of {dataset.name}",
                f"{_count(len(warnings), 'thing')} at intake {'are' if len(warnings) > 1 else 'is'} worth a look.",
                f"{ROOT}/deliveries/{delivery.id}",
                "See its quality",
            )


def _refused(facts: Facts, dataset: DatasetOut) -> JobOut | None:
    """The last intake of a dataset, if it ended with a refusal; that may leave no delivery."""
    intakes = (one for one in facts.jobs if one.kind == "intake" and one.dataset == dataset.id)
    last = next(intakes, None)
    return last if last is not None and (last.result or {}).get("state") == "refused" else None


def _govern(visitor: Visitor, facts: Facts, names: Names) -> Iterator[Item]:
    project, at = facts.project, f"{ROOT}/projects/{facts.project.id}"
    has_steward = any(one.role == "steward" for one in facts.members)
    turn = Urgency.NOW if project.role == "steward" or not has_steward else Urgency.OTHERS
    if visitor.is_operator and not has_steward:
        yield _item(facts, Urgency.NOW, "Name a steward", "The project has none.", at, "Open the project")
    yield from _failed(facts)
    if not facts.permissions and len(facts.datasets) > 1:
        yield _item(
            facts,
            turn,
            "Approve what may be linked",
            "There is no permission that holds, so nothing can be linked.",
            f"{at}/permissions",
            "Permissions",
        )
    for permission in facts.permissions:
        if permission.expires_at - visitor.asking.now < SOON:
            days = max((permission.expires_at - visitor.asking.now).days, 0)
            pair = names.pair(permission.left, permission.right)
            yield _item(
                facts,
                Urgency.SOON if turn is Urgency.NOW else turn,
                f"Permission to {permission.use} {pair} ends",
                f"In {_count(days, 'day')}; approve it anew if it is still wanted.",
                f"{at}/permissions",
                "Permissions",
            )
    yield from _run(facts, turn)
    yield from _release(facts, turn, names)


def _failed(facts: Facts) -> Iterator[Item]:
    settled: set[tuple[str, str | None]] = set()
    for job in facts.jobs:
        kind = (job.kind, job.dataset)
        if kind in settled:
            continue
        if job.state in ("done", "failed"):
            settled.add(kind)
        if job.state == "failed":
            error = job.error or "no reason is known"
            yield _item(
                facts,
                Urgency.NOW,
                f"{JOB_TITLES.get(job.kind, job.kind)} failed",
                f"{error[:1].upper()}{error[1:]}.",
                f"{ROOT}/jobs/{job.id}",
                "See the job",
            )


def _run(facts: Facts, turn: Urgency) -> Iterator[Item]:
    within = {key for one in facts.permissions for key in (one.left, one.right)}
    accepted = [
        one.current_delivery
        for one in facts.datasets
        if one.id in within and one.current_delivery is not None
    ]
    last = facts.runs[0].created_at if facts.runs else None
    new = [one for one in accepted if last is None or (one.settled_at or one.received_at) > last]
    is_on = any(job.kind == "link" and job.state in ("queued", "running") for job in facts.jobs)
    if new and not is_on and (last is not None or len(accepted) > 1):
        since = "that no run has linked" if last is None else "since the last run"
        yield _item(
            facts,
            turn,
            "Start a run",
            f"{_count(len(new), 'delivery', 'deliveries')} came {since}.",
            f"{ROOT}/projects/{facts.project.id}/runs/new",
            "Start a run",
        )


def _release(facts: Facts, turn: Urgency, names: Names) -> Iterator[Item]:
    if not facts.runs or any(
        job.kind in ("release", "link") and job.finished_at is None for job in facts.jobs
    ):
        return
    made_at = facts.runs[0].finished_at or facts.runs[0].created_at
    wanted = dict.fromkeys(one for p in facts.permissions if p.use == "link" for one in p.recipients)
    for recipient in wanted:
        theirs = [one for one in facts.releases if one.recipient == recipient]
        if theirs and _published(theirs[0], made_at) >= made_at:
            continue
        yield _item(
            facts,
            turn,
            f"Make a release to {names(recipient)}",
            "There is a run that no release of theirs shows yet.",
            f"{ROOT}/projects/{facts.project.id}/releases/new?recipient={recipient}",
            "Make a release",
        )


def _published(release: ReleaseOut, otherwise: datetime) -> datetime:
    return release.published_at or otherwise


def _releases(visitor: Visitor, facts: Facts) -> Iterator[Item]:
    mine = [one for one in facts.releases if one.recipient == visitor.id and one.state == "published"]
    if mine and mine[0].acknowledged_at is None:
        release = mine[0]
        gone = (
            f" {_count(release.n_tombstones, 'row')} must leave your copies." if release.n_tombstones else ""
        )
        yield _item(
            facts,
            Urgency.NOW,
            f"Fetch release {release.number} and acknowledge it",
            f"{_count(release.n_rows, 'row')}.{gone}",
            f"{ROOT}/releases/{release.id}",
            "Open the release",
        )


def _withdrawals(facts: Facts) -> Iterator[Item]:
    for one in facts.withdrawals:
        if one.waiting_for:
            yield _item(
                facts,
                Urgency.OTHERS,
                f"Withdrawal of {_count(one.n_records, 'record')}",
                f"Not acknowledged yet by {', '.join(one.waiting_for)}.",
                f"{ROOT}/projects/{facts.project.id}/releases",
                "Releases",
            )


def warnings_of(delivery: DeliveryOut) -> list[str]:
    """What intake warns of; nothing where it says nothing, or what is not known here."""
    found = (delivery.quality or {}).get("warnings")
    return [str(one) for one in found] if isinstance(found, list) else []


def _item(facts: Facts, urgency: Urgency, title: str, detail: str, href: str, action: str) -> Item:
    return Item(urgency, title, detail, href, action, facts.project.name)


def _count(n: int, one: str, several: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else several or one + 's'}".replace(",", " ")
