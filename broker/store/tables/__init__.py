"""The tables of the broker's store, and what they are called in Python.

Rows have a number (``key``) that other rows point to and that never leaves the broker, and, where the outside needs to
name them, a random ``id``. All times are UTC.
"""

from broker.store.tables.base import Base
from broker.store.tables.chain import APPEND_ONLY, Checkpoint, JournalEntry, StoreFact
from broker.store.tables.deliveries import (
    Delivery,
    DeliveryState,
    IdempotencyKey,
    StoredFile,
    Upload,
    UploadState,
)
from broker.store.tables.ledger import (
    ChangeKind,
    Entity,
    EntityChange,
    LedgerRecord,
    RecipientGuid,
    Withdrawal,
    WithdrawnRecord,
)
from broker.store.tables.metadata import AliasKind, MetadataAlias, MetadataRecord
from broker.store.tables.parties import ApiToken, Identity, Party, PartyKind, SiteKey
from broker.store.tables.projects import (
    Dataset,
    Member,
    Permission,
    PermissionRecipient,
    Project,
    Role,
    ShownOverlap,
    Use,
)
from broker.store.tables.releases import (
    Acknowledgement,
    Release,
    ReleaseDataset,
    ReleaseFile,
    ReleaseState,
)
from broker.store.tables.work import Job, JobState, Run, RunDelivery, RunFile

__all__ = [
    "APPEND_ONLY",
    "Acknowledgement",
    "AliasKind",
    "ApiToken",
    "Base",
    "ChangeKind",
    "Checkpoint",
    "Dataset",
    "Delivery",
    "DeliveryState",
    "Entity",
    "EntityChange",
    "IdempotencyKey",
    "Identity",
    "Job",
    "JobState",
    "JournalEntry",
    "LedgerRecord",
    "Member",
    "MetadataAlias",
    "MetadataRecord",
    "Party",
    "PartyKind",
    "Permission",
    "PermissionRecipient",
    "Project",
    "RecipientGuid",
    "Release",
    "ReleaseDataset",
    "ReleaseFile",
    "ReleaseState",
    "Role",
    "Run",
    "RunDelivery",
    "RunFile",
    "ShownOverlap",
    "SiteKey",
    "StoreFact",
    "StoredFile",
    "Upload",
    "UploadState",
    "Use",
    "Withdrawal",
    "WithdrawnRecord",
]
