"""Linking a project: its current deliveries, as far as permitted; the outcome goes into the ledger.

A dataset is in the run where some permission, valid now, lets it be linked, counted or deduplicated, or where the
ledger holds records of it: what is not permitted any more is compared no more, and its records are each an entity of
their own from then on.

What is near by filter is looked for where records are new or changed since the last run; `broker.engines.refresh`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.engines.local import LocalEngine
from broker.engines.memory import check_memory
from broker.engines.refresh import BYTES_PER_RECORD, RefreshEngine
from broker.engines.tiles import JOB_FILE, TileStore
from broker.governance import Act, permitted, require
from broker.intake import BYTES_IN_MEMORY, room_after
from broker.ledger import Records, ledger_key, record_run, row_marks
from broker.ledger.bulk import datasets_held
from broker.ledger.near import NEAR_PAIRS, forget_earlier, read_near_pairs, store_near_pairs
from broker.ledger.rows import DIGEST_BYTES
from broker.matching.dataset import Dataset as Tokens
from broker.matching.pipeline import DEFAULT_THRESHOLD, Linkage, link
from broker.matching.plan import Candidates, make_plan, sizes_of
from broker.release import write_run
from broker.releases.files import delete_unused
from broker.releases.redaction import redact
from broker.store.tables import (
    Dataset,
    Delivery,
    DeliveryState,
    Party,
    Project,
    Run,
    RunDelivery,
    RunFile,
    SiteKey,
    Withdrawal,
)
from broker.work.loading import load_records
from broker.work.unfinished import take_over
from broker.work.worker import Task
from pprl import __version__
from pprl.errors import GovernanceError, LinkageError
from pprl.guid import GUID_BYTES, new_guid
from pprl.package import Manifest, VerifyKey, open_package

FILES = ("quality.json", "report.html", "evidence.parquet", "links.parquet")
"""What is kept of a run's folder."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A dataset of the run.

    Attributes
    ----------
    tokens : Dataset or None
        None: it has no records any more.
    """

    dataset: Dataset
    delivery: Delivery
    manifest: Manifest | None
    tokens: Tokens | None
    records: Records


def link_project(task: Task) -> None:
    """Do a job of linking."""
    store, began = task.store, time.perf_counter()
    with store.read() as session:
        project = session.get_one(Project, task.job.project_key)
        party = session.get_one(Party, task.job.created_by_key)
        require(session, party, Act.START_RUN, project, now=store.clock())
        allowed = {
            frozenset((pair.left.key, pair.right.key))
            for pair in permitted(session, project, now=store.clock())
        }
        chosen = _chosen(session, project, allowed)
    loaded = _load_all(task, chosen)
    intake_seconds = time.perf_counter() - began
    within = [one for one in loaded if one.tokens is not None]
    settings: dict[str, Any] = {
        "threshold": task.job.arguments.get("threshold", DEFAULT_THRESHOLD),
        "candidates": task.job.arguments.get("candidates", "auto"),
        "seed": task.job.arguments.get("seed", 0),
    }
    _check_memory(within, settings["candidates"])
    folder = take_over(store, task.job.id, task.lease.attempt, holds=JOB_FILE)
    earlier = read_near_pairs(store, project.key)
    tiles = TileStore(
        folder,
        {
            "payloads": [one.delivery.payload_sha256 for one in within],
            "earlier": None if earlier is None else earlier.sha256,
            **settings,
        },
    )
    engine = RefreshEngine(
        LocalEngine(tiles),
        {_tokens(one).name: row_marks(one.records.guids, one.records.digests) for one in within},
        None if earlier is None else earlier.pairs,
        schema=project.schema_sha256,
    )
    numbers = {one.dataset.key: number for number, one in enumerate(within)}
    pairs = {
        frozenset(numbers[key] for key in pair) for pair in allowed if all(key in numbers for key in pair)
    }
    try:
        linkage = link(
            [_tokens(one) for one in within],
            **settings,
            allowed=pairs,
            engine=engine,
            progress=task.progress,
        )
        _keep(
            task,
            project,
            party,
            loaded,
            linkage,
            engine,
            settings,
            intake_seconds=intake_seconds,
            began=began,
        )
    except LinkageError as error:
        raise GovernanceError(
            f"{error}; the project's permissions and accepted deliveries leave nothing to compare"
        ) from None
    shutil.rmtree(folder, ignore_errors=True)


def _tokens(one: _Loaded) -> Tokens:
    assert one.tokens is not None  # noqa: S101 - asked for before
    return one.tokens


def _chosen(
    session: Session, project: Project, allowed: Collection[frozenset[int]]
) -> list[tuple[Dataset, Delivery]]:
    """Datasets of the run and their current deliveries, in the order of their keys."""
    wanted = {key for pair in allowed for key in pair} | set(datasets_held(session, project.key))
    chosen = []
    for key in sorted(wanted):
        dataset = session.get_one(Dataset, key)
        deliveries = select(Delivery).where(Delivery.dataset_key == key).order_by(Delivery.key.desc())
        current = session.scalars(deliveries.where(Delivery.state == DeliveryState.ACCEPTED).limit(1)).first()
        if current is None:
            current = session.scalars(deliveries.limit(1)).first()
        if current is not None:  # nothing was ever delivered, so nothing is held
            chosen.append((dataset, current))
    if not any(delivery.state is DeliveryState.ACCEPTED for _, delivery in chosen):
        raise GovernanceError(
            "there is nothing to link: no dataset with a permission has an accepted delivery yet"
        )
    return chosen


def _load_all(task: Task, chosen: Sequence[tuple[Dataset, Delivery]]) -> list[_Loaded]:
    n_bytes = sum(
        0 if delivery.sha256 is None else Manifest.model_validate_json(delivery.manifest_json).payload_bytes
        for _, delivery in chosen
    )
    with task.store.begin() as session:
        key = ledger_key(session, random_bytes=task.random_bytes)
    room, loaded = BYTES_IN_MEMORY, []
    with task.progress("opening packages", n_bytes, unit="bytes") as advance:
        for dataset, delivery in chosen:
            one = _load_one(task, dataset, delivery, key, room, advance)
            if one.tokens is not None:
                room = room_after(one.tokens, room)
            loaded.append(one)
    return loaded


def _load_one(
    task: Task, dataset: Dataset, delivery: Delivery, key: bytes, room: int, advance: Any
) -> _Loaded:
    store = task.store
    with store.read() as session:
        pending = session.scalars(
            select(Withdrawal.key).where(
                Withdrawal.dataset_key == dataset.key, Withdrawal.purged_at.is_(None)
            )
        ).first()
        public = session.scalars(select(SiteKey.public).where(SiteKey.party_key == dataset.site_key)).all()
    if pending is not None:
        redact(store, delivery.key, identity=task.keys.identity, signing_key=task.keys.signing)
        with store.read() as session:
            delivery = session.get_one(Delivery, delivery.key)
    if delivery.sha256 is None or dataset.retired_at is not None:
        nothing = Records(
            dataset.key,
            delivery.key,
            np.empty((0, GUID_BYTES), np.uint8),
            np.empty((0, DIGEST_BYTES), np.uint8),
        )
        return _Loaded(dataset, delivery, None, None, nothing)
    path = store.files.path(delivery.sha256)
    manifest = Manifest.model_validate_json(delivery.manifest_json)
    trusted = [task.keys.signing.verify_key, *(VerifyKey.parse(text) for text in public)]
    # It was accepted while it was valid; its expiry is for its way here.
    with open_package(
        path, task.keys.identity, trusted=trusted, now=manifest.created, advance=advance
    ) as package:
        tokens, records = load_records(
            package,
            delivery,
            key=key,
            folder=store.uploads,
            bytes_in_memory=room,
            check=task.progress.check,
        )
    return _Loaded(dataset, delivery, manifest, tokens, records)


def _check_memory(loaded: Sequence[_Loaded], candidates: Candidates) -> None:
    manifests = [one.manifest for one in loaded if one.manifest is not None]
    if not manifests:
        return
    plan = make_plan(sizes_of(manifests), manifests[0].linkage_schema, candidates=candidates)
    n_bytes = plan.n_bytes + BYTES_PER_RECORD * max(manifest.n_records for manifest in manifests)
    check_memory(n_bytes, fix='give the broker a larger machine, or ask for a run with candidates "keys"')


def _keep(
    task: Task,
    project: Project,
    party: Party,
    loaded: Sequence[_Loaded],
    linkage: Linkage,
    engine: RefreshEngine,
    settings: dict[str, Any],
    *,
    intake_seconds: float,
    began: float,
) -> None:
    """Store the run's files, then write run and ledger and end the job, in one transaction."""
    store, now = task.store, task.store.clock()
    manifests = [one.manifest for one in loaded if one.manifest is not None and one.tokens is not None]
    n_rows = len(linkage.links) + len(linkage.entity)
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=store.uploads) as scratch,
        task.progress("writing", n_rows, unit="rows") as advance,
    ):
        out = Path(scratch) / "run"
        quality = write_run(
            linkage,
            manifests,
            out,
            seed=settings["seed"],
            intake_seconds=intake_seconds,
            now=now,
            advance=advance,
            random_bytes=task.random_bytes,
        )
        digests = {}
        for name in FILES:
            with (out / name).open("rb") as file:
                digests[name] = store.files.put(file)
        digests[NEAR_PAIRS] = store_near_pairs(store, engine.found)
    group = _groups(linkage)
    with task.progress("writing the ledger", None), store.begin() as session:
        job = task.lease.hold(session)
        run = Run(
            id=new_guid(task.random_bytes),
            project_key=project.key,
            job_key=job.key,
            program=f"pprl-broker {__version__}",
            settings=settings,
            quality=quality,
            n_records=len(linkage.entity),
            n_links=len(linkage.links),
            n_entities=int(linkage.entity.max(initial=-1)) + 1,
            created_at=job.started_at or now,
            finished_at=store.clock(),
        )
        session.add(run)
        session.flush()
        for one in loaded:
            session.add(RunDelivery(run_key=run.key, delivery_key=one.delivery.key))
        for name, digest in digests.items():
            session.add(RunFile(run_key=run.key, name=name, sha256=digest))
        session.flush()
        record_run(
            session,
            session.get_one(Project, project.key),
            run,
            [one.records for one in loaded],
            group,
            by=party.id,
            now=store.clock(),
        )
        gone = forget_earlier(session, run)
        seconds = round(time.perf_counter() - began, 1)
        result = {
            "run": run.id,
            "seconds": seconds,
            "n_compared": engine.n_compared,
            "n_compared_in_full": engine.n_in_full,
        }
        task.lease.finish(session, result, now=store.clock())
    delete_unused(store, gone)


def _groups(linkage: Linkage) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The entity of each record, numbered without gaps; datasets without records add none."""
    return np.unique(linkage.entity, return_inverse=True)[1].astype(np.int64)
