"""Releases: what each recipient is given of the ledger, and how it is taken back.

::

    build_release     a recipient's tables, whole and as a delta, sealed, signed and published
    acknowledge       a recipient says that it has applied a release
    carry_out         what a withdrawal still needs: deltas for all, and nothing of the records in bulk data

The format, and the recipient's side, is `pprl.release`.
"""
