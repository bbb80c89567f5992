"""What a withdrawal still needs once the records are out of the ledger; see `broker.releases.withdrawal`."""

from __future__ import annotations

from sqlalchemy import select

from broker.releases.withdrawal import carry_out
from broker.store.tables import Withdrawal
from broker.work.worker import Task


def clear_away(task: Task) -> None:
    """Do a job of withdrawal."""
    store = task.store
    with store.read() as session:
        withdrawal = session.scalars(
            select(Withdrawal).where(Withdrawal.id == task.job.arguments["withdrawal"])
        ).one()
    with task.progress("clearing away", None):
        releases = carry_out(
            store,
            withdrawal,
            identity=task.keys.identity,
            signing_key=task.keys.signing,
            release_key=task.keys.release,
            held=task.lease.hold,
            random_bytes=task.random_bytes,
        )
    with store.begin() as session:
        result = {"withdrawal": withdrawal.id, "releases": [release.id for release in releases]}
        task.lease.finish(session, result, now=store.clock())
