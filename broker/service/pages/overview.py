"""The first page: what waits, what is going on, and the projects."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.service.pages.lookups import Names, newest_jobs, projects_of
from broker.service.pages.rendering import show
from broker.service.pages.visitor import ROOT, VisitorDep
from broker.service.pages.waiting import Urgency, facts_of, own, waiting
from broker.service.routes.parties import get_me
from broker.store.tables import JobState

router = APIRouter()

GOING_ON = (JobState.QUEUED, JobState.RUNNING)


@router.get("")
def get_root() -> RedirectResponse:
    """The address as people type it."""
    return RedirectResponse(f"{ROOT}/", 308)


@router.get("/")
def get_overview(visitor: VisitorDep) -> HTMLResponse:
    """What waits for the visitor."""
    projects = visitor.sees(lambda: projects_of(visitor))
    me = get_me(visitor.asking).party
    items = list(own(visitor, recipient=me.recipient, site_key=me.site_key))
    names = Names(visitor)
    jobs, details = [], []
    for project in projects or []:
        facts = facts_of(visitor, project)
        names.learn(projects=[project], datasets=facts.datasets, members=facts.members)
        items += waiting(visitor, facts, names)
        jobs += newest_jobs(visitor, project.id, 20, states=GOING_ON)
        details.append(facts)
    return show(
        "overview",
        visitor,
        live=bool(jobs),
        reads=projects is not None,
        facts=details,
        jobs=jobs,
        names=names,
        groups=[
            (urgency.value, urgency.name.lower(), [one for one in items if one.urgency is urgency])
            for urgency in Urgency
        ],
    )
