"""A dataset and its deliveries, with what intake found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from broker.service.models import DeliveryOut, Id
from broker.service.pages.lookups import newest_deliveries, newest_jobs, withdrawals_of
from broker.service.pages.projects import frame_of
from broker.service.pages.rendering import show
from broker.service.pages.visitor import VisitorDep
from broker.service.pages.waiting import warnings_of
from broker.service.routes.projects import get_dataset, get_delivery

router = APIRouter()

MOST_SHOWN = 50


@router.get("/datasets/{dataset_id}")
def get_dataset_page(visitor: VisitorDep, dataset_id: Annotated[Id, Path()]) -> HTMLResponse:
    """A dataset, its deliveries and withdrawals."""
    dataset = get_dataset(visitor.asking, dataset_id)
    deliveries = newest_deliveries(visitor, dataset_id, MOST_SHOWN)
    jobs = [one for one in newest_jobs(visitor, dataset.project, 50) if one.dataset == dataset_id]
    return show(
        "dataset",
        visitor,
        live=any(one.finished_at is None for one in jobs),
        frame=_frame(visitor, dataset.project),
        dataset=dataset,
        deliveries=deliveries,
        warnings={one.id: len(warnings_of(one)) for one in deliveries},
        jobs=[one for one in jobs if one.finished_at is None],
        refused=[one for one in jobs if (one.result or {}).get("state") == "refused"][:10],
        withdrawals=withdrawals_of(visitor, [dataset]),
        is_mine=dataset.site == visitor.id,
    )


@router.get("/deliveries/{delivery_id}")
def get_delivery_page(visitor: VisitorDep, delivery_id: Annotated[Id, Path()]) -> HTMLResponse:
    """A delivery's quality."""
    delivery = get_delivery(visitor.asking, delivery_id)
    dataset = get_dataset(visitor.asking, delivery.dataset)
    return show(
        "delivery",
        visitor,
        frame=_frame(visitor, dataset.project),
        dataset=dataset,
        delivery=delivery,
        warnings=warnings_of(delivery),
        quality=quality_of(delivery),
    )


def _frame(visitor: Any, project_id: str) -> Any:
    """The project; None for a site that has left it and still has its dataset."""
    return visitor.sees(lambda: frame_of(visitor, project_id))


def quality_of(delivery: DeliveryOut) -> dict[str, Any] | None:
    """What intake measured, as far as it is as expected here; None where there is nothing.

    It was written when the delivery came, maybe by an older or a newer program: what is not understood is left out.
    """
    found = delivery.quality
    if not isinstance(found, Mapping) or not found:
        return None
    size, changes, alike = (_mapping(found.get(name)) for name in ("records", "changes", "alike"))
    frequent = _mapping(found.get("over_frequent"))
    return {
        "compared_with": found.get("compared_with"),
        "last": size.get("last"),
        "changes": {
            name: changes.get(name) for name in ("added", "changed", "unchanged", "removed")
        } if changes else None,
        "fields": [
            {
                "field": str(one["field"]),
                "records": _number(one.get("records")),
                "share": _number(one.get("share")),
                "last_share": _number(one.get("last_share")),
                "difference": _number(one.get("difference")),
                "verdict": str(one.get("verdict", "")),
            }
            for one in _rows(found.get("fields"))
            if "field" in one
        ],
        "patterns": [
            {
                "fields": [str(name) for name in one.get("fields") or ()],
                "records": _number(one.get("records")),
                "share": _number(one.get("share")),
            }
            for one in _rows(found.get("patterns"))
        ],
        "drift": [
            {
                "filter": str(one["filter"]),
                "distance": _number(one.get("distance")),
                "threshold": _number(one.get("threshold")),
                "verdict": str(one.get("verdict", "")),
            }
            for one in _rows(found.get("fill_drift"))
            if "filter" in one
        ],
        "frequent": [
            {
                "of": {"field": "field", "key": "match key", "filter": "whole record"}.get(
                    str(one.get("of")), str(one.get("of", ""))
                ),
                "name": str(one.get("name", "")),
                "values": _number(one.get("values")),
                "records": _number(one.get("records")),
                "share": _number(one.get("share")),
            }
            for one in _rows(frequent.get("values"))
        ],
        "alike": {
            "records": _number(alike.get("records")),
            "share": _number(alike.get("share")),
            "verdict": str(alike.get("verdict", "")),
        } if alike else None,
    }  # fmt: skip


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _number(value: object) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
