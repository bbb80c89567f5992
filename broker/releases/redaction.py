"""Taking withdrawn records out of a delivery.

The broker cannot sign as the site. The package without the records is signed by the broker itself, and sealed to
itself; all else of the manifest but counts and digest is that of the site's.
"""

from __future__ import annotations

from typing import IO, cast

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from broker.ledger.book import Withdrawn, withdrawn_of
from broker.releases.files import delete_unused
from broker.store import Store
from broker.store.tables import Delivery
from pprl.errors import ConflictError
from pprl.files import scratch_file
from pprl.package import (
    Identity,
    Manifest,
    Package,
    SigningKey,
    inspect_package,
    open_package,
    write_package,
)
from pprl.schema.columns import RECORD_GUID, byte_rows, token_columns


def redact(store: Store, delivery_key: int, *, identity: Identity, signing_key: SigningKey) -> int:
    """Write a delivery's package anew without the records that were withdrawn.

    Parameters
    ----------
    store : Store
        Which holds it.
    delivery_key : int
        Of a delivery whose bytes are there, or are gone.
    identity : Identity
        The broker's.
    signing_key : SigningKey
        The broker's own; whoever opens the package must trust it beside the site's.

    Returns
    -------
    int
        How many records were taken out. Where none is left, the bytes are gone.

    Raises
    ------
    PackageError
        The package cannot be opened.
    ConflictError
        The delivery was changed meanwhile.
    StoreError
        The disk is full.
    """
    with store.read() as session:
        delivery = session.get_one(Delivery, delivery_key)
        withdrawn = withdrawn_of(session, delivery.dataset_key)
    if delivery.sha256 is None or not len(withdrawn.marks):
        return 0
    path = store.files.path(delivery.sha256)
    # Signature and expiry were looked at when it was accepted.
    created = inspect_package(path).created
    with (
        open_package(path, identity, trusted=None, now=created) as package,
        scratch_file(store.uploads) as tokens,
    ):
        n_kept, n_gone = _copy(package, withdrawn, tokens)
        if not n_gone:
            return 0
        made: tuple[str, Manifest] | None = None
        if n_kept:
            tokens.seek(0)
            with store.files.new() as new:
                manifest = _write(new, tokens, package.manifest, identity=identity, signing_key=signing_key)
            made = (new.sha256, manifest)
    with store.begin() as session:
        row = session.scalars(select(Delivery).where(Delivery.key == delivery_key).with_for_update()).one()
        if row.sha256 != delivery.sha256:
            # What was read here is older: it may hold records that somebody else has taken out since.
            raise ConflictError("the delivery was changed while records were taken out of it; do it again")
        row.n_records = n_kept
        row.sha256 = None if made is None else made[0]
        if made is not None:
            row.payload_sha256 = made[1].payload_sha256
            row.manifest_json = made[1].canonical_json()
    delete_unused(store, [delivery.sha256])
    return n_gone


def _copy(package: Package, withdrawn: Withdrawn, tokens: IO[bytes]) -> tuple[int, int]:
    """Copy the records that stay; gives how many stay and how many do not."""
    n_kept = n_gone = 0
    with pa.ipc.new_stream(tokens, token_columns(package.manifest.linkage_schema)) as stream:
        for batch in package:
            stays = withdrawn.spares(byte_rows(batch.column(RECORD_GUID)))
            n_gone += int(np.count_nonzero(~stays))
            if stays.any():
                n_kept += int(np.count_nonzero(stays))
                stream.write_batch(batch.filter(pa.array(stays)))
    return n_kept, n_gone


def _write(
    target: object, tokens: IO[bytes], manifest: Manifest, *, identity: Identity, signing_key: SigningKey
) -> Manifest:
    return write_package(
        cast("IO[bytes]", target),
        tokens,
        schema=manifest.linkage_schema,
        key_check=manifest.key_check,
        site=manifest.site,
        dataset=manifest.dataset,
        duplicate_free=manifest.duplicate_free,
        signing_key=signing_key,
        recipient=identity.recipient,
        now=manifest.created,
        sequence=manifest.sequence,
        valid_for=manifest.expires - manifest.created,
    )
