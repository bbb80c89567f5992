"""Jobs, linkage runs and withdrawals."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.governance import Act
from broker.ledger import withdraw
from broker.service.dependencies import AskingDep
from broker.service.idempotency import Answer, OnceDep
from broker.service.models import (
    Id,
    JobOut,
    NewRun,
    NewWithdrawal,
    Page,
    RunOut,
    WithdrawalAsked,
    WithdrawalOut,
)
from broker.service.paging import PieceDep
from broker.service.problems import Refusal, may_answer
from broker.service.routes import API
from broker.service.sending import pieces
from broker.service.views import job_out, run_out, withdrawal_out
from broker.store.tables import Dataset, Job, Party, Project, Run, RunFile, Withdrawal
from broker.work import Kind, cancel
from pprl.guid import GUID_BYTES, from_text

router = APIRouter(prefix=API, tags=["work"])

ProjectId = Annotated[Id, Path(description="Id of a project.")]
DatasetId = Annotated[Id, Path(description="Id of a dataset.")]
JobId = Annotated[Id, Path(description="Id of a job.")]
RunId = Annotated[Id, Path(description="Id of a run.")]

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""For run reports: one page with its styles and drawings in itself, and no scripts."""


@router.get("/projects/{project_id}/jobs")
def list_jobs(asking: AskingDep, piece: PieceDep, project_id: ProjectId) -> Page[JobOut]:
    """The jobs of a project that the caller may see."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.SEE_PROJECT, Project, project_id)
        rows = select(Job).where(Job.project_key == project.key)
        sees = asking.sees(session, Act.SEE_JOB)
        return piece.of_seen(session, Job, rows, sees, lambda job: job_out(session, job))


@router.get("/jobs/{job_id}")
def get_job(asking: AskingDep, job_id: JobId) -> JobOut:
    """A job."""
    with asking.broker.store.read() as session:
        return job_out(session, asking.find(session, Act.SEE_JOB, Job, job_id))


@router.post("/jobs/{job_id}/cancel", response_model=JobOut)
def post_cancel(asking: AskingDep, once: OnceDep, job_id: JobId) -> JSONResponse:
    """Cancel a job: at once where it waits, soon where it runs."""

    def act(session: Session) -> Answer:
        job = asking.find(session, Act.CANCEL_JOB, Job, job_id)
        cancel(session, job, by=asking.party.id, now=asking.now)
        return 202, job_out(session, job)

    return once(act)


@router.post("/projects/{project_id}/runs", status_code=202, response_model=JobOut)
def post_run(asking: AskingDep, once: OnceDep, project_id: ProjectId, body: NewRun) -> JSONResponse:
    """Link all datasets of a project, as far as permitted."""

    def act(session: Session) -> Answer:
        project = asking.find(session, Act.START_RUN, Project, project_id)
        job = asking.enqueue(session, Kind.LINK, body.model_dump(), project=project)
        return 202, job_out(session, job)

    return once(act)


@router.get("/projects/{project_id}/runs")
def list_runs(asking: AskingDep, piece: PieceDep, project_id: ProjectId) -> Page[RunOut]:
    """The linkage runs of a project that the caller may see."""
    with asking.broker.store.read() as session:
        project = asking.find(session, Act.SEE_PROJECT, Project, project_id)
        rows = select(Run).where(Run.project_key == project.key)
        sees = asking.sees(session, Act.SEE_RUN)
        return piece.of_seen(session, Run, rows, sees, lambda run: run_out(session, run))


@router.get("/runs/{run_id}")
def get_run(asking: AskingDep, run_id: RunId) -> RunOut:
    """A linkage run."""
    with asking.broker.store.read() as session:
        return run_out(session, asking.find(session, Act.SEE_RUN, Run, run_id))


@router.get("/runs/{run_id}/quality")
def get_quality(asking: AskingDep, run_id: RunId) -> dict[str, Any]:
    """What the run found of its own quality; as quality.json."""
    with asking.broker.store.read() as session:
        return asking.find(session, Act.SEE_RUN, Run, run_id).quality


@router.get(
    "/runs/{run_id}/report",
    response_class=Response,
    responses={200: {"content": {"text/html": {}}}, **may_answer(410)},
)
def get_report(asking: AskingDep, run_id: RunId) -> Response:
    """The run's report, one page of HTML."""
    store = asking.broker.store
    with store.read() as session:
        run = asking.find(session, Act.SEE_RUN, Run, run_id)
        file = session.get(RunFile, (run.key, "report.html"))
    if file is None:
        raise Refusal(410, "the run's report is gone", code="gone")
    handle = store.files.open(file.sha256)

    headers = {"Content-Security-Policy": REPORT_POLICY, "Cache-Control": "private, no-store"}
    return StreamingResponse(pieces(handle), media_type="text/html; charset=utf-8", headers=headers)


@router.post("/datasets/{dataset_id}/withdrawals", status_code=202, response_model=WithdrawalAsked)
def post_withdrawal(
    asking: AskingDep, once: OnceDep, dataset_id: DatasetId, body: NewWithdrawal
) -> JSONResponse:
    """Withdraw records: they leave the ledger at once; a job clears away the rest and tells all who had them."""
    guids = from_text(body.records).reshape(-1, GUID_BYTES).astype(np.uint8)

    def act(session: Session) -> Answer:
        dataset = asking.find(session, Act.WITHDRAW, Dataset, dataset_id)
        party = session.get_one(Party, asking.party.key)
        withdrawal = withdraw(
            session, dataset, guids, party=party, now=asking.now, random_bytes=asking.broker.random_bytes
        )
        job = asking.enqueue(session, Kind.WITHDRAW, {"withdrawal": withdrawal.id}, dataset=dataset)
        asked = WithdrawalAsked(withdrawal=withdrawal_out(session, withdrawal), job=job_out(session, job))
        return 202, asked

    return once(act)


@router.get("/datasets/{dataset_id}/withdrawals")
def list_withdrawals(asking: AskingDep, piece: PieceDep, dataset_id: DatasetId) -> Page[WithdrawalOut]:
    """The withdrawals of a dataset."""
    with asking.broker.store.read() as session:
        dataset = asking.find(session, Act.SEE_QUALITY, Dataset, dataset_id)
        rows = select(Withdrawal).where(Withdrawal.dataset_key == dataset.key)
        return piece.of(session, Withdrawal, rows, lambda one: withdrawal_out(session, one))


@router.get("/withdrawals/{withdrawal_id}")
def get_withdrawal(asking: AskingDep, withdrawal_id: Annotated[Id, Path()]) -> WithdrawalOut:
    """A withdrawal, and who has not acknowledged it yet."""
    with asking.broker.store.read() as session:
        withdrawal = asking.find(session, Act.SEE_WITHDRAWAL, Withdrawal, withdrawal_id)
        return withdrawal_out(session, withdrawal)
