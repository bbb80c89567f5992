"""What a linkage run writes: links, entities, quality, report; all of them or nothing."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from broker.evidence_table import write_evidence
from broker.examples import examples
from broker.matching.conclude import Comparison
from broker.matching.evidence.model import BITS_PER_NAT
from broker.matching.pipeline import Linkage
from broker.matching.quality import Estimate, Interval
from broker.report import render_report
from broker.strata_report import describe_strata
from broker.tables import ENTITIES, LINKS, entity_batches, link_batches, write_table
from pprl import __version__
from pprl.files import new_folder
from pprl.guid import RandomBytes
from pprl.package import Manifest

QUALITY_VERSION = 2
"""Since 2 weights are bits; before, they were nats."""


def write_run(
    linkage: Linkage,
    manifests: Sequence[Manifest],
    out: Path,
    *,
    seed: int,
    intake_seconds: float,
    now: datetime,
    advance: Callable[[int], None] = lambda _: None,
    random_bytes: RandomBytes = os.urandom,
) -> dict[str, Any]:
    """Write a run's folder.

    ::

        links.csv      left_dataset,left_record,right_dataset,right_record,probability     and links.parquet
        entities.csv   entity_guid,dataset,record_guid                                     and entities.parquet
        evidence.parquet   what speaks for each link and what might have been one; see `broker.evidence_table`
        quality.json   counts, threshold, estimates with intervals, doubts, weights, seconds by stage
        report.html    the same for people; one file, nothing loaded from elsewhere

    Parameters
    ----------
    linkage : Linkage
        The outcome.
    manifests : sequence of Manifest
        Of its datasets, in order.
    out : Path
        Replaced as a whole where it is an earlier run's.
    seed : int
        For the record.
    intake_seconds : float
        For the record.
    now : datetime
        With time zone; for the record.
    advance : callable
        Called with numbers of rows written; they add up to the links and records.
    random_bytes : callable
        Source of the entity GUIDs.

    Returns
    -------
    dict
        The content of quality.json.

    Raises
    ------
    PprlError
        The folder cannot be written, for lack of room or as it holds something else.
    """
    quality = describe(linkage, manifests, seed=seed, intake_seconds=intake_seconds, now=now)
    with new_folder(out) as folder:
        write_table(folder / "links", LINKS, link_batches(linkage), advance=advance)
        entities = entity_batches(linkage, random_bytes=random_bytes)
        write_table(folder / "entities", ENTITIES, entities, advance=advance)
        write_evidence(folder / "evidence.parquet", linkage)
        (folder / "quality.json").write_text(
            json.dumps(quality, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        (folder / "report.html").write_text(render_report(quality), encoding="utf-8")
    return quality


def describe(
    linkage: Linkage, manifests: Sequence[Manifest], *, seed: int, intake_seconds: float, now: datetime
) -> dict[str, Any]:
    """All that is known of a run, without a token: the content of quality.json."""
    schema = linkage.datasets[0].schema
    sizes = np.bincount(linkage.entity)
    linked = np.zeros(len(linkage.entity), dtype=np.bool_)
    linked[linkage.links.left] = linked[linkage.links.right] = True
    starts = linkage.starts
    datasets = [
        {
            "dataset": manifest.dataset,
            "site": manifest.site,
            "records": manifest.n_records,
            "linked_records": int(linked[start:end].sum()),
            "duplicate_free": manifest.duplicate_free,
            "present": {name: manifest.field_counts[name] for name in schema.field_names},
            "sequence": manifest.sequence,
            "created": f"{manifest.created:%Y-%m-%dT%H:%M:%SZ}",
            "signer": manifest.signer,
            "payload_sha256": manifest.payload_sha256,
        }
        for manifest, start, end in zip(manifests, starts[:-1], starts[1:], strict=True)
    ]
    comparisons = [_describe_comparison(c, linkage) for c in linkage.comparisons]
    stages: dict[str, float] = {"intake": intake_seconds}
    for comparison in linkage.comparisons:
        for stage, seconds in comparison.seconds.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    return {
        "version": QUALITY_VERSION,
        "program": f"pprl-broker {__version__}",
        "created": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "project": schema.project,
        "epoch": schema.epoch,
        "profile": schema.profile.value,
        "schema_sha256": schema.fingerprint,
        "seed": seed,
        "threshold": linkage.threshold,
        "unit_of_weights": "bits",
        "counts": {
            "records": len(linkage.entity),
            "links": len(linkage.links),
            "links_dropped": linkage.n_dropped,
            "entities": len(sizes),
            "entities_by_size": {str(size): int(n) for size, n in enumerate(np.bincount(sizes)) if n},
            "entities_by_datasets": _by_datasets(linkage),
        },
        "datasets": datasets,
        "comparisons": comparisons,
        "seconds": {stage: round(seconds, 3) for stage, seconds in stages.items()},
    }


def _by_datasets(linkage: Linkage) -> list[dict[str, Any]]:
    """How many entities have records in which datasets, the most frequent first."""
    names = [dataset.name for dataset in linkage.datasets]
    subset = np.zeros(
        int(linkage.entity.max(initial=-1)) + 1, dtype=np.int64
    )  # numbers of subsets met so far
    met: list[tuple[int, ...]] = [()]
    for number, (start, end) in enumerate(itertools.pairwise(linkage.starts.tolist())):
        here = np.zeros(len(subset), dtype=np.bool_)
        here[linkage.entity[start:end]] = True
        used, subset = np.unique(2 * subset + here, return_inverse=True)
        met = [(*met[code // 2], number) if code % 2 else met[code // 2] for code in used.tolist()]
    held = dict(zip(met, np.bincount(subset, minlength=len(met)).tolist(), strict=True))
    return [
        {"datasets": [names[number] for number in numbers], "entities": n}
        for numbers, n in sorted(held.items(), key=lambda item: (-item[1], item[0]))
    ]


def _describe_comparison(comparison: Comparison, linkage: Linkage) -> dict[str, Any]:
    fit, histogram = comparison.fit, comparison.histogram
    return {
        "left": linkage.datasets[comparison.left].name,
        "right": linkage.datasets[comparison.right].name,
        "pairs": comparison.n_possible,
        "route": comparison.route,
        "why": comparison.why,
        "filter_comparisons": comparison.n_compared,
        "candidates": comparison.n_candidates,
        "candidates_by_filter": comparison.by_filter,
        "candidates_by_key": comparison.by_key,
        "bucket_recall": None if comparison.bucket_recall is None else round(comparison.bucket_recall, 4),
        "keys_capped": [
            {"key": capped.key, "values": capped.n_values, "records": capped.n_records}
            for capped in comparison.capped
        ],
        "expected_matches": round(comparison.n_matches, 2),
        "expected_matches_not_compared": round(comparison.n_missed, 2),
        "links": len(comparison.links),
        "estimate": _describe_estimate(comparison.estimates[0]),
        "by_threshold": [_describe_estimate(estimate) for estimate in comparison.estimates[1:]],
        "recommended_threshold": comparison.recommended_threshold,
        "doubts": list(comparison.doubts),
        "strata": describe_strata(comparison.strata, [dataset.name for dataset in linkage.datasets]),
        "rounds": fit.rounds,
        "converged": fit.converged,
        "intercept": _bits(fit.intercept),
        "weights": [
            {"part": feature.part, "says": feature.label, "weight": _bits(float(weight))}
            for feature, weight in zip(comparison.features, fit.weights, strict=True)
        ],
        "examples": examples(linkage, comparison),
        "histogram": {
            "edges": [_bits(float(edge)) for edge in histogram.edges],
            "between": [round(count) for count in histogram.between.tolist()],
            "null": [round(float(count), 2) for count in histogram.null],
            "threshold": _bits(histogram.threshold),
        },
        "seconds": {stage: round(seconds, 3) for stage, seconds in comparison.seconds.items()},
    }


def _bits(nats: float) -> float:
    return round(nats * BITS_PER_NAT, 4)


def _describe_estimate(estimate: Estimate) -> dict[str, Any]:
    def numbers(interval: Interval) -> dict[str, float]:
        return {
            "value": round(interval.value, 5),
            "low": round(interval.low, 5),
            "high": round(interval.high, 5),
        }

    return {
        "threshold": estimate.threshold,
        "links": estimate.n_links,
        "precision": numbers(estimate.precision),
        "recall": numbers(estimate.recall),
        "f1": numbers(estimate.f1),
    }
