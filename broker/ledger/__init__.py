"""The ledger: which records are one person's, over all runs and deliveries, and what became of whom.

`broker.ledger.carry` has the rule by which entities keep their identity, `broker.ledger.rows` what changed between two
deliveries; both are pure.
"""
