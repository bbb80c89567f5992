"""Long work: a queue in the store's database, and the workers that empty it.

::

    uploads --> intake     a package that came becomes a dataset's current delivery, or is refused
                link       the datasets of a project, as far as permitted; the outcome goes into the ledger
                release    a recipient's tables
                withdraw   deltas for all who had the records; nothing of them stays in bulk data

A worker holds a job by a lease that it renews. Whoever stops in the middle, by a crash or for good, loses the lease;
another takes the job up. What a job does is kept by one transaction, in which it proves that it holds the lease still:
so the outcome is there once, or not yet.
"""

from broker.work.keys import BrokerKeys
from broker.work.queue import Kind, cancel, enqueue
from broker.work.worker import Worker

__all__ = ["BrokerKeys", "Kind", "Worker", "cancel", "enqueue"]
