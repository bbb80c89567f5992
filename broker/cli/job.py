"""``pprl-broker job``: long work of the service, from the machine itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broker.cli.location import opened, store_options
from pprl.console import note, table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from broker.governance import Act
    from broker.store.tables import Job, Party, Project
    from broker.work import Kind


@click.group()
def job() -> None:
    """Start, list, cancel and retry jobs."""


@job.command()
@click.argument("project")
@click.option("--as", "party", required=True, help="Who asks, by name or id: an operator or a steward.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.01, 0.999),
    default=0.5,
    show_default=True,
    help="Least probability of a link.",
)
@click.option(
    "--candidates",
    type=click.Choice(["auto", "all", "keys", "lsh"]),
    default="auto",
    show_default=True,
    help="How candidates are found; see pprl-broker link.",
)
@store_options
def link(project: str, party: str, threshold: float, candidates: str, where: str, files: Path | None) -> None:
    """Ask for a linkage run of a project; the job's id goes to stdout.

    All current deliveries are linked, as far as permissions allow. A worker does it: pprl-broker serve, or work.

    \b
    Example:
      pprl-broker job link heart-registry --as data-board --store store/
    """
    from broker.governance import Act
    from broker.work import Kind

    arguments = {"threshold": threshold, "candidates": candidates, "seed": 0}
    _ask(where, files, Kind.LINK, Act.START_RUN, project, party, lambda _session: arguments)


@job.command()
@click.argument("project")
@click.argument("recipient")
@click.option("--as", "party", required=True, help="Who asks, by name or id: an operator or a steward.")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    help="Datasets to show; all that are permitted where none is named.",
)
@store_options
def release(
    project: str, recipient: str, party: str, datasets: tuple[str, ...], where: str, files: Path | None
) -> None:
    """Ask for a release to a recipient; the job's id goes to stdout.

    \b
    Example:
      pprl-broker job release heart-registry cohort-lab --as data-board --store store/
    """
    from broker.governance import Act, find_party
    from broker.work import Kind

    def arguments(session: Session) -> dict[str, Any]:
        return {"recipient": find_party(session, recipient).id, "datasets": list(datasets) or None}

    _ask(where, files, Kind.RELEASE, Act.MAKE_RELEASE, project, party, arguments)


@job.command("list")
@click.option("--project", help="Of one project alone.")
@click.option(
    "--state",
    type=click.Choice(["queued", "running", "done", "failed", "cancelled"]),
    help="In one state alone.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_options
def list_jobs(project: str | None, state: str | None, as_json: bool, where: str, files: Path | None) -> None:
    """List jobs, the latest last.

    \b
    Example:
      pprl-broker job list --state failed --store store/
    """
    from sqlalchemy import select

    from broker.governance import find_project
    from broker.store.tables import Job, JobState

    with opened(where, files) as store, store.read() as session:
        rows = select(Job).order_by(Job.key.desc()).limit(1000)
        if project is not None:
            rows = rows.where(Job.project_key == find_project(session, project).key)
        if state is not None:
            rows = rows.where(Job.state == JobState(state))
        shown = [_described(one) for one in reversed(session.scalars(rows).all())]
    if as_json:
        click.echo(json.dumps(shown))
        return
    table(
        ("id", "kind", "state", "asked for", "stage or error"),
        (
            (one["id"], one["kind"], one["state"], one["created"], one["stage"] or one["error"] or "")
            for one in shown
        ),
    )


@job.command()
@click.argument("job_id", metavar="ID")
@store_options
def cancel(job_id: str, where: str, files: Path | None) -> None:
    """Cancel a job: at once where it waits, at its next stage where it runs.

    \b
    Example:
      pprl-broker job cancel 6f9b1b52-0d4e-4c5e-9a53-5d0e2f6f2f11 --store store/
    """
    from broker.governance import by_id
    from broker.journal import LOCAL
    from broker.store.tables import Job
    from broker.work import cancel as cancel_job

    with opened(where, files) as store, store.begin() as session:
        cancel_job(session, by_id(session, Job, job_id), by=LOCAL, now=store.clock())
    note("the job is cancelled, or will be at its next stage")


@job.command()
@click.argument("job_id", metavar="ID")
@store_options
def retry(job_id: str, where: str, files: Path | None) -> None:
    """Let a job that failed be begun again.

    \b
    Example:
      pprl-broker job retry 6f9b1b52-0d4e-4c5e-9a53-5d0e2f6f2f11 --store store/
    """
    from broker.governance import by_id
    from broker.store.tables import Job
    from broker.work.queue import retry as retry_job

    with opened(where, files) as store, store.begin() as session:
        retry_job(session, by_id(session, Job, job_id), now=store.clock())
    note("the job waits to be begun again")


def _ask(
    where: str, files: Path | None, kind: Kind, act: Act, project: str, party: str, arguments: Any
) -> None:
    from broker.governance import find_party, find_project, require
    from broker.work import enqueue

    with opened(where, files) as store, store.begin() as session:
        found: Project = find_project(session, project)
        asker: Party = find_party(session, party)
        require(session, asker, act, found, now=store.clock())
        given: Mapping[str, Any] = arguments(session)
        made = enqueue(session, kind, by=asker, project=found, arguments=given, now=store.clock())
    click.echo(made.id)


def _described(one: Job) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "state": one.state.value,
        "created": f"{one.created_at:%Y-%m-%d %H:%M}",
        "finished": None if one.finished_at is None else f"{one.finished_at:%Y-%m-%d %H:%M}",
        "attempts": one.attempts,
        "stage": one.stage,
        "done": one.n_done,
        "total": one.n_total,
        "error": one.error,
        "result": one.result if one.finished_at is not None else None,
    }
