"""The ledger: which records are one person's, over all runs and deliveries, and what became of whom.

::

    record_run    a run's groups become entities: kept, new, merged, split, emptied (the rule: `broker.ledger.carry`)
    changes_of    what a delivery adds, changes and removes
    guids_for     a recipient's own GUIDs of entities
    read_history  old entities to those of now
    withdraw      records go for good
"""

from broker.ledger.book import Records, Refreshed, changes_of, ledger_key, not_withdrawn, record_run
from broker.ledger.carry import Carried, carry_over
from broker.ledger.guids import give_guids, guids_for, guids_given
from broker.ledger.history import History, read_history
from broker.ledger.rows import Changes, compare_deliveries, row_digests, row_marks
from broker.ledger.withdrawals import withdraw

__all__ = [
    "Carried",
    "Changes",
    "History",
    "Records",
    "Refreshed",
    "carry_over",
    "changes_of",
    "compare_deliveries",
    "give_guids",
    "guids_for",
    "guids_given",
    "ledger_key",
    "not_withdrawn",
    "read_history",
    "record_run",
    "row_digests",
    "row_marks",
    "withdraw",
]
