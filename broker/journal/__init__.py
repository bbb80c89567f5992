"""The journal: every act that changed something, in a chain of hashes that shows any later change.

Entry *n* has the hash SHA-256(``pprl journal v1`` NUL, hash of entry *n* - 1, canonical JSON of entry *n*); before the
first entry stands the hash of the store's random id. Whoever can write to the database could make a whole new chain;
what they cannot make is the signature of a *checkpoint*, and what they cannot reach is a checkpoint that was carried
elsewhere. So the journal up to an entry is as trustworthy as the latest checkpoint outside that covers it.

Entries hold who did what to which subjects, counts and digests; never a token, an identifier or a list of GUIDs.
"""

from broker.journal.chain import Fault, Row, check_chain, genesis
from broker.journal.checkpoints import (
    JournalKey,
    JournalVerifyKey,
    SignedCheckpoint,
    make_checkpoint,
    read_checkpoints,
)
from broker.journal.entries import BROKER, LOCAL, append
from broker.journal.verification import Verification, verify

__all__ = [
    "BROKER",
    "LOCAL",
    "Fault",
    "JournalKey",
    "JournalVerifyKey",
    "Row",
    "SignedCheckpoint",
    "Verification",
    "append",
    "check_chain",
    "genesis",
    "make_checkpoint",
    "read_checkpoints",
    "verify",
]
