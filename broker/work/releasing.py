"""Making a release that somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.gen3.crosswalk import Crosswalk, Identifier, crosswalk_files
from broker.governance import Act, require
from broker.releases.builder import build_release
from broker.store.tables import Party, Project, Release
from broker.work.worker import Task


def release_to(task: Task) -> None:
    """Do a job of release."""
    store, arguments = task.store, task.job.arguments
    with store.read() as session:
        project = session.get_one(Project, task.job.project_key)
        party = session.get_one(Party, task.job.created_by_key)
        require(session, party, Act.MAKE_RELEASE, project, now=store.clock())
        recipient = session.scalars(select(Party).where(Party.id == arguments["recipient"])).one()

    def finish(session: Session, release: Release) -> None:
        task.lease.finish(session, {"release": release.id}, now=store.clock())

    crosswalk = arguments.get("crosswalk")
    extras = {} if crosswalk is None else {"extras": crosswalk_files(crosswalk_of(crosswalk))}
    with task.progress("making the release", None):
        build_release(
            store,
            project,
            recipient,
            key=task.keys.release,
            by=party,
            datasets=arguments.get("datasets"),
            also=finish,
            random_bytes=task.random_bytes,
            **extras,
        )


def crosswalk_of(settings: Mapping[str, Any]) -> Crosswalk:
    """Read the settings of a crosswalk, as they are asked for in JSON.

    Raises
    ------
    GovernanceError
        Something in them cannot stand in a crosswalk.
    """
    return Crosswalk(
        entity=Identifier(**settings["entity"]),
        datasets={name: Identifier(**one) for name, one in settings["datasets"].items()},
        methodologies=tuple(settings.get("methodologies", ())),
        guid_prefix=settings.get("guid_prefix", ""),
    )
