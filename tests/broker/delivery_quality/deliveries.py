"""Deliveries of an invented town, and what is wrong with some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np

from broker.delivery_quality import measure_quality
from broker.matching.dataset import Dataset
from pprl.package import Manifest
from pprl.package.manifest import make_manifest
from pprl.schema import Schema

from ..population import Record, Town
from ..tokens import BROKER, NOW, a_dataset, a_schema, site_key


def a_manifest(dataset: Dataset, sequence: int = 1, **changes: Any) -> Manifest:
    """The manifest that would come with a dataset."""
    schema = dataset.schema
    entries: dict[str, Any] = {
        "project": schema.project,
        "epoch": schema.epoch,
        "dataset": dataset.name,
        "site": "Hospital A",
        "schema_sha256": schema.fingerprint,
        "linkage_schema": schema,
        "key_check": "0123456789abcdef",
        "n_records": len(dataset),
        "field_counts": {name: int(dataset.has(name).sum()) for name in schema.field_names},
        "duplicate_free": dataset.duplicate_free,
        "sequence": sequence,
        "created": NOW,
        "expires": NOW + timedelta(days=90),
        "recipient": str(BROKER.recipient),
        "signer": str(site_key("a").verify_key),
        "payload_sha256": "0" * 64,
        "payload_bytes": 1000,
    }
    return make_manifest(**(entries | changes))


def quality_of(
    schema: Schema,
    records: Sequence[Record],
    last: dict[str, Any] | None = None,
    *,
    duplicate_free: bool = True,
    **more: Any,
) -> dict[str, Any]:
    dataset = a_dataset(schema, records, duplicate_free=duplicate_free)
    manifest = a_manifest(dataset, 1 if last is None else last["sequence"] + 1)
    return measure_quality(dataset, manifest, last, **more)


@cache
def two_deliveries(seed: int) -> tuple[list[Record], list[Record]]:
    """Records of two deliveries, a third of the first one's gone and as many new."""
    first, second = Town(seed, n_people=5400, holds=((0, 0.75), (0.25, 1))).records
    return first, second


@cache
def first_quality(seed: int, profile: str) -> dict[str, Any]:
    return quality_of(a_schema(profile), two_deliveries(seed)[0])


def planted(
    seed: int, profile: str, fault: Callable[[list[Record], np.random.Generator], None]
) -> dict[str, Any]:
    """What is said of the second delivery with a fault, after a clean first one."""
    records = [dict(record) for record in two_deliveries(seed)[1]]
    fault(records, np.random.default_rng(seed))
    return quality_of(a_schema(profile), records, first_quality(seed, profile))
