"""What a Prometheus server may know: counts, sizes and times; nothing of a record, no name of a project or party."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select

from broker.store import Store
from broker.store.tables import Job, JobState, Upload, UploadState
from broker.work.queue import counts_by_state
from pprl import __version__
from pprl.errors import StoreError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one service.

    Parameters
    ----------
    store : Store
        Asked when the metrics are read.
    """

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        Gauge("pprl_broker_info", "Version.", ["version"], registry=self.registry).labels(__version__).set(1)
        self.requests = Counter(
            "pprl_broker_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "pprl_broker_request_seconds",
            "Time to the end of the answer.",
            ["method", "route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
            registry=self.registry,
        )
        self.running = Gauge(
            "pprl_broker_requests_running", "Requests being answered.", registry=self.registry
        )
        self.registry.register(_OfStore(store))

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)


class _OfStore:
    """What the store knows, asked anew each time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[Any]:
        """Nothing beforehand: the store need not be there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("pprl_broker_store_up", "Whether the store's database answers.")
        try:
            with self._store.read() as session:
                jobs = counts_by_state(session)
                oldest = session.scalar(select(func.min(Job.created_at)).where(Job.state == JobState.QUEUED))
                n_open, n_bytes = session.execute(
                    select(func.count(), func.coalesce(func.sum(Upload.n_received), 0)).where(
                        Upload.state == UploadState.OPEN
                    )
                ).one()
        except StoreError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        by_state = GaugeMetricFamily("pprl_broker_jobs", "Jobs.", labels=["kind", "state"])
        for (kind, state), n in sorted(jobs.items()):
            by_state.add_metric([kind, state], n)
        yield by_state
        waiting = 0.0 if oldest is None else max((self._store.clock() - oldest).total_seconds(), 0.0)
        yield GaugeMetricFamily(
            "pprl_broker_jobs_oldest_seconds", "Age of the job that waits longest.", waiting
        )
        yield GaugeMetricFamily("pprl_broker_uploads_open", "Uploads that are not finished.", n_open)
        yield GaugeMetricFamily("pprl_broker_uploads_open_bytes", "What came of them.", int(n_bytes))
        disk = shutil.disk_usage(self._store.uploads)
        yield GaugeMetricFamily("pprl_broker_disk_free_bytes", "Room for bulk data.", disk.free)
