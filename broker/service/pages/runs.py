"""Linkage runs: started here, and read here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.governance import Act
from broker.report import histogram_chart
from broker.service.models import Id, NewRun
from broker.service.pages.forms import filled_in
from broker.service.pages.lookups import Names, datasets_of, newest_runs, valid_permissions_of
from broker.service.pages.projects import ProjectId, frame_of
from broker.service.pages.rendering import show
from broker.service.pages.visitor import ROOT, DeedDep, VisitorDep, answer_of
from broker.service.routes.work import get_quality, get_report, get_run, post_run
from broker.store.tables import Project
from broker.strata_report import strata_charts

router = APIRouter()

RunId = Annotated[Id, Path()]
CANDIDATES = {
    "auto": "As the program sees fit, by the sizes",
    "all": "All pairs: complete, and slow for large datasets",
    "keys": "By match keys alone: fast, needs least memory",
    "lsh": "By match keys and buckets of similar filters",
}


@router.get("/projects/{project_id}/runs/new")
def get_new_run_page(visitor: VisitorDep, project_id: ProjectId) -> HTMLResponse:
    """What a run would link, and with which settings."""
    visitor.check(Act.START_RUN, Project, project_id)
    datasets = datasets_of(visitor, project_id)
    last = newest_runs(visitor, project_id, 1)
    quality = get_quality(visitor.asking, last[0].id) if last else {}
    return show(
        "run_new",
        visitor,
        frame=frame_of(visitor, project_id),
        datasets=datasets,
        permissions=valid_permissions_of(visitor, project_id),
        names=Names(visitor).learn(datasets=datasets),
        last=last[0] if last else None,
        recommended=sorted(
            {
                one["recommended_threshold"]
                for one in comparisons_of(quality)
                if "recommended_threshold" in one
            }
        ),
        candidates=CANDIDATES,
    )


@router.post("/projects/{project_id}/runs")
def post_run_page(deed: DeedDep, project_id: ProjectId) -> RedirectResponse:
    """Start a run."""
    body = filled_in(
        NewRun,
        threshold=deed.fields.text("threshold"),
        candidates=deed.fields.text("candidates") or "auto",
        seed=deed.fields.text("seed") or 0,
    )
    job = answer_of(post_run(deed.visitor.asking, deed.once, project_id, body))
    return deed.done(f"{ROOT}/jobs/{job['id']}", "The run is asked for; this page tells how far it is.")


@router.get("/runs/{run_id}")
def get_run_page(visitor: VisitorDep, run_id: RunId) -> HTMLResponse:
    """A run's outcome and how far it can be trusted."""
    run = get_run(visitor.asking, run_id)
    quality = get_quality(visitor.asking, run_id)
    comparisons = comparisons_of(quality)
    return show(
        "run",
        visitor,
        frame=frame_of(visitor, run.project),
        run=run,
        quality=quality,
        comparisons=comparisons,
        charts=[histogram_chart(one["histogram"]) for one in comparisons],
        strata_charts=[
            strata_charts(one["strata"], one["estimate"]["recall"]["value"]) for one in comparisons
        ],
    )


@router.get("/runs/{run_id}/report")
def get_report_page(visitor: VisitorDep, run_id: RunId) -> Response:
    """The whole report, a page by itself."""
    return get_report(visitor.asking, run_id)


def comparisons_of(quality: dict[str, Any]) -> list[dict[str, Any]]:
    """What a run says of its pairs of datasets; nothing where an older program wrote otherwise."""
    found = quality.get("comparisons", [])
    wanted = {
        "left",
        "right",
        "estimate",
        "by_threshold",
        "histogram",
        "strata",
        "doubts",
        "recommended_threshold",
    }
    return [one for one in found if wanted <= one.keys()]
