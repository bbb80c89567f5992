"""For whoever runs the service: is it there, can it work, how is it."""

from __future__ import annotations

import shutil
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from broker.auth import Scope
from broker.service.dependencies import AskingDep, BrokerDep
from broker.service.metrics import CONTENT_TYPE, Metrics
from broker.service.models import Health
from broker.service.problems import Refusal, may_answer
from broker.store.tables import StoreFact

router = APIRouter(tags=["operations"])

LEAST_FREE_BYTES = 64 * 1024 * 1024


@router.get("/healthz")
async def healthz() -> Health:
    """The process is there."""
    # Not in a thread: all may be waiting for the database, and the process is there all the same.
    return Health(status="ok")


@router.get("/readyz", responses=may_answer(507))
def readyz(broker: BrokerDep) -> Health:
    """Database and disk can be used."""
    with broker.store.read() as session:
        session.scalar(select(StoreFact.value).limit(1))
    if shutil.disk_usage(broker.store.uploads).free < LEAST_FREE_BYTES:
        raise Refusal(507, "the broker's disk is full")
    return Health(status="ok")


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(asking: AskingDep, metrics: Annotated[Metrics, Depends(_metrics)]) -> Response:
    """Metrics in Prometheus' text format; takes a token with the scope ``metrics``."""
    asking.broker.authenticator.require_scope(asking.caller, Scope.METRICS)
    return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})
