"""Jobs, and how far they are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.governance import Act
from broker.service.models import Id, JobOut
from broker.service.pages.lookups import newest_jobs, newest_runs, projects_of
from broker.service.pages.projects import ProjectId, frame_of
from broker.service.pages.rendering import JOB_TITLES, confirm, show
from broker.service.pages.visitor import ROOT, DeedDep, Visitor, VisitorDep
from broker.service.routes.projects import get_dataset
from broker.service.routes.work import get_job, post_cancel
from broker.store.tables import Job

router = APIRouter()

JobId = Annotated[Id, Path()]
MOST_SHOWN = 50


@router.get("/projects/{project_id}/jobs")
def get_jobs_page(visitor: VisitorDep, project_id: ProjectId) -> HTMLResponse:
    """The latest jobs and runs of a project."""
    jobs = newest_jobs(visitor, project_id, MOST_SHOWN)
    return show(
        "jobs",
        visitor,
        live=any(job.finished_at is None for job in jobs),
        frame=frame_of(visitor, project_id),
        jobs=jobs,
        runs=newest_runs(visitor, project_id, MOST_SHOWN),
    )


@router.get("/jobs/{job_id}")
def get_job_page(visitor: VisitorDep, job_id: JobId) -> HTMLResponse:
    """How far a job is."""
    job = get_job(visitor.asking, job_id)
    known = {one.id for one in visitor.sees(lambda: projects_of(visitor)) or []}
    return show(
        "job",
        visitor,
        live=job.finished_at is None,
        frame=frame_of(visitor, job.project) if job.project in known else None,
        job=job,
        title=JOB_TITLES.get(job.kind, job.kind),
        dataset=None
        if job.dataset is None
        else visitor.sees(lambda: get_dataset(visitor.asking, job.dataset or "")),
        result=result_of(job),
        cancels=may_cancel(visitor, job),
    )


@router.get("/jobs/{job_id}/cancel")
def get_cancel_page(visitor: VisitorDep, job_id: JobId) -> HTMLResponse:
    """Ask whether a job is to be cancelled."""
    job = get_job(visitor.asking, job_id)
    visitor.check(Act.CANCEL_JOB, Job, job_id)
    project = job.project
    return confirm(
        visitor,
        frame=None if project is None else visitor.sees(lambda: frame_of(visitor, project)),
        title=f"Cancel: {JOB_TITLES.get(job.kind, job.kind)}",
        says=[
            "What it has done so far is lost; nothing that was there before changes.",
            "A delivery must be sent once more."
            if job.kind == "intake"
            else "You can start it anew at any time.",
        ],
        rows=[("State", job.state)],
        action=f"{ROOT}/jobs/{job_id}/cancel",
        button="Cancel the job",
        back=f"{ROOT}/jobs/{job_id}",
        back_says="Let it go on",
        dangerous=True,
    )


@router.post("/jobs/{job_id}/cancel")
def post_cancel_page(deed: DeedDep, job_id: JobId) -> RedirectResponse:
    """Cancel."""
    post_cancel(deed.visitor.asking, deed.once, job_id)
    return deed.done(f"{ROOT}/jobs/{job_id}", "The job is to stop; a running one does so at its next step.")


def may_cancel(visitor: Visitor, job: JobOut) -> bool:
    """Whether the button is offered."""
    return job.finished_at is None and job.kind != "withdraw" and visitor.can(Act.CANCEL_JOB, Job, job.id)


def result_of(job: JobOut) -> tuple[str, str] | None:
    """Where a job's outcome is to be seen, and what it is called."""
    found = job.result or {}
    for key, path, says in (
        ("run", "runs", "Open the run"),
        ("delivery", "deliveries", "Open the delivery"),
        ("release", "releases", "Open the release"),
    ):
        if isinstance(found.get(key), str):
            return f"{ROOT}/{path}/{found[key]}", says
    return None
