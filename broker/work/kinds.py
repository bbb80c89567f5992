"""What each kind of job does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from broker.work.intake import take_in
from broker.work.linking import link_project
from broker.work.queue import Kind
from broker.work.releasing import release_to
from broker.work.withdrawing import clear_away
from broker.work.worker import Task

DOERS: Mapping[Kind, Callable[[Task], None]] = {
    Kind.INTAKE: take_in,
    Kind.LINK: link_project,
    Kind.RELEASE: release_to,
    Kind.WITHDRAW: clear_away,
}
"""A doer ends the job with `broker.work.queue.Lease.finish`, in the transaction that keeps what it did."""
