"""A delivery's records, for matching and for the ledger, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from broker.intake import BYTES_IN_MEMORY, load
from broker.ledger import Records, row_digests
from broker.ledger.rows import DIGEST_BYTES, Digests
from broker.matching.dataset import Dataset
from broker.store.tables import Delivery
from pprl.package import Package


def load_records(
    package: Package,
    delivery: Delivery,
    *,
    key: bytes,
    folder: Path,
    bytes_in_memory: int = BYTES_IN_MEMORY,
    check: Callable[[], object] = lambda: None,
) -> tuple[Dataset, Records]:
    """Load an open package.

    Parameters
    ----------
    package : Package
        Of the delivery.
    delivery : Delivery
        Whose records they are.
    key : bytes
        Of `broker.ledger.ledger_key`.
    folder, bytes_in_memory
        As of `broker.intake.load`.
    check : callable
        Called once a batch; may stop it by an exception.

    Returns
    -------
    tokens : Dataset
    records : Records
    """
    digests: list[Digests] = [np.empty((0, DIGEST_BYTES), np.uint8)]

    def look_at(batch: pa.RecordBatch) -> None:
        check()
        digests.append(row_digests(batch, key))

    tokens = load(package, folder=folder, bytes_in_memory=bytes_in_memory, look_at=look_at)
    return tokens, Records(delivery.dataset_key, delivery.key, tokens.guids, np.concatenate(digests))
